"""Carries out the runs of a study, each in a process of its own.

Run directories are side by side in one folder, so that all runs of a scene share its
fitted geometry. The first run of a scene fits it; the others wait until it has. What is
done is read from the run directories: the same command continues a study wherever it
was ended.
"""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence

from alsem.core import signals
from alsem.core.errors import InputError
from alsem.reporting import run_dir
from alsem.runs.sweep_plan import PlannedRun
from alsem.runs.time_left import TimeLeft

POLL_SECONDS = 0.5
COMMAND = (sys.executable, "-m", "alsem.main")


def carry_out(
    runs: Sequence[PlannedRun],
    *,
    jobs: int,
    devices: Sequence[str] = (),
    log: Callable[[str], None],
) -> None:
    """Carries out the runs that are not done, some at a time.

    Args:
        runs: From `sweep_plan.plan`.
        jobs: Processes at a time.
        devices: Numbers of accelerators; each process sees one of them. Empty: all.
        log: Called with one line when a run has ended: its name and the time left.

    Raises:
        InputError: A run ended with an error: its log is named.
        Interrupted: Asked to end; the runs were asked too and have saved their state.
    """
    waiting = [run for run in runs if not run.is_done()]
    log(f"{len(runs)} runs, {len(runs) - len(waiting)} of them done")
    if held := [run.workdir.name for run in waiting if run_dir.is_locked(run.workdir)]:
        log(f"waits for {', '.join(held)}, which another process is running")
    time_left = TimeLeft(jobs)
    free = [devices[i % len(devices)] if devices else "" for i in range(jobs)]
    with _processes() as running:
        while waiting or running:
            if signals.requested():
                raise signals.Interrupted
            ready = _ready(waiting, [p.run for p in running]) if free else []
            for run in ready[: len(free)]:
                waiting.remove(run)
                running.append(_RunProcess(run, free.pop(0)))
            for ended in [p for p in running if p.process.poll() is not None]:
                running.remove(ended)
                free.append(ended.device)
                if ended.process.returncode != 0:
                    raise InputError(
                        f"{ended.run.workdir}: ended with status"
                        f" {ended.process.returncode}: {ended.last_line()}; see"
                        f" {ended.log_path}"
                    )
                seconds = time.monotonic() - ended.start
                time_left.add(ended.run, seconds, ended.first_round)
                left = [*waiting, *(p.run for p in running)]
                state = "done" if ended.run.is_done() else "waits for answers"
                log(f"{ended.run.workdir.name} {state}; {time_left.text(left)}")
            time.sleep(POLL_SECONDS)


def _ready(
    waiting: Sequence[PlannedRun], running: Sequence[PlannedRun]
) -> list[PlannedRun]:
    """Runs that may start: not those of a scene whose geometry is being fitted."""
    fitting = {run.scene for run in running if not run.rounds_done()}
    ready = []
    for run in waiting:
        if run.scene in fitting or run_dir.is_locked(run.workdir):
            continue
        ready.append(run)
        if not run.rounds_done():
            fitting.add(run.scene)  # it may have to fit: one of a scene at a time
    return ready


class _RunProcess:
    """A process that carries out one run; its output goes to a file."""

    def __init__(self, run: PlannedRun, device: str):
        self.run, self.device = run, device
        self.start, self.first_round = time.monotonic(), run.rounds_done()
        self.log_path = run.workdir.parent / "logs" / f"{run.workdir.name}.log"
        try:
            self.log_path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"{self.log_path.parent}: {error.strerror}; give another --out"
            ) from error
        environment = dict(os.environ)
        if device:
            environment |= {"CUDA_VISIBLE_DEVICES": device, "TPU_VISIBLE_CHIPS": device}
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [*COMMAND, *run.flags],
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                process_group=0,  # Ctrl-C reaches the study only, which ends its runs
            )

    def last_line(self) -> str:
        """The last line of its output."""
        lines = self.log_path.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "no output"


@contextlib.contextmanager
def _processes() -> Iterator[list[_RunProcess]]:
    """A list of processes that are terminated and waited for when the block is left."""
    running: list[_RunProcess] = []
    try:
        yield running
    finally:
        for each in running:
            each.process.terminate()
        for each in running:
            each.process.wait()
