"""Runs or resumes one experiment.

Run: python -m alsem.main --config=configs/room.py --workdir=runs/demo
         [--config.KEY=VALUE ...]

Every key of the config can be set: alsem/runs/defaults.py lists them. Exit status: 0
done or waiting for answers (queries.csv is there), 2 bad arguments, config or input,
141 the output's reader is gone, 143 ended by SIGTERM with the state saved, 1 anything
else.
"""

import sys
from pathlib import Path

from absl import flags
from ml_collections import config_flags

from alsem.core import signals
from alsem.core.errors import InputError
from alsem.runs import cli_errors, config_flag

_CONFIG = config_flags.DEFINE_config_file(
    "config", help_string="Config file, configs/NAME.py[:variant].", lock_config=True
)
_WORKDIR = flags.DEFINE_string("workdir", None, "Run directory, created or resumed.")


def main(argv: list[str]) -> int:
    """Runs the experiment that the flags name."""
    del argv
    if not _CONFIG.value or not _WORKDIR.value:
        raise InputError("--config=configs/NAME.py and --workdir=DIR are needed")
    signals.install()
    from alsem.runs import runner  # JAX is slow to import: flags are read first

    try:
        runner.start_run(_CONFIG.value, Path(_WORKDIR.value))
    except signals.Interrupted:
        print("alsem: saved; the same command goes on from here", file=sys.stderr)
        return signals.EXIT_STATUS
    return 0


if __name__ == "__main__":
    cli_errors.run("alsem", main, parse=config_flag.parse)
