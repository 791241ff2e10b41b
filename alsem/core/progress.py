"""Progress of long passes, wall seconds of stages and peak memory."""

import contextlib
import resource
import sys
import time
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

import jax
from tqdm import tqdm

LOG_SECONDS = 30  # between two lines in a log


class LogProgress:
    """Progress as plain lines on standard error, at most one every 30 s.

    Has what is used of ``tqdm``: iteration, ``update`` and ``with``. A pass that takes
    less than 30 s prints nothing.
    """

    def __init__(
        self,
        iterable: Iterable[Any] | None,
        *,
        total: int | None,
        desc: str,
        initial: int = 0,
    ):
        """Starts the clock."""
        self._iterable = iterable
        self._total = total
        self._desc = desc
        self._initial = self.n = initial
        self._start = self._printed = time.perf_counter()

    def update(self, count: int = 1) -> None:
        """Counts steps that are done."""
        self.n += count
        now = time.perf_counter()
        if now - self._printed < LOG_SECONDS:
            return
        self._printed = now
        spent, text = now - self._start, f"{self._desc}: {self.n}"
        if self._total is None:
            text += f", {spent:.0f} s"
        else:
            per_step = spent / max(self.n - self._initial, 1)
            left = per_step * (self._total - self.n)
            text += f" of {self._total}, {spent:.0f} s, about {left:.0f} s left"
        print(text, file=sys.stderr, flush=True)

    def __iter__(self) -> Iterator[Any]:
        """Yields the items and counts each when it is done."""
        for item in self._iterable or ():
            yield item
            self.update()

    def __enter__(self) -> "LogProgress":
        """Returns itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Prints nothing."""


def progress(
    iterable_or_total: Iterable[Any] | int, description: str, *, initial: int = 0
) -> tqdm | LogProgress:
    """Shows the progress of a pass on standard error.

    A bar where standard output is a terminal, else a plain line every 30 s, such as
    ``geometry: 640 of 1600, 41 s, about 61 s left``.

    Args:
        iterable_or_total: Items to iterate over, or the number of steps to `update`.
        description: Name of the pass.
        initial: Steps that an earlier process has done.
    """
    if isinstance(iterable_or_total, int):
        iterable, total = None, iterable_or_total
    else:
        iterable = iterable_or_total
        total = len(iterable) if isinstance(iterable, Collection) else None
    if sys.stdout.isatty():
        style: Any = {"desc": description, "initial": initial, "file": sys.stderr}
        return tqdm(iterable, total=total, **style)
    return LogProgress(iterable, total=total, desc=description, initial=initial)


class Stopwatch:
    """Wall seconds spent under each name, summed in ``seconds``.

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
    """Peak resident memory of this process, in MiB."""
    # Linux's getrusage starts from the size of the process that started this one.
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 2**10
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def peak_device_mb() -> float | None:
    """Peak memory of the fullest local device, in MiB; None where it is not counted."""
    stats = [device.memory_stats() or {} for device in jax.local_devices()]
    peaks = [s["peak_bytes_in_use"] for s in stats if "peak_bytes_in_use" in s]
    return max(peaks) / 2**20 if peaks else None
