"""All files of a run directory: where they are, and how they are read and written.

JSON written here is strict (a number that is not finite becomes ``null``), whole files
are replaced in one step, and a line cut off by a kill is dropped when its file is
opened again.
"""

import fcntl
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from tensorboardX import SummaryWriter

from alsem.core import renamed
from alsem.core.errors import InputError
from alsem.core.files import replace_arrays, write_errors
from alsem.reporting import json_records

STAGES = (
    *("stereo", "fit_geometry", "cache", "check"),
    *("fit_semantics", "score", "select", "evaluate"),
)
ROUND_KEYS = (
    "round strategy granularity clicks pixels miou miou_present total_acc mean_acc "
    "iou_per_class psnr depth_l1_m ece seconds candidates candidates_per_second "
    "train_rays_per_second peak_rss_mb peak_device_mb"
).split()


class RunLog:
    """The records that a run appends to.

    ``rounds.jsonl``, ``metrics.jsonl``, ``confusions/`` and TensorBoard events. Steps
    that a resumed run repeats are in ``metrics.jsonl`` twice: the last counts.
    """

    def __init__(self, workdir: str | os.PathLike[str]):
        """Opens the records, in a new run directory if it is missing.

        Raises:
            InputError: The directory cannot be written, or a record in it is damaged.
        """
        self.workdir = Path(workdir)
        self._rounds_path = self.workdir / "rounds.jsonl"
        self._metrics_path = self.workdir / "metrics.jsonl"
        json_records.repair_jsonl(self._rounds_path)
        json_records.repair_jsonl(self._metrics_path)
        self._tensorboard: SummaryWriter | None = None
        self._rounds = {row["round"]: row for row in read_rounds(self.workdir)}

    def append_round(self, row: Mapping[str, Any]) -> bool:
        """Records a finished round; it is on disk on return.

        Args:
            row: ``ROUND_KEYS``, with ``STAGES`` under ``seconds``, and any others.

        Returns:
            False if the round was recorded before: the first record is kept.

        Raises:
            ValueError: A key is missing.
            InputError: The disk is full.
        """
        missing = [key for key in ROUND_KEYS if key not in row]
        seconds = row.get("seconds", dict.fromkeys(STAGES))
        missing += [f"seconds.{key}" for key in STAGES if key not in seconds]
        if missing:
            raise ValueError(f"the round's record lacks {', '.join(missing)}")
        record = json_records.plain(row)
        if record["round"] in self._rounds:
            return False
        json_records.append_jsonl(self._rounds_path, record)
        self._rounds[record["round"]] = record
        return True

    def write_confusions(self, round_index: int, counts: np.ndarray) -> None:
        """Writes a round's confusion counts of every test frame, ``[f c c]``.

        Write them before the round's row, so that every row has them.

        Raises:
            InputError: The disk is full.
        """
        path = confusions_path(self.workdir, round_index)
        replace_arrays(path, {"counts": counts})

    def rounds(self) -> list[dict[str, Any]]:
        """Rows of all recorded rounds, earliest first."""
        return [self._rounds[key] for key in sorted(self._rounds)]

    def scalars(self, step: int, values: Mapping[str, Any], prefix: str) -> None:
        """Records scalars as ``prefix/name``, in ``metrics.jsonl`` and TensorBoard."""
        named = {
            f"{prefix}/{name}": json_records.plain(value)
            for name, value in values.items()
        }
        json_records.append_jsonl(self._metrics_path, {"step": int(step), **named})
        folder = self.workdir / "tensorboard"
        with write_errors(folder):
            writer = self._tensorboard or SummaryWriter(str(folder), flush_secs=10)
            self._tensorboard = writer
            for name, value in named.items():
                if value is not None:
                    writer.add_scalar(name, value, int(step))

    def close(self) -> None:
        """Flushes TensorBoard events; the other records are on disk already."""
        if self._tensorboard is not None:
            with write_errors(self.workdir / "tensorboard"):
                self._tensorboard.close()
            self._tensorboard = None


def write_summary(
    workdir: str | os.PathLike[str],
    rows: Sequence[Mapping[str, Any]],
    *,
    wall_seconds: float | int,
    seconds_to_first_model_query: float | int | None,
    ended_by: str | None = None,
    geometry: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Writes ``summary.json`` and returns it: the last round's row and the run's time.

    Args:
        workdir: The run directory.
        rows: Rows of the finished rounds, earliest first.
        wall_seconds: Over all processes that worked on the run.
        seconds_to_first_model_query: Until the first query that a model chose; None
            if there was none.
        ended_by: Why no further round will come; None while one may.
        geometry: The verdict on geometry, by what it was judged.

    Raises:
        ValueError: There is no row.
        InputError: The disk is full.
    """
    if not rows:
        raise ValueError("no finished round to sum up")
    summary = json_records.plain(rows[-1]) | {
        "rounds": len(rows),
        "wall_seconds": wall_seconds,
        "seconds_to_first_model_query": seconds_to_first_model_query,
        "ended_by": ended_by,
        "geometry_check": geometry,
    }
    json_records.write_json(Path(workdir) / "summary.json", summary)
    return summary


def read_rounds(workdir: Path) -> list[dict[str, Any]]:
    """Reads the rows of a run's finished rounds, earliest first, each round once.

    Raises:
        InputError: A line before the last is not a JSON object.
    """
    rows = reversed(json_records.read_jsonl(workdir / "rounds.jsonl"))
    unique = {row["round"]: row for row in rows}
    return [unique[number] for number in sorted(unique)]


def read_config(workdir: Path) -> dict[str, Any]:
    """Reads the nested config of a run, with renamed keys under their new names.

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
    return renamed.rename(config)


def flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flattens a nested config to dotted keys."""
    values: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            values |= flat(value, f"{prefix}{key}.")
        else:
            values[f"{prefix}{key}"] = value
    return values


def confusions_path(workdir: Path, round_index: int) -> Path:
    """File of the confusion counts of every test frame after a round."""
    return workdir / "confusions" / f"round_{round_index}.npz"


def read_confusions(workdir: Path, round_index: int) -> np.ndarray:
    """Reads confusion counts int64 ``[f c c]`` of a round's test frames.

    Raises:
        InputError: There are none.
    """
    path = confusions_path(workdir, round_index)
    try:
        with np.load(path) as arrays:
            return arrays["counts"]
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise InputError(
            f"{path}: cannot be read; the test frames had no labels, or the run was"
            " made by an earlier version: run it again in a new directory"
        ) from error


def lock_path(workdir: Path) -> Path:
    """File that the process working on a run holds locked."""
    return workdir / "lock"


def is_locked(workdir: Path) -> bool:
    """Whether a process is working on a run."""
    try:
        with lock_path(workdir).open("r") as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False
