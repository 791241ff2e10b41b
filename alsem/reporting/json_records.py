"""Strict JSON files and JSON lines that stay whole when a process is killed."""

import contextlib
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from alsem.core.errors import InputError
from alsem.core.files import replace_file, write_errors


def plain(value: Any) -> Any:
    """Converts a value to types of strict JSON; numbers that are not finite to None.

    Raises:
        TypeError: The value has no JSON form.
    """
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
        # An explicit copy is allowed under a transfer guard.
        return plain(np.asarray(jax.device_get(value)).tolist())
    raise TypeError(f"{type(value).__name__} has no JSON form: {value!r}")


def write_json(path: str | os.PathLike[str], obj: Any) -> None:
    """Replaces a file by an object's JSON in one step.

    Raises:
        InputError: The disk is full or the place cannot be written.
    """
    text = json.dumps(plain(obj), indent=2, allow_nan=False) + "\n"
    replace_file(path, text.encode())


def repair_jsonl(path: Path) -> None:
    """Makes a file of JSON lines, if needed, and drops a last line that is incomplete.

    Raises:
        InputError: The place cannot be written.
    """
    with write_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "ab+") as file:
            file.seek(0)
            data = file.read()
            tail = data[data.rfind(b"\n") + 1 :]
            try:
                # It parses only if nothing but its newline is missing.
                json.loads(tail or b"null")
                file.write(b"\n" if tail else b"")
            except ValueError:
                file.truncate(len(data) - len(tail))


def append_jsonl(path: Path, row: Mapping[str, Any]) -> None:
    """Appends one line to a file from `repair_jsonl`; it is on disk on return.

    Raises:
        InputError: The disk is full; the file is as before.
    """
    line = json.dumps(plain(row), allow_nan=False).encode() + b"\n"
    with write_errors(path):
        end = path.stat().st_size
        try:
            with open(path, "ab") as file:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            # An incomplete line would spoil the next one.
            with contextlib.suppress(OSError):
                os.truncate(path, end)
            raise


def read_jsonl(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Reads the objects of a file of JSON lines; none if it is missing.

    A last line that is incomplete is left out.

    Raises:
        InputError: A line before the last is not a JSON object.
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
            raise InputError(
                f"{path}, line {number}: not a JSON object; fix or remove the line"
            )
    return rows
