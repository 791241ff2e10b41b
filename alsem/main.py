"""Runs or resumes one experiment.

    python -m alsem.main --config=configs/room.py --workdir=runs/demo

Exit status: 0 done, 2 bad arguments, config or input, 143 ended by SIGTERM with the
state saved, 1 anything else.
"""

import sys
from pathlib import Path

from absl import app, flags
from ml_collections import config_flags

from alsem import interrupt
from alsem.types import InputError

_CONFIG = config_flags.DEFINE_config_file("config", lock_config=True)
_WORKDIR = flags.DEFINE_string("workdir", None, "Run directory, made or resumed.")


def _parse(argv: list[str]) -> list[str]:
    """Flags, or one line and exit status 2."""
    try:
        rest = flags.FLAGS(argv)
        if len(rest) > 1:
            raise InputError(f"{rest[1]!r} is no flag; write --name=value")
        if not _CONFIG.present or not _WORKDIR.value:
            raise InputError("--config=configs/NAME.py and --workdir=DIR are needed")
    except (flags.Error, AttributeError, KeyError, ValueError, TypeError, OSError) as e:
        sys.exit(_fail(e))
    return rest


def _fail(error: Exception) -> int:
    text = str(error.args[0]) if isinstance(error, KeyError) else str(error)
    print("alsem: " + " ".join(text.split()), file=sys.stderr)
    return 2


def main(argv: list[str]) -> int:
    """Runs the experiment that the flags name."""
    del argv
    interrupt.install()
    workdir = Path(str(_WORKDIR.value))
    from alsem import program  # JAX is slow to import; wrong flags are told first

    try:
        if not program.run(_CONFIG.value, workdir):
            print("waiting for answers; give them and run the same command again")
    except InputError as error:
        return _fail(error)
    except interrupt.Interrupted:
        return interrupt.EXIT_STATUS
    print(f"report: {workdir / 'report' / 'index.html'}")
    return 0


if __name__ == "__main__":
    app.run(main, flags_parser=_parse)
