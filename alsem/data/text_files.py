"""Text and JSON files that others wrote, read with one-line errors."""

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from alsem.core.errors import InputError


def read_text(path: Path, purpose: str) -> str:
    """Reads a text file, with or without a byte order mark.

    Args:
        path: The file.
        purpose: What it holds or how to make it, for the message if it is missing.

    Raises:
        InputError: It is missing, or cannot be read as text.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{path}: missing; {purpose}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as text ({error})") from None


def read_json(path: Path) -> dict[str, Any]:
    """Reads a JSON object.

    Raises:
        InputError: The file cannot be read or holds something else.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: cannot be read as JSON ({reason})") from None
    if not isinstance(value, dict):
        raise InputError(f"{path}: holds no JSON object; write {{...}}")
    return value


def read_rows(
    path: Path, purpose: str, *, comma: bool = False
) -> Iterator[tuple[str, list[str]]]:
    """Yields the place and the words of every line that is neither empty nor a comment.

    Args:
        path: The file; comments start with #.
        purpose: As in `read_text`.
        comma: Whether commas separate the words, not blanks.

    Raises:
        InputError: As `read_text`.
    """
    for line_number, line in enumerate(read_text(path, purpose).splitlines(), 1):
        words = line.split(",") if comma else line.split()
        if line.strip() and not line.lstrip().startswith("#"):
            yield f"{path} line {line_number}", [word.strip() for word in words]


def numbers(where: str, words: Sequence[str], count: int) -> list[float]:
    """The numbers that some words are, perhaps not finite.

    Raises:
        InputError: There are fewer words than ``count``, or one is no number.
    """
    try:
        if len(words) >= count:
            return [float(word) for word in words[:count]]
    except ValueError:
        pass
    raise InputError(f"{where}: not {count} numbers; export it again")


def number(info: dict[str, Any], key: str, where: Path | str, default: float) -> float:
    """The number under a key of a JSON object, ``default`` if the key is absent.

    Raises:
        InputError: The value is no finite number.
    """
    value = info.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{where}: {key} is {value!r}; give a number")
    try:
        if math.isfinite(value):
            return float(value)
    except OverflowError:
        pass  # an integer of hundreds of digits
    raise InputError(f"{where}: {key} is {value!r:.40}; give a finite number")


def positive(
    info: dict[str, Any], key: str, where: Path | str, default: float
) -> float:
    """As `number`; the value must be above 0."""
    value = number(info, key, where, default)
    if value <= 0:
        raise InputError(f"{where}: {key} is {value:g}; give a number above 0")
    return value
