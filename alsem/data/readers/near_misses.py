"""Says what a folder in no known layout holds, and what is in the way of reading it."""

from collections.abc import Iterator
from pathlib import Path

from alsem.data.image_io import PHOTO_KINDS

_VIDEOS = (".mp4", ".mov", ".avi", ".mkv", ".m4v")
_PHOTOS = (*PHOTO_KINDS, ".heic", ".heif", ".tif", ".tiff")
_COMMAND = "python -m alsem.reconstruct"
# What is there, what is absent with it: the layout, and what to do.
_PARTS = (
    ("color", "pose", "SensReader's export", "export the poses too, as pose/0.txt"),
    ("pose", "color", "SensReader's export", "export the photographs too, as color/"),
    ("results", "traj.txt", "NICE-SLAM's Replica", "put its traj.txt there"),
    ("rgb.txt", "groundtruth.txt", "TUM RGB-D", "add the poses (groundtruth.txt)"),
    ("keyframes", "keyframes/cameras", "Polycam's raw data", "export it again"),
    ("odometry.csv", "rgb.mp4", "Stray Scanner's", "put its rgb.mp4 there"),
    ("lowres_wide", "lowres_wide.traj", "ARKitScenes", "download that file"),
    ("lowres_wide.traj", "lowres_wide", "ARKitScenes", "download that folder"),
    (
        "traj_w_c.txt",
        "rgb",
        "a sequence in the Replica layout",
        "add rgb/rgb_0.png",
    ),
)


def explain(folder: Path) -> str:
    """What a folder holds that resembles a capture, and how to make it one."""
    return next(_explanations(folder))


def _explanations(folder: Path) -> Iterator[str]:
    names = sorted(path.name for path in folder.iterdir())
    endings = {Path(name).suffix.lower() for name in names}
    for name in names:
        if name.endswith(".json") and "transform" in name.lower():
            yield f"{name} may list its frames; name it transforms.json"
    for there, absent, layout, remedy in _PARTS:
        if (folder / there).exists() and not (folder / absent).exists():
            yield f"{there} is part of {layout}, but {absent} is missing; {remedy}"
    if "traj_w_c.txt" in names and "rgb" in names:
        yield "it is one sequence of the Replica layout; give the folder above it"
    for model in ("sparse", "sparse/0", "."):
        if (folder / model / "cameras.bin").exists() or (
            folder / model / "cameras.txt"
        ).exists():
            yield (
                f"{model} has the cameras of a COLMAP model, but no images.bin or"
                " images.txt; export the whole model"
            )
    for ending in (".r3d", ".zip"):
        if ending in endings:
            yield f"it holds a {ending} file; unpack it (as .zip) and give its folder"
    if "database.db" in names:
        yield (
            "it holds COLMAP's database, but no sparse model; run its mapper, or"
            f" {_COMMAND} --images=PHOTOGRAPHS --out=CAPTURE"
        )
    for place in (
        folder,
        *(path for path in sorted(folder.iterdir()) if path.is_dir()),
    ):
        inside = [path.suffix.lower() for path in place.iterdir() if path.is_file()]
        photos = sum(ending in _PHOTOS for ending in inside)
        if photos > 1:
            yield (
                f"{photos} photographs in {place}, but no poses; find them by"
                f" {_COMMAND} --images={place} --out=CAPTURE"
            )
    for name in names:
        if Path(name).suffix.lower() in _VIDEOS:
            yield (
                f"{name} is a video without poses; find them by"
                f" {_COMMAND} --video={folder / name} --out=CAPTURE"
            )
    yield "convert it, or find poses for its photographs by " + _COMMAND
