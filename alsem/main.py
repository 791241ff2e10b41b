"""Starts or resumes one run.

    python -m alsem.main --config=configs/room.py --workdir=runs/demo

Exit status: 0 done, 2 bad arguments, config or input, 143 ended by SIGTERM with the
state saved, 1 anything else.
"""

import sys
from pathlib import Path

from absl import app, flags, logging
from ml_collections import config_flags

from alsem.core import signals
from alsem.core.errors import InputError
from alsem.runs.cli_errors import quiet_on_closed_pipe
from alsem.runs.unknown_keys import unknown_key

_CONFIG = config_flags.DEFINE_config_file("config", lock_config=True)
_WORKDIR = flags.DEFINE_string("workdir", None, "Run directory, made or resumed.")


def _parse(argv: list[str]) -> list[str]:
    """Flags, or one line and exit status 2."""
    try:
        rest = flags.FLAGS(argv)
        if len(rest) > 1:
            raise ValueError(f"{rest[1]!r} is no flag; write --name=value")
        if not _CONFIG.present or not _WORKDIR.value:
            raise ValueError("--config=configs/NAME.py and --workdir=DIR are needed")
        _CONFIG.value.lock()  # a file that could not be read says so only when used
    except (flags.Error, AttributeError, KeyError, ValueError, TypeError, OSError) as e:
        sys.exit(_fail(unknown_key(argv) or str(e).strip().splitlines()[-1]))
    return rest


def _fail(text: str) -> int:
    print("alsem: " + " ".join(text.split()), file=sys.stderr)
    return 2


def main(argv: list[str]) -> int:
    """Starts the run that the flags name."""
    signals.install()
    from alsem.runs import runner  # JAX is slow to import; flags are checked before

    try:
        runner.start_run(_CONFIG.value, Path(str(_WORKDIR.value)))
    except InputError as error:
        return _fail(error.line)
    except signals.Interrupted:
        return signals.EXIT_STATUS
    return 0


if __name__ == "__main__":
    logging.set_verbosity(logging.WARNING)  # JAX logs every backend it does not find
    with quiet_on_closed_pipe():
        app.run(main, flags_parser=_parse)
