"""Progress bars, wall seconds and peak memory."""

import contextlib
import resource
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import jax
from tqdm import tqdm


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
