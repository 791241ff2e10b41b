"""Writes captures as TensorFlow Datasets, without TensorFlow.

Run: python -m alsem.prepare --dataset=alsem_replica --source=DIR --out=DIR2
         [--scene=room_0]

Then train from it with --config.data.source=tfds --config.data.dir=DIR2
--config.data.scene=alsem_replica/room_0, or open it with tfds.data_source.
"""

from pathlib import Path

from absl import flags, logging

from alsem.core.errors import InputError
from alsem.data.readers.registry import READERS, scenes_in
from alsem.runs import cli_errors

_DATASET = flags.DEFINE_string(
    "dataset", None, "alsem_replica, alsem_scannet or alsem_rooms."
)
_SOURCE = flags.DEFINE_string("source", None, "A scene, or a folder of scenes.")
_OUT = flags.DEFINE_string("out", None, "Folder of data sets.")
_SCENE = flags.DEFINE_string("scene", "", "One of the scenes; all if empty.")
_SPACE = flags.DEFINE_string("label_space", "", "Of ScanNet: nyu40, nyu13, scannet20.")
_LAYOUTS = {
    "alsem_replica": "replica",
    "alsem_scannet": "scannet",
    "alsem_rooms": "replica",
}


def main(argv: list[str]) -> None:
    """Writes the scenes that the flags name."""
    del argv
    layout = _LAYOUTS.get(str(_DATASET.value), "")
    if not layout:
        raise InputError(f"--dataset={_DATASET.value}: use {', '.join(_LAYOUTS)}")
    for flag in (_SOURCE, _OUT):
        if not flag.value:
            raise InputError(f"no folder given; add --{flag.name}=DIR")
    if _SPACE.value and layout != "scannet":
        raise InputError(f"--label_space={_SPACE.value}: only ScanNet has label spaces")
    source, out = (Path(str(flag.value)).expanduser() for flag in (_SOURCE, _OUT))
    options = {"label_space": _SPACE.value} if _SPACE.value else {}
    scenes = scenes_in(source, layout, _SCENE.value)
    from alsem.data import tfds_builders  # slow to import: wrong flags fail before

    logging.set_verbosity(logging.ERROR)  # TFDS warns of configs in the caller's code
    for name in scenes:
        capture = READERS[layout](source, name, (), **options)
        folder, is_new = tfds_builders.prepare(str(_DATASET.value), capture, out)
        kept = ": exists already and is kept; remove it to write it again"
        print(f"{folder}{'' if is_new else kept}", flush=True)


if __name__ == "__main__":
    cli_errors.run("alsem.prepare", main)
