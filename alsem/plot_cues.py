"""Draws every cue and score of a finished run over one training frame.

Run: python -m alsem.plot_cues --workdir=DIR --frame=I --out=DIR2
"""

from pathlib import Path

from absl import flags

from alsem.core.errors import InputError
from alsem.runs import cli_errors

_WORKDIR = flags.DEFINE_string("workdir", None, "Run directory with a finished round.")
_FRAME = flags.DEFINE_integer("frame", 0, "Training frame, counted from 0.")
_OUT = flags.DEFINE_string("out", None, "Folder for the images.")


def main(argv: list[str]) -> None:
    """Draws the maps of the run and frame that the flags name."""
    del argv
    if not _WORKDIR.value or not _OUT.value:
        raise InputError("--workdir=DIR and --out=DIR2 are needed")
    from alsem.runs import (  # JAX is slow to import: flags are read first
        cue_maps,
        runner,
    )

    with runner.reopen_run(Path(_WORKDIR.value)) as (run, model):
        files = cue_maps.write(run, model, _FRAME.value, Path(_OUT.value))
    print(f"{len(files) - 1} maps, all on {files[-1]}")


if __name__ == "__main__":
    cli_errors.run("alsem.plot_cues", main)
