"""JSON that others wrote: read with one-line errors."""

import json
import math
from pathlib import Path
from typing import Any

from alsem.core.errors import InputError


def read_json(path: Path) -> dict[str, Any]:
    """Reads a JSON object.

    Raises:
        InputError: If the file cannot be read or holds something else.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        trouble = " ".join(str(error).split())
        raise InputError(f"{path}: cannot be read as JSON ({trouble})") from None
    if not isinstance(value, dict):
        raise InputError(f"{path}: holds no JSON object; write {{...}}")
    return value


def number(info: dict[str, Any], key: str, where: Path | str, default: float) -> float:
    """The number under a key, ``default`` if there is none.

    Raises:
        InputError: It is no finite number.
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
    """As `number`, above 0."""
    value = number(info, key, where, default)
    if value <= 0:
        raise InputError(f"{where}: {key} is {value:g}; give a number above 0")
    return value
