"""Records of runs, read back: rounds, confusions, configs; and who is writing them."""

import fcntl
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from alsem.core.errors import InputError
from alsem.reporting.json_records import read_jsonl


def read_rounds(workdir: Path) -> list[dict[str, Any]]:
    """Rows of a run's finished rounds, earliest first, each round once.

    Raises:
        InputError: if a line before the last is not a JSON object.
    """
    rows = reversed(read_jsonl(workdir / "rounds.jsonl"))
    return sorted({row["round"]: row for row in rows}.values(), key=_round)


def read_config(workdir: Path) -> dict[str, Any]:
    """The config that a run directory was made with, nested.

    Raises:
        InputError: It is missing or damaged.
    """
    path = workdir / "config.json"
    try:
        config = json.loads(path.read_text())
    except (OSError, ValueError):
        config = None
    if not isinstance(config, dict):
        raise InputError(f"{path}: cannot be read; use another run directory")
    return config


def lock_path(workdir: Path) -> Path:
    """What the process that is running a run directory holds."""
    return workdir / "lock"


def is_held(workdir: Path) -> bool:
    """Whether a process is running a run directory."""
    try:
        with lock_path(workdir).open("r") as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def _round(row: dict[str, Any]) -> int:
    return row["round"]


def flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A nested config as dotted keys to values."""
    values: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            values |= flat(value, f"{prefix}{key}.")
        else:
            values[f"{prefix}{key}"] = value
    return values


def confusions_path(workdir: Path, round_index: int) -> Path:
    """Where a run keeps the confusion of every test frame after a round."""
    return workdir / "confusions" / f"round_{round_index}.npz"


def read_confusions(workdir: Path, round_index: int) -> np.ndarray:
    """Confusions int64 ``[f c c]`` of a round's test frames.

    Raises:
        InputError: There are none.
    """
    path = confusions_path(workdir, round_index)
    try:
        with np.load(path) as arrays:
            return arrays["counts"]
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise InputError(
            f"{path}: cannot be read; the round had no labels to score it by, or is of"
            " an earlier version: run it again in a new directory"
        ) from error
