"""From the files of a capture to a scene in memory, whatever the layout on disk."""

import concurrent.futures
import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from alsem.data import images
from alsem.data.classes import Classes
from alsem.data.scene import Frames, GroundTruth, Scene
from alsem.data.splits import Split
from alsem.types import InputError, Intrinsics

_UNKNOWN = -2  # in the table from id to label: neither a class nor void


@dataclasses.dataclass(frozen=True, eq=False)
class FrameFiles:
    """Where one frame lies.

    Attributes:
        name: Stable name, ``"Sequence_1/12"``.
        rgb: Colour image.
        depth: Depth image, None if the sequence has no depth.
        label: Label image, None if the sequence has no labels.
        regions: Image of the user's own regions, None if the sequence has none.
        world_from_cam: ``[4 4]`` float32, metres.
    """

    name: str
    rgb: Path
    depth: Path | None
    label: Path | None
    regions: Path | None
    world_from_cam: np.ndarray


@dataclasses.dataclass(frozen=True)
class Capture:
    """What a reader found on disk; no image is decoded yet.

    Attributes:
        name: Name of the scene.
        sequences: Names of its sequences.
        frames: Lists the frames of a sequence, in order; raises `InputError`.
        camera: Intrinsics of images of a given width and height; raises `InputError`.
        depth_scale: Depth units per metre.
        classes: Names and ids without void, ordered by id.
    """

    name: str
    sequences: tuple[str, ...]
    frames: Callable[[str], list[FrameFiles]]
    camera: Callable[[int, int], Intrinsics]
    depth_scale: float
    classes: Classes


def load(
    capture: Capture,
    *,
    downscale: int,
    train: Split,
    test: Split,
    use_depth: bool,
    use_regions: bool,
) -> tuple[Scene, GroundTruth]:
    """Decodes the frames of two splits.

    Args:
        capture: The files.
        downscale: Whole factor by which images shrink.
        train: Frames of the pool.
        test: Frames to score.
        use_depth: Whether training frames get their depth.
        use_regions: Whether training frames get the user's own regions.

    Returns:
        The scene, and apart from it the ground truth.

    Raises:
        InputError: If the splits share a frame, or an image is missing, damaged, or of
            another kind or size than it must be.
    """
    train_files = train.pick(capture.frames(train.sequence))
    test_files = test.pick(capture.frames(test.sequence))
    in_train = {files.name for files in train_files}
    shared = [files.name for files in test_files if files.name in in_train]
    if shared:
        raise InputError(
            f"splits {train.text!r} and {test.text!r} share {len(shared)} frames, "
            f"{shared[0]} among them; make them disjoint, like 'Sequence_1[::5]' and "
            "'Sequence_1[2::5]'"
        )
    if not use_depth:
        train_files = [dataclasses.replace(f, depth=None) for f in train_files]
    test_files = [dataclasses.replace(f, regions=None) for f in test_files]
    if not use_regions:
        train_files = [dataclasses.replace(f, regions=None) for f in train_files]
    elif train_files[0].regions is None:
        raise InputError(
            f"{train_files[0].rgb.parents[1] / 'regions'}: missing; write one "
            "regions_<number>.png an image, or set active.superpixels='slic'"
        )
    width, height = check_frames([*train_files, *test_files])
    camera = capture.camera(width, height)
    if downscale < 1 or width % downscale or height % downscale:
        fitting = [s for s in range(1, 17) if width % s == 0 and height % s == 0]
        raise InputError(
            f"data.downscale={downscale} does not divide the {width} x {height} images "
            f"of {capture.name}; use one of {', '.join(map(str, fitting))}"
        )
    camera = downscaled(camera, downscale)
    train_frames, train_labels = _decode(capture, train_files, camera, downscale)
    test_frames, test_labels = _decode(capture, test_files, camera, downscale)
    offset = images.point_sample_offset(downscale)
    names, ids = capture.classes
    scene = Scene(
        name=capture.name,
        intrinsics=camera,
        pixel_offset=(offset, offset),
        train=train_frames,
        test=dataclasses.replace(test_frames, depth_z=None),
        class_names=names,
        class_ids=ids,
    )
    return scene, GroundTruth(train_labels, test_labels, test_frames.depth_z)


