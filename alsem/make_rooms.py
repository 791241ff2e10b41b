"""Writes procedural rooms to disk in the Replica layout.

Run: python -m alsem.make_rooms --out=DIR --count=N --seed=S
"""

import sys

from absl import flags
from tqdm import tqdm

from alsem.core.errors import InputError
from alsem.rooms import write_room
from alsem.runs import cli_errors

_OUT = flags.DEFINE_string("out", None, "Folder to write the rooms to.")
_COUNT = flags.DEFINE_integer("count", 1, "Number of rooms.")
_SEED = flags.DEFINE_integer("seed", 0, "Seed of the first room; the others follow.")
_WIDTH = flags.DEFINE_integer("width", 320, "Image width, pixels.")
_HEIGHT = flags.DEFINE_integer("height", 240, "Image height, pixels.")
_TRAIN = flags.DEFINE_integer("train_frames", 180, "Frames of Sequence_1.")
_TEST = flags.DEFINE_integer("test_frames", 40, "Frames of Sequence_2.")


def main(argv: list[str]) -> None:
    """Writes rooms of consecutive seeds."""
    del argv
    if not _OUT.value:
        raise InputError("--out is missing; give a folder, --out=DIR")
    if _COUNT.value < 1:
        raise InputError(f"--count is {_COUNT.value}; give 1 or more")
    frames = _TRAIN.value + _TEST.value
    for seed in range(_SEED.value, _SEED.value + _COUNT.value):
        bar = tqdm(total=frames, unit="frame", disable=not sys.stdout.isatty())
        with bar:
            folder = write_room(
                _OUT.value,
                seed=seed,
                width=_WIDTH.value,
                height=_HEIGHT.value,
                train_frames=_TRAIN.value,
                test_frames=_TEST.value,
                progress=bar.update,
            )
        print(f"{folder}: {_TRAIN.value} + {_TEST.value} frames", flush=True)


if __name__ == "__main__":
    cli_errors.run("alsem.make_rooms", main)
