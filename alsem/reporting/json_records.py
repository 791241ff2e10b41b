"""Strict JSON files and JSON lines that a kill cannot break."""

import contextlib
import errno
import json
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from alsem.core.errors import InputError


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Turns what the disk refuses into one line that names the path."""
    try:
        yield
    except OSError as error:
        hint = "choose a --workdir that can be written"
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            hint = "free some space and run the same command again"
        raise InputError(f"{path}: {error.strerror or error}; {hint}") from error


def plain(value: Any) -> Any:
    """Value as strict JSON knows it; TypeError for what has no JSON form."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, np.ndarray | np.generic | jax.Array):
        # Asked for by name, the copy passes a transfer guard.
        return plain(np.asarray(jax.device_get(value)).tolist())
    raise TypeError(f"{type(value).__name__} has no JSON form: {value!r}")


def write_json(path: str | os.PathLike[str], obj: Any) -> None:
    """Replaces a file by an object's JSON in one step, so readers see all or nothing.

    Raises:
        InputError: if the disk is full or the place cannot be written.
    """
    path = Path(path)
    text = json.dumps(plain(obj), indent=2, allow_nan=False) + "\n"
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with open(temporary, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def _mend_jsonl(path: Path) -> None:
    """Makes a file of JSON lines ready for the next line, whatever a kill left."""
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "ab+") as file:
            file.seek(0)
            data = file.read()
            tail = data[data.rfind(b"\n") + 1 :]
            try:
                # Whole but for its newline: cut anywhere else it would not parse.
                json.loads(tail or b"null")
                file.write(b"\n" if tail else b"")
            except ValueError:
                file.truncate(len(data) - len(tail))


def _append_jsonl(path: Path, row: Mapping[str, Any]) -> None:
    line = json.dumps(plain(row), allow_nan=False).encode() + b"\n"
    with _writing(path):
        end = path.stat().st_size
        try:
            with open(path, "ab") as file:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            # Half a line would swallow the next one.
            with contextlib.suppress(OSError):
                os.truncate(path, end)
            raise


def read_jsonl(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Objects of a JSON-lines file, without a torn last line; none if it is missing.

    Raises:
        InputError: if a line before the last is not a JSON object.
    """
    path, rows = Path(path), []
    lines = path.read_bytes().split(b"\n") if path.exists() else []
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line or b"null")
        except ValueError:
            row = {}
        if isinstance(row, dict) and row:
            rows.append(row)
        elif row is not None and number < len(lines):
            raise InputError(f"{path}, line {number}: no JSON object; mend the line")
    return rows
