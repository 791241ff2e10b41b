"""The table of readers, and the detection of a capture's layout.

A new layout is a row of `READERS`: a function from folder, scene name and class lines
to a `Capture`; and one of `FITS`.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from alsem.core.errors import InputError
from alsem.data.capture import Capture
from alsem.data.readers import (
    arkitscenes,
    colmap,
    near_misses,
    nerfstudio,
    phone_apps,
    replica,
    rgbd_folders,
    tum,
)
from alsem.data.readers.scannet import read_scannet


def _read_tfds(root: Path, scene: str, class_lines: Sequence[str] = ()) -> Capture:
    from alsem.data.readers.tfds import read_tfds  # slow to import

    return read_tfds(root, scene, class_lines)


READERS: dict[str, Callable[..., Capture]] = {
    "replica": replica.read_replica,
    "nerfstudio": nerfstudio.read_nerfstudio,
    "colmap": colmap.read_colmap,
    "scannet": read_scannet,
    "sensreader": rgbd_folders.read_sensreader,
    "tum": tum.read_tum,
    "7scenes": rgbd_folders.read_seven_scenes,
    "nice_slam": rgbd_folders.read_nice_slam,
    "polycam": phone_apps.read_polycam,
    "record3d": phone_apps.read_record3d,
    "stray": phone_apps.read_stray,
    "arkitscenes": arkitscenes.read_arkitscenes,
    "tfds": _read_tfds,
}


# How a layout is recognised, the most specific first.
FITS: dict[str, Callable[[Path], bool]] = {
    "nerfstudio": lambda folder: bool(nerfstudio.files_in(folder)),
    "colmap": colmap.has_model,
    "tfds": lambda folder: any(
        any(folder.glob(f"{at}dataset_info.json")) for at in ("", "*/")
    ),
    "scannet": lambda folder: (
        (folder / "renders").is_dir() or any(folder.glob("*.sens"))
    ),
    "sensreader": rgbd_folders.is_sensreader,
    "tum": tum.is_tum,
    "7scenes": rgbd_folders.is_seven_scenes,
    "nice_slam": rgbd_folders.is_nice_slam,
    "polycam": phone_apps.is_polycam,
    "record3d": phone_apps.is_record3d,
    "stray": phone_apps.is_stray,
    "arkitscenes": arkitscenes.is_arkitscenes,
    "replica": replica.has_sequence,
}


def layout_of(folder: Path) -> str | None:
    """The row of `READERS` that fits a capture's folder; None if none does."""
    return next((name for name, fits in FITS.items() if fits(folder)), None)


def detect(folder: Path) -> str:
    """The row of `READERS` that fits a capture's folder.

    Raises:
        InputError: The folder does not exist, holds several captures or none.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give the folder of the capture")
    found = layout_of(folder)
    if found is None:
        within = sorted(
            p.name for p in folder.iterdir() if p.is_dir() and layout_of(p) is not None
        )
        raise InputError(
            f"{folder}: "
            + (
                f"no capture, but it contains captures; give one: {', '.join(within)}"
                if within
                else f"no capture in a known layout: {near_misses.explain(folder)}"
            )
        )
    return found


def has_metres(layout: str, has_depth: bool) -> bool:
    """Whether a layout says that its lengths are metres, perhaps by its depth.

    Structure from motion has a unit of its own, and COLMAP's depth shares it.
    """
    if layout == "colmap":
        return False
    return layout != "nerfstudio" or has_depth


def scenes_in(folder: Path, layout: str, scene: str = "") -> list[str]:
    """Names the scenes of a layout in a folder; ``[""]`` if the folder is one itself.

    Args:
        folder: A scene, or a folder of scenes.
        layout: A row of `READERS`.
        scene: The only scene to look for; all if empty.

    Raises:
        InputError: There is no such folder or scene, or it cannot be read.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give the folder of scenes")
    try:
        if layout_of(folder) == layout:
            if scene:
                raise InputError(f"{folder}: is a scene itself; leave out {scene!r}")
            return [""]
        names = [scene] if scene else sorted(p.name for p in folder.iterdir())
        found = [name for name in names if layout_of(folder / name) == layout]
    except OSError as error:
        raise InputError(f"{error.filename}: {error.strerror}") from None
    if not found:
        wanted = f"scene {scene!r}" if scene else "scene"
        raise InputError(f"{folder}: is and holds no {wanted} in layout {layout}")
    return found
