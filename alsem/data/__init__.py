"""Captures on disk, and the scenes in memory that they are decoded to; NumPy only."""

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path

from alsem.core.errors import InputError
from alsem.data.decode import load
from alsem.data.readers.registry import READERS, detect, has_metres
from alsem.data.scene import Frames, GroundTruth, Photographs, Scene
from alsem.data.scene_box import scene_box
from alsem.data.splits import parse_split

__all__ = [
    "READERS",
    "Frames",
    "GroundTruth",
    "Photographs",
    "Scene",
    "open_capture",
    "scene_box",
]


def open_capture(
    *,
    dir: str | Path,
    scene: str = "",
    source: str = "replica",
    downscale: int = 1,
    width: int = 0,
    scale: float | int = 1.0,
    train_split: str,
    test_split: str,
    geometry_split: str = "",
    geometry_width: int = 0,
    use_depth: bool = True,
    regions: bool = False,
    classes: Sequence[str] = (),
    label_space: str = "",
) -> tuple[Scene, GroundTruth]:
    """Reads a capture.

    Args:
        dir: Folder of scenes, or the scene itself if ``scene`` is empty.
        scene: Name of the scene.
        source: Layout on disk, a row of `READERS`, or ``auto`` to detect it.
        downscale: Whole factor to downscale images by, their sizes rounded. Colour is
            averaged; depth, labels and regions are sampled at one pixel of each block.
        width: Width to downscale images to, pixels, in place of ``downscale``; 0 for
            none.
        scale: Metres of the unit that poses and depth are in; 0: one, and where the
            layout does not say that these are metres the scene is not ``is_metric``.
        train_split: Sequence and slice of the pool, like ``"Sequence_1[::5]"``.
        test_split: Sequence and slice of the frames to evaluate on; disjoint from
            ``train_split``.
        geometry_split: Frames that geometry is fitted to, beside those of the pool. If
            empty, none where there is depth, else all that are not in ``test_split``;
            ``pool``: none, and those of the pool at the pool's size.
        geometry_width: Width that these photographs are downscaled to where there is
            no depth, pixels, if they are wider; 0 leaves them as they are.
        use_depth: Whether training frames get their depth, if the capture has any.
        regions: Whether training frames get the user's own regions, which must then
            exist.
        classes: Lines ``"id name"``, or names for ids from 1, in place of the class
            list in the capture; for ScanNet, the classes of the label space to keep.
        label_space: For ScanNet: ``nyu40`` (if empty), ``nyu13`` or ``scannet20``.

    Returns:
        The scene, and apart from it its ground truth.

    Raises:
        InputError: Something that was requested is missing, malformed or damaged.
    """
    if source != "auto" and source not in READERS:
        known = ", ".join(("auto", *READERS))
        raise InputError(f"data.source={source!r} is not known; use one of {known}")
    whole = {"downscale": downscale, "width": width, "geometry_width": geometry_width}
    for key, value in whole.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise InputError(f"data.{key}={value!r} is not a whole number")
    folder = Path(dir).expanduser()
    if source == "auto" and str(dir):
        try:
            source = detect(folder / scene)
        except OSError as error:
            raise InputError(f"{error.filename}: {error.strerror}") from None
    if label_space and source != "scannet":
        raise InputError(
            f"data.label_space={label_space!r} is for ScanNet; leave it empty for"
            f" data.source={source!r}"
        )
    if isinstance(scale, bool) or not 0 <= scale < math.inf:
        raise InputError(
            f"data.scale={scale!r}: must be metres above 0, or 0 if they are not known"
        )
    if isinstance(classes, str):
        raise InputError(f"data.classes={classes!r} is one text; give a list of lines")
    if not str(dir):
        raise InputError("data.dir is empty; give the folder of the capture")
    train, test = parse_split(train_split), parse_split(test_split)
    pool_only = geometry_split == "pool"
    photos = train if pool_only else None
    if geometry_split and not pool_only:
        photos = parse_split(geometry_split)
    try:
        options = {"label_space": label_space} if label_space else {}
        capture = READERS[source](folder, scene, classes, **options)
        made, truth = load(
            capture.scaled(float(scale or 1.0)),
            factor=downscale,
            target_width=width,
            train=train,
            test=test,
            photos=photos,
            photo_width=None if pool_only else geometry_width,
            use_depth=use_depth,
            use_regions=regions,
        )
        first = capture.frames(capture.sequences[0])[0]
        is_metric = scale > 0 or has_metres(source, first.depth is not None)
        return dataclasses.replace(made, is_metric=is_metric), truth
    except OSError as error:
        raise InputError(
            f"{error.filename}: {error.strerror}; make it readable"
        ) from None
