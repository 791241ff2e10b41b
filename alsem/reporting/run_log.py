"""Records of a run: finished rounds, scalars, the environment, time and memory.

Every JSON written here is strict (a number that is not finite becomes ``null``),
and nothing is half there: whole files are replaced in one step, and a line torn by
a kill is dropped when its file is opened again.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tensorboardX import SummaryWriter

from alsem.reporting.json_records import (
    _append_jsonl,
    _mend_jsonl,
    _writing,
    plain,
    write_json,
)
from alsem.reporting.run_dir import confusions_path, read_rounds

STAGES = ("fit_geometry", "fit_semantics", "cache", "score", "select", "evaluate")
ROUND_KEYS = (
    "round strategy granularity clicks pixels miou miou_present total_acc mean_acc "
    "iou_per_class psnr depth_l1_m ece seconds candidates candidates_per_second "
    "train_rays_per_second peak_rss_mb peak_device_mb"
).split()


class RunLog:
    """The records of one run: ``rounds.jsonl``, ``metrics.jsonl`` and TensorBoard.

    Steps that a resumed run repeats are in ``metrics.jsonl`` twice: the last counts.
    """

    def __init__(self, workdir: str | os.PathLike[str]):
        """Opens the records, in a new run directory if it is missing.

        Raises:
            InputError: if it cannot be written, or a record in it is broken.
        """
        self.workdir = Path(workdir)
        self._rounds_path = self.workdir / "rounds.jsonl"
        self._metrics_path = self.workdir / "metrics.jsonl"
        _mend_jsonl(self._rounds_path)
        _mend_jsonl(self._metrics_path)
        self._tensorboard: SummaryWriter | None = None
        self._rounds = {row["round"]: row for row in read_rounds(self.workdir)}

    def append_round(self, row: Mapping[str, Any]) -> bool:
        """Records a finished round; it is on the disk when this returns.

        A row has ``ROUND_KEYS``, and ``STAGES`` under ``seconds``, and maybe more.
        Returns False if the round was recorded before: the first record is kept.

        Raises:
            ValueError: if a key is missing.
            InputError: if the disk is full.
        """
        missing = [key for key in ROUND_KEYS if key not in row]
        seconds = row.get("seconds", dict.fromkeys(STAGES))
        missing += [f"seconds.{key}" for key in STAGES if key not in seconds]
        if missing:
            raise ValueError(f"the round's record lacks {', '.join(missing)}")
        record = plain(row)
        if record["round"] in self._rounds:
            return False
        _append_jsonl(self._rounds_path, record)
        self._rounds[record["round"]] = record
        return True

    def write_confusions(self, round_index: int, counts: np.ndarray) -> None:
        """Keeps a round's confusion of every test frame, ``[f c c]``.

        Write it before the round's row, so that every row has one.
        """
        path = confusions_path(self.workdir, round_index)
        with _writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_suffix(".tmp")
            with temporary.open("wb") as file:
                np.savez_compressed(file, counts=counts)
            os.replace(temporary, path)

    def rounds(self) -> list[dict[str, Any]]:
        """Rows of all recorded rounds, earliest round first."""
        return [self._rounds[key] for key in sorted(self._rounds)]

    def scalars(self, step: int, values: Mapping[str, Any], prefix: str) -> None:
        """Records scalars as ``prefix/name``."""
        flat = {f"{prefix}/{name}": plain(value) for name, value in values.items()}
        _append_jsonl(self._metrics_path, {"step": int(step), **flat})
        folder = self.workdir / "tensorboard"
        with _writing(folder):
            writer = self._tensorboard or SummaryWriter(str(folder), flush_secs=10)
            self._tensorboard = writer
            for name, value in flat.items():
                if value is not None:
                    writer.add_scalar(name, value, int(step))

    def close(self) -> None:
        """Writes what TensorBoard still holds; the other records are on the disk."""
        if self._tensorboard is not None:
            with _writing(self.workdir / "tensorboard"):
                self._tensorboard.close()
            self._tensorboard = None


def write_summary(
    workdir: str | os.PathLike[str],
    rows: Sequence[Mapping[str, Any]],
    *,
    wall_seconds: float | int,
    seconds_to_first_model_query: float | int | None,
    ended_by: str | None = None,
) -> dict[str, Any]:
    """Writes and returns ``summary.json``: the last round's figures, the run's time.

    ``wall_seconds`` is over all the run's sessions; the time to the first query that
    a model chose is None if there was none; ``ended_by`` says why no further round
    will come, None while one may. Raises ValueError without a row.
    """
    if not rows:
        raise ValueError("no finished round to sum up")
    summary = plain(rows[-1]) | {
        "rounds": len(rows),
        "wall_seconds": wall_seconds,
        "seconds_to_first_model_query": seconds_to_first_model_query,
        "ended_by": ended_by,
    }
    write_json(Path(workdir) / "summary.json", summary)
    return summary