def check_frames(frames: list[FrameFiles]) -> tuple[int, int]:
    """Checks by their headers that all images are there and fit together.

    Args:
        frames: At least one frame.

    Returns:
        Width and height, pixels.

    Raises:
        InputError: Naming the first file that is missing or does not fit.
    """
    first = frames[0].rgb
    size = images.check_header(first, images.RGB)
    for files in frames:
        _check_size(files.rgb, images.RGB, size, first)
        for path, kind in (
            (files.depth, images.DEPTH),
            (files.label, images.LABEL),
            (files.regions, images.REGIONS),
        ):
            if path is None:
                continue
            if not path.exists():
                raise InputError(
                    f"{path}: missing although the folder {path.parent.name} is there; "
                    "add it, or take the whole folder away if the capture has none"
                )
            _check_size(path, kind, size, files.rgb)
    return size


def read_labels(path: Path, class_ids: tuple[int, ...]) -> np.ndarray:
    """Decodes a label image.

    Args:
        path: PNG of class ids, 0 = void.
        class_ids: Ids of the classes, index = label.

    Returns:
        ``[h w]`` int16 label, -1 = void.

    Raises:
        InputError: If the image is damaged or holds an id that is no class.
    """
    label_of_id = np.full(256, _UNKNOWN, np.int16)
    label_of_id[0] = -1
    label_of_id[list(class_ids)] = np.arange(len(class_ids))
    ids = images.decode(path, images.LABEL)
    labels = label_of_id[ids]
    if labels.min() == _UNKNOWN:
        raise InputError(
            f"{path}: holds the id {ids[labels == _UNKNOWN].min()}, which is not in the"
            " class list; add the class there, or write 0 (void)"
        )
    return labels


def downscaled(camera: Intrinsics, factor: int) -> Intrinsics:
    """The camera of images shrunk by a whole factor that divides their size."""
    return Intrinsics(
        width=camera.width // factor,
        height=camera.height // factor,
        fx=camera.fx / factor,
        fy=camera.fy / factor,
        cx=(camera.cx + 0.5) / factor - 0.5,
        cy=(camera.cy + 0.5) / factor - 0.5,
    )


def _decode(
    capture: Capture, files: list[FrameFiles], camera: Intrinsics, factor: int
) -> tuple[Frames, np.ndarray | None]:
    shape = (len(files), camera.height, camera.width)
    rgb = np.empty((*shape, 3), np.uint8)
    depth_z = None if files[0].depth is None else np.empty(shape, np.float32)
    labels = None if files[0].label is None else np.empty(shape, np.int16)
    regions = None if files[0].regions is None else np.empty(shape, np.int32)

    def decode_frame(i: int) -> None:
        frame = files[i]
        colour = images.decode(frame.rgb, images.RGB)
        rgb[i] = images.area_average(colour, factor)
        if depth_z is not None and frame.depth is not None:
            raw = images.decode(frame.depth, images.DEPTH)
            depth_z[i] = images.point_sample(raw, factor) / capture.depth_scale
        if labels is not None and frame.label is not None:
            full = read_labels(frame.label, capture.classes[1])
            labels[i] = images.point_sample(full, factor)
        if regions is not None and frame.regions is not None:
            ids = images.decode(frame.regions, images.REGIONS)
            regions[i] = images.point_sample(ids, factor)

    # Threads, not processes: Pillow and zlib let go of the interpreter.
    with concurrent.futures.ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for _ in pool.map(decode_frame, range(len(files))):
            pass
    poses = np.stack([f.world_from_cam for f in files])
    names = tuple(f.name for f in files)
    return Frames(names, rgb, poses, depth_z, regions), labels


def _check_size(
    path: Path, kind: images.PngKind, size: tuple[int, int], model: Path
) -> None:
    width, height = images.check_header(path, kind)
    if (width, height) != size:
        raise InputError(
            f"{path}: {width} x {height} pixels while {model} has {size[0]} x "
            f"{size[1]}; give all images of a capture one size"
        )
