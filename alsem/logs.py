"""Records of a run: finished rounds, scalars, the environment, time and memory.

Every JSON written here is strict (a number that is not finite becomes ``null``),
and nothing is half there: whole files are replaced in one step, and a line torn by
a kill is dropped when its file is opened again.
"""

import contextlib
import errno
import json
import math
import os
import resource
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from tensorboardX import SummaryWriter
from tqdm import tqdm

from alsem.records import confusions_path, read_rounds
from alsem.types import InputError

STAGES = ("fit_geometry", "fit_semantics", "cache", "score", "select", "evaluate")
ROUND_KEYS = (
    "round strategy granularity clicks pixels miou miou_present total_acc mean_acc "
    "iou_per_class psnr depth_l1_m ece seconds candidates candidates_per_second "
    "train_rays_per_second peak_rss_mb peak_device_mb"
).split()


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


def progress(iterable_or_total: Iterable[Any] | int, description: str) -> tqdm:
    """A bar on standard error; none where standard output is no terminal."""
    style: Any = {"file": sys.stderr, "disable": not sys.stdout.isatty()}
    if isinstance(iterable_or_total, int):
        return tqdm(total=iterable_or_total, desc=description, **style)
    return tqdm(iterable_or_total, desc=description, **style)


class Stopwatch:
    """Wall seconds spent under each name, added up in ``seconds``.

    JAX returns before it has computed: wait for the result inside ``measure``.
    """

    def __init__(self, *names: str):
        """Starts each name at zero; ``measure`` may add others."""
        self.seconds: dict[str, float] = dict.fromkeys(names, 0.0)

    @contextlib.contextmanager
    def measure(self, name: str) -> Iterator[None]:
        """Adds the time until the block is left, by an exception too."""
        start = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - start
            self.seconds[name] = self.seconds.get(name, 0.0) + spent


def peak_rss_mb() -> float:
    """Most memory this process has held, in MiB."""
    # Linux's getrusage starts from the size of the process that started this one.
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 2**10
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def peak_device_mb() -> float | None:
    """Most memory held on the fullest local device, in MiB; None if it is not kept."""
    stats = [device.memory_stats() or {} for device in jax.local_devices()]
    peaks = [s["peak_bytes_in_use"] for s in stats if "peak_bytes_in_use" in s]
    return max(peaks) / 2**20 if peaks else None
