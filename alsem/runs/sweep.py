"""A grid of runs, each a process of its own: planned, started, watched, resumed.

Runs stand side by side in one folder, so that all runs of a scene share its fitted
geometry. The first run of a scene fits it; the others wait until it has. What is done
is read from the run directories: the same command goes on wherever it was ended.
"""

import contextlib
import dataclasses
import json
import os
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from alsem import acquisition
from alsem.core import signals
from alsem.core.errors import InputError
from alsem.reporting import run_dir
from alsem.runs import config_checks, config_files

POLL_SECONDS = 0.5
SHARED = ("fit_geometry", "cache")  # stages of the first round, done once a scene
COMMAND = (sys.executable, "-m", "alsem.main")


@dataclasses.dataclass(frozen=True)
class PlannedRun:
    """One run of the grid.

    Attributes:
        scene: Its scene's name in the study.
        arm: Its arm's.
        workdir: Its run directory.
        flags: Of `alsem.main`.
        config: The config that these make, as plain data.
    """

    scene: str
    arm: str
    workdir: Path
    flags: tuple[str, ...]
    config: dict[str, Any]

    @property
    def rounds(self) -> int:
        """How many rounds it has in all."""
        return self.config["active"]["rounds"]

    def rounds_done(self) -> int:
        """How many rounds it has finished."""
        return len(run_dir.read_rounds(self.workdir))

    def is_done(self) -> bool:
        """Whether it has finished its rounds, its budget or what there is to ask.

        Raises:
            InputError: The directory holds a run of another config.
        """
        summary = self.workdir / "summary.json"
        if not (self.workdir / "config.json").exists():
            return False
        done, before = self.rounds_done(), run_dir.read_config(self.workdir)
        # More rounds than are asked for are welcome.
        config_checks.check_continues(before, self.config, self.workdir, rounds_done=0)
        if not summary.exists():
            return False
        ended_by = json.loads(summary.read_text()).get("ended_by", "active.rounds")
        if ended_by in (None, "active.rounds"):
            return ended_by is not None and done >= self.rounds
        return run_dir.flat(before) == run_dir.flat(self.config) or done >= self.rounds


def plan(config: Any, out: Path) -> list[PlannedRun]:
    """All runs of a study: every arm of every scene with its first seed, then the next.

    Args:
        config: ``configs/study.py``: ``scenes`` and ``arms``.
        out: Folder of the run directories.

    Raises:
        InputError: There is no scene or no arm, two runs would share a directory, or
            a setting cannot be used.
    """
    scenes, arms = config.get("scenes"), config.get("arms")
    if not scenes or not arms:
        raise InputError("the study has no scene or no arm; name some in its config")
    _check_keys("scenes", scenes, {"config": str, "set": (tuple, list)})
    _check_keys("arms", arms, {"seeds": int, "set": (tuple, list), "variant": str})
    for name, arm in arms.items():
        if arm.get("seeds", 0) < 1:
            raise InputError(f"arms.{name}.seeds={arm.get('seeds')}: must be 1 or more")
    for name, scene in scenes.items():
        if "config" not in scene:
            raise InputError(f"scenes.{name}.config: must name a config file")
    runs = []
    for seed in range(max(arm.seeds for arm in arms.values())):
        for name, arm in arms.items():
            if seed < arm.seeds:
                runs += [_planned(s, name, arm, seed, out) for s in scenes.items()]
    twice = [p for p, n in Counter(run.workdir for run in runs).items() if n > 1]
    if twice:
        raise InputError(f"{twice[0]}: two runs of the study; rename a scene or an arm")
    return runs


def _check_keys(section: str, parts: Any, known: dict[str, Any]) -> None:
    """Scenes and arms say what is known of them, and settings but for the seed."""
    for name, part in parts.items():
        where = f"{section}.{name}"
        if not hasattr(part, "items"):
            raise InputError(f"{where}={part!r}: must hold {', '.join(known)}")
        for key, value in part.items():
            if key not in known:
                raise InputError(f"{where}.{key}: no such key; use {', '.join(known)}")
            if not isinstance(value, known[key]):
                kinds = {"seeds": "a number", "set": "a list: ('active.rounds=3',)"}
                wanted = kinds.get(key, "a text")
                raise InputError(f"{where}.{key}={value!r}: must be {wanted}")
        for setting in part.get("set", ()):
            if str(setting).partition("=")[0] == "seed":
                raise InputError(f"{where}.set: {setting!r}: seeds are arms' to say")


def _planned(
    scene: tuple[str, Any], arm_name: str, arm: Any, seed: int, out: Path
) -> PlannedRun:
    scene_name, of_scene = scene
    variant = arm.get("variant", "")
    base = of_scene.config + (f":{variant}" if variant else "")
    settings = (*of_scene.get("set", ()), *arm.get("set", ()), f"seed={seed}")
    workdir = out / f"{scene_name}-{arm_name}-{seed}"
    flags = (
        f"--config={base}",
        f"--workdir={workdir}",
        *(f"--config.{setting}" for setting in settings),
    )
    config = config_files.load(base)
    config_files.change(config, settings)
    config_checks.check(config)
    if config.active.strategy != "full":
        acquisition.parse_strategy(config.active.strategy, mix_by=config.active.mix_by)
    plain = json.loads(config.to_json_best_effort())
    return PlannedRun(scene_name, arm_name, workdir, flags, plain)


