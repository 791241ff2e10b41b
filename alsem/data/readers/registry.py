"""The layouts on disk that captures come in: found out, and opened.

A new one is a row of `READERS`: a function from folder, scene name and class lines to
a `Capture`, the list of its frames.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from alsem.core.errors import InputError
from alsem.data.capture import Capture
from alsem.data.readers import colmap, nerfstudio
from alsem.data.readers.replica import read_replica
from alsem.data.readers.scannet import read_scannet


def _read_tfds(root: Path, scene: str, class_lines: Sequence[str] = ()) -> Capture:
    from alsem.data.readers.prepared import read_tfds  # slow to import

    return read_tfds(root, scene, class_lines)


READERS: dict[str, Callable[..., Capture]] = {
    "replica": read_replica,
    "nerfstudio": nerfstudio.read_nerfstudio,
    "colmap": colmap.read_colmap,
    "scannet": read_scannet,
    "tfds": _read_tfds,
}


def layout_of(folder: Path) -> str | None:
    """Which row of `READERS` a capture's folder looks like; None if like none."""
    if (folder / nerfstudio.FILE).is_file():
        return "nerfstudio"
    if colmap.has_model(folder):
        return "colmap"
    if any(folder.glob("dataset_info.json")) or any(folder.glob("*/dataset_info.json")):
        return "tfds"
    if (folder / "renders").is_dir() or any(folder.glob("*.sens")):
        return "scannet"
    return "replica" if any(folder.glob("*/rgb/rgb_*.png")) else None


def detect(folder: Path) -> str:
    """As `layout_of`.

    Raises:
        InputError: The folder is not there, holds several captures or none.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give the folder of the capture")
    found = layout_of(folder)
    if found is None:
        within = sorted(
            p.name for p in folder.iterdir() if p.is_dir() and layout_of(p) is not None
        )
        raise InputError(
            f"{folder}: no capture in a layout that is known ({', '.join(READERS)}); "
            + (f"there are some in it: {', '.join(within)}" if within else "convert it")
        )
    return found
