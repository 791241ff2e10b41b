"""Writes captures as TensorFlow Datasets, without TensorFlow.

Run: python -m alsem.prepare --dataset=alsem_replica --source=DIR --out=DIR2
         [--scene=room_0]

Then train from it with --config.data.source=tfds --config.data.dir=DIR2
--config.data.scene=alsem_replica/room_0, or open it with tfds.data_source.
"""

from pathlib import Path

from absl import flags, logging

from alsem.core.errors import InputError
from alsem.data.readers.registry import READERS, layout_of
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
    if _DATASET.value not in _LAYOUTS:
        raise InputError(f"--dataset={_DATASET.value}: use {', '.join(_LAYOUTS)}")
    for flag in (_SOURCE, _OUT):
        if not flag.value:
            raise InputError(f"no folder given; add --{flag.name}=DIR")
    source, layout = Path(str(_SOURCE.value)).expanduser(), _LAYOUTS[_DATASET.value]
    if not source.is_dir():
        raise InputError(f"{source}: no such folder; give the folder of scenes")
    if _SCENE.value and layout_of(source) == layout:
        raise InputError(f"--scene={_SCENE.value}: {source} is a scene; leave it out")
    if _SPACE.value and layout != "scannet":
        raise InputError(f"--label_space={_SPACE.value}: only ScanNet has label spaces")
    try:
        scenes = [""] if layout_of(source) == layout else _scenes(source, layout)
    except OSError as error:
        raise InputError(f"{error.filename}: {error.strerror}") from None
    if not scenes:
        wanted = f"scene {_SCENE.value!r}" if _SCENE.value else "scene"
        raise InputError(f"{source}: is and holds no {wanted} in layout {layout}")
    import tensorflow_datasets

    from alsem.data import tfds

    tensorflow_datasets.disable_progress_bar()
    logging.set_verbosity(logging.ERROR)  # that a scene is a config of its own
    out = Path(str(_OUT.value)).expanduser()
    for name in scenes:
        options = {"label_space": _SPACE.value} if _SPACE.value else {}
        capture = READERS[layout](source, name, (), **options)
        folder, is_new = tfds.prepare(_DATASET.value, capture, out)
        kept = ": is there already and kept; remove it to write it anew"
        print(f"{folder}{'' if is_new else kept}", flush=True)


def _scenes(source: Path, layout: str) -> list[str]:
    names = [_SCENE.value] if _SCENE.value else sorted(p.name for p in source.iterdir())
    return [name for name in names if layout_of(source / name) == layout]


if __name__ == "__main__":
    cli_errors.run("alsem.prepare", main)
