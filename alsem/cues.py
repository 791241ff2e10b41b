"""Draws every cue and score of a finished run over one training frame.

Run: python -m alsem.cues --workdir=DIR --frame=I --out=DIR2
"""

import sys
from pathlib import Path

from absl import app, flags, logging

from alsem.types import InputError

_WORKDIR = flags.DEFINE_string("workdir", None, "Run directory with a finished round.")
_FRAME = flags.DEFINE_integer("frame", 0, "Training frame, counted from 0.")
_OUT = flags.DEFINE_string("out", None, "Folder for the pictures.")


def main(argv: list[str]) -> None:
    """Draws what the flags ask for."""
    if len(argv) > 1:
        raise InputError(f"unexpected argument {argv[1]!r}; all options are --flags")
    if not _WORKDIR.value or not _OUT.value:
        raise InputError("--workdir=DIR and --out=DIR2 are needed")
    from alsem import cue_maps, program  # JAX is slow to import: flags are read first

    with program.reopen(Path(_WORKDIR.value)) as (run, model):
        files = cue_maps.write(run, model, _FRAME.value, Path(_OUT.value))
    print(f"{len(files) - 1} pictures, all on {files[-1]}")


def run() -> None:
    """Runs `main`; bad input is one line on standard error and exit status 2."""
    logging.set_verbosity(logging.WARNING)
    try:
        app.run(main, flags_parser=flags.FLAGS)
    except (InputError, flags.Error) as error:
        print(f"alsem.cues: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    run()
