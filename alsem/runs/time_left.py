"""Forecast of the time that the runs of a study still take."""

import statistics
from collections.abc import Sequence

from alsem.reporting import run_dir
from alsem.runs.sweep_plan import PlannedRun

# In the first round of a scene's first run.
SHARED_STAGES = ("stereo", "fit_geometry", "cache", "check")


class TimeLeft:
    """Seconds of a round, of starting a process and of a scene's geometry.

    Measured on the processes that have ended. Seconds of a round differ between arms.
    Starting (imports, reading the capture, restoring a checkpoint) counts once for a
    process, however few rounds it adds; geometry is fitted once for a scene.

    For example, a finished run goes on with one round: its process takes 40 s, of
    which the round takes 10 s and starting 30 s. A new run of the same arm with 10
    rounds is then expected to take 30 + 10 * 10 = 130 s.
    """

    def __init__(self, jobs: int):
        """Has measured nothing yet; ``jobs`` processes work at a time."""
        self._jobs = jobs
        self._start: list[float] = []
        self._round: dict[str, list[float]] = {}  # by arm
        self._geometry: dict[str, float] = {}  # by scene

    def add(self, run: PlannedRun, seconds: float, first_round: int) -> None:
        """Measures a process that has ended.

        Args:
            run: Its run.
            seconds: From its start to its end.
            first_round: The first round it had to do.
        """
        rows = run_dir.read_rounds(run.workdir)[first_round:]
        spent = [sum(row["seconds"].values()) for row in rows]
        self._start.append(max(seconds - sum(spent), 0.0))
        if rows and not first_round:
            shared = sum(rows[0]["seconds"].get(stage, 0.0) for stage in SHARED_STAGES)
            spent[0] -= shared
            self._geometry[run.scene] = max(self._geometry.get(run.scene, 0.0), shared)
        if rows:
            self._round.setdefault(run.arm, []).append(statistics.mean(spent))

    def text(self, runs: Sequence[PlannedRun]) -> str:
        """Number of runs left and about how long they take."""
        if not runs:
            return "none left"
        minutes = self._seconds(runs) / min(self._jobs, len(runs)) / 60
        return f"{len(runs)} left, about {max(round(minutes), 1)} min"

    def _seconds(self, runs: Sequence[PlannedRun]) -> float:
        per_round = {arm: statistics.median(each) for arm, each in self._round.items()}
        # An arm that is not measured yet is taken to be as quick as the quickest: full
        # supervision spends minutes in its one round.
        quickest = min(per_round.values(), default=0.0)
        fitted = {run.scene for run in runs if run.rounds_done()}
        new_scenes = {run.scene for run in runs} - fitted - self._geometry.keys()
        seconds = len(new_scenes) * max(self._geometry.values(), default=0.0)
        seconds += len(runs) * statistics.median(self._start or [0.0])
        for run in runs:
            rounds = max(run.rounds - run.rounds_done(), 1)
            seconds += per_round.get(run.arm, quickest) * rounds
        return seconds
