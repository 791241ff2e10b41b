"""Runs a study, a grid of scenes, arms and seeds; the same command continues it.

Run: python -m alsem.study --config=configs/study.py --out=DIR
"""

from functools import partial
from pathlib import Path

from absl import flags

from alsem.core import signals
from alsem.core.errors import InputError
from alsem.runs import cli_errors, config_files, sweep, sweep_plan

_CONFIG = flags.DEFINE_string("config", "configs/study.py", "Scenes, arms and seeds.")
_OUT = flags.DEFINE_string("out", None, "Folder for the run directories.")
_JOBS = flags.DEFINE_integer("jobs", 0, "Runs at a time; 0: one, or one a device.")
_DEVICES = flags.DEFINE_list("devices", [], "Accelerators, as 0,1,2: one for a run.")


def main(argv: list[str]) -> int:
    """Plans the study, and carries out the runs that are not done."""
    del argv
    if not _OUT.value:
        raise InputError("no folder given; add --out=DIR")
    if _JOBS.value < 0:
        raise InputError(f"--jobs is {_JOBS.value}; give 1 or more")
    signals.install()
    runs = sweep_plan.plan(config_files.load(_CONFIG.value), Path(_OUT.value))
    jobs = _JOBS.value or max(len(_DEVICES.value), 1)
    log = partial(print, flush=True)
    try:
        sweep.carry_out(runs, jobs=jobs, devices=_DEVICES.value, log=log)
        log(f"compare them: python -m alsem.compare {_OUT.value}")
    except signals.Interrupted:
        return signals.EXIT_STATUS
    except KeyboardInterrupt:  # the runs were asked to end, and have saved
        return 130
    return 0


if __name__ == "__main__":
    cli_errors.run("alsem.study", main)