def carry_out(
    runs: Sequence[PlannedRun],
    *,
    jobs: int,
    devices: Sequence[str] = (),
    tell: Callable[[str], None],
) -> None:
    """Runs what is not done, some at a time.

    Args:
        runs: From `plan`.
        jobs: Processes at a time.
        devices: Numbers of accelerators; each process sees one of them. Empty: all.
        tell: Called with one line when a run has ended, and what is left.

    Raises:
        InputError: A run ended with an error: its log is named.
        Interrupted: Asked to end; the runs were asked too and have saved their state.
    """
    waiting = [run for run in runs if not run.is_done()]
    tell(f"{len(runs)} runs, {len(runs) - len(waiting)} of them done")
    if held := [run.workdir.name for run in waiting if run_dir.is_held(run.workdir)]:
        tell(f"waits for {', '.join(held)}, which another process is running")
    pace = _Pace(jobs)
    free = [devices[i % len(devices)] if devices else "" for i in range(jobs)]
    with _children() as running:
        while waiting or running:
            if signals.requested():
                raise signals.Interrupted
            ready = _ready(waiting, [c.run for c in running]) if free else []
            for run in ready[: len(free)]:
                waiting.remove(run)
                running.append(_Child(run, free.pop(0)))
            for child in [c for c in running if c.process.poll() is not None]:
                running.remove(child)
                free.append(child.device)
                if child.process.returncode != 0:
                    raise InputError(
                        f"{child.run.workdir}: ended with status"
                        f" {child.process.returncode}: {child.last_line()}; see"
                        f" {child.log_path}"
                    )
                spent = time.monotonic() - child.begun
                pace.finished(child.run, spent, child.first_round)
                left = [*waiting, *(c.run for c in running)]
                how = "done" if child.run.is_done() else "waits for answers"
                tell(f"{child.run.workdir.name} {how}; {pace.left(left)}")
            time.sleep(POLL_SECONDS)


def _ready(
    waiting: Sequence[PlannedRun], running: Sequence[PlannedRun]
) -> list[PlannedRun]:
    """Runs that may start: those of a scene wait for whoever fits its geometry."""
    fitting = {run.scene for run in running if not run.rounds_done()}
    ready = []
    for run in waiting:
        if run.scene in fitting or run_dir.is_held(run.workdir):
            continue
        ready.append(run)
        if not run.rounds_done():
            fitting.add(run.scene)  # it may have to fit: one of a scene at a time
    return ready


class _Child:
    """A process that carries out one run; what it prints goes to a file."""

    def __init__(self, run: PlannedRun, device: str):
        self.run, self.device = run, device
        self.begun, self.first_round = time.monotonic(), run.rounds_done()
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
                process_group=0,  # Ctrl-C is the study's, which asks its runs to end
            )

    def last_line(self) -> str:
        """What it said last."""
        lines = self.log_path.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"


@contextlib.contextmanager
def _children() -> Iterator[list[_Child]]:
    """Processes that are asked to end, and waited for, however the block is left."""
    running: list[_Child] = []
    try:
        yield running
    finally:
        for child in running:
            child.process.terminate()
        for child in running:
            child.process.wait()


class _Pace:
    """How long a round takes, from the runs that have ended; arms differ in it.

    Fitting a scene's geometry, which its first run does, counts by itself.
    """

    def __init__(self, jobs: int):
        self._jobs = jobs
        self._seconds: dict[str, list[float]] = {}
        self._shared: dict[str, float] = {}  # what a scene's geometry took

    def finished(self, run: PlannedRun, spent: float, first_round: int) -> None:
        rows = run_dir.read_rounds(run.workdir)[first_round:]
        if rows and not first_round:  # geometry is fitted once a scene
            shared = sum(rows[0]["seconds"][stage] for stage in SHARED)
            self._shared[run.scene] = max(self._shared.get(run.scene, 0.0), shared)
            spent -= shared
        self._seconds.setdefault(run.arm, []).append(spent / max(len(rows), 1))

    def left(self, runs: Sequence[PlannedRun]) -> str:
        """How many runs are left and for about how long."""
        if not runs:
            return "none left"
        pace = {arm: statistics.median(spent) for arm, spent in self._seconds.items()}
        # An arm that has not ended yet is taken for the quickest: full supervision
        # spends minutes in its one round.
        others = min(pace.values())
        scenes = {run.scene for run in runs} - self._shared.keys()
        begun = {run.scene for run in runs if run.rounds_done()}
        seconds = len(scenes - begun) * max(self._shared.values(), default=0.0)
        for run in runs:
            left = max(run.rounds - run.rounds_done(), 1)
            seconds += pace.get(run.arm, others) * left
        minutes = seconds / min(self._jobs, len(runs)) / 60
        return f"{len(runs)} left, about {max(round(minutes), 1)} min"
