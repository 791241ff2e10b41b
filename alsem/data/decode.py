"""Decodes the frames of a capture into a scene in memory and its ground truth."""

import concurrent.futures
import dataclasses
import os

import numpy as np

from alsem.core.errors import ErrorCollector, InputError
from alsem.core.types import Intrinsics
from alsem.data import downscale
from alsem.data.capture import Capture, FrameRecord, check_headers, check_same_images
from alsem.data.depth_images import without_nothing
from alsem.data.label_images import VOID, read_labels
from alsem.data.scene import Frames, GroundTruth, Photographs, Scene
from alsem.data.splits import Split

MAX_PHOTOS = 400  # outside the pool, that geometry is fitted to unless a split says so


def load(
    capture: Capture,
    *,
    factor: int,
    target_width: int = 0,
    train: Split,
    test: Split,
    photos: Split | None = None,
    photo_width: int | None = 0,
    use_depth: bool,
    use_regions: bool,
) -> tuple[Scene, GroundTruth]:
    """Decodes the frames of two splits.

    Args:
        capture: The files.
        factor: Whole factor by which images are downscaled.
        target_width: Width to downscale images to, in place of a factor; 0 for none.
        train: Frames of the pool.
        test: Frames to evaluate on.
        photos: Frames that geometry is fitted to, beside those of the pool; None for
            none where there is depth, else all that are not tested on.
        photo_width: Greatest width of these where there is no depth, pixels; 0: any;
            None: that of the pool.
        use_depth: Whether training frames get their depth.
        use_regions: Whether training frames get the user's own regions.

    Returns:
        The scene, and apart from it the ground truth.

    Raises:
        InputError: The splits share a frame, or an image is missing, damaged, or of
            another kind or size than it must be.
    """
    train_records, test_records = _split_records(
        capture, train, test, use_depth=use_depth, use_regions=use_regions
    )
    photo_records = _photo_records(capture, train_records, test, photos)
    width, height = check_headers([*train_records, *test_records, *photo_records])
    camera = capture.camera(width, height)
    size = downscale.target_size((width, height), factor=factor, width=target_width)
    camera = downscale.downscaled(camera, size)
    train_frames, train_labels = _decode(capture, train_records, size)
    test_frames, test_labels = _decode(capture, test_records, size)
    names, ids = capture.classes
    scene = Scene(
        name=capture.name,
        intrinsics=camera,
        pixel_offset=_offset((width, height), size),
        train=train_frames,
        test=dataclasses.replace(test_frames, depth_z=None),
        geometry_frames=_photographs(
            capture, train_records, photo_records, camera, (width, height), photo_width
        ),
        class_names=names,
        class_ids=ids,
        points=capture.points,
        doubts=tuple(capture.doubts()),
    )
    return scene, GroundTruth(train_labels, test_labels, test_frames.depth_z)


def _split_records(
    capture: Capture, train: Split, test: Split, *, use_depth: bool, use_regions: bool
) -> tuple[list[FrameRecord], list[FrameRecord]]:
    """The frames of two disjoint splits, without the images that are not used."""
    train_records = train.pick(capture.frames)
    test_records = test.pick(capture.frames)
    in_train = {record.name for record in train_records}
    shared = [record.name for record in test_records if record.name in in_train]
    if shared:
        raise InputError(
            f"splits {train.text!r} and {test.text!r} share {len(shared)} frames, "
            f"{shared[0]} among them; make them disjoint, like "
            "'Sequence_1[::5]' and 'Sequence_1[2::5]', or 'frames[:] but frames[::8]'"
            " and 'frames[::8]'"
        )
    if use_regions and train_records[0].regions is None:
        raise InputError(
            f"{train_records[0].rgb.where}: has no regions; write one "
            "regions_<number>.png an image, or set active.superpixels='slic'"
        )
    unused = {"instance": None}
    unused_of_train = unused | ({} if use_depth else {"depth": None})
    unused_of_train |= {} if use_regions else {"regions": None}
    splits = (
        [dataclasses.replace(record, **unused_of_train) for record in train_records],
        [
            dataclasses.replace(record, **unused, regions=None)
            for record in test_records
        ],
    )
    for records in splits:
        check_same_images(records)
    return splits


def _photo_records(
    capture: Capture, pool: list[FrameRecord], test: Split, photos: Split | None
) -> list[FrameRecord]:
    """Frames outside the pool that geometry is fitted to, with the pool's images."""
    has_depth = pool[0].depth is not None
    if photos is None:
        if has_depth:
            return []
        each = capture.disjoint_sequences().values()
        picked = [record for records in each for record in records]
    else:
        picked = photos.pick(capture.frames)
    left_out = {record.name for record in [*pool, *test.pick(capture.frames)]}
    picked = [record for record in picked if record.name not in left_out]
    step = -(-len(picked) // MAX_PHOTOS) if photos is None else 1
    unused = {"label": None, "regions": None, "instance": None}
    if not has_depth:
        unused["depth"] = None
    return [dataclasses.replace(record, **unused) for record in picked[:: step or 1]]


def _photographs(
    capture: Capture,
    pool: list[FrameRecord],
    others: list[FrameRecord],
    camera: Intrinsics,
    full: downscale.Size,
    most: int | None,
) -> Photographs | None:
    """The photographs that geometry is fitted to, if they are not those of the pool.

    Those of the pool come first. With depth they have the size of the pool's, else that
    of the files, or of the width ``most`` if they are wider.
    """
    size = (camera.width, camera.height)
    if pool[0].depth is None and most is not None:
        size = downscale.target_size(full, width=most) if 0 < most < full[0] else full
    if not others and size == (camera.width, camera.height):
        return None
    unused = {"label": None, "regions": None}
    pool = [dataclasses.replace(record, **unused) for record in pool]
    check_same_images([*pool, *others])
    frames, _ = _decode(capture, [*pool, *others], size)
    return Photographs(
        frames,
        downscale.downscaled(capture.camera(*full), size),
        _offset(full, size),
    )


def _offset(full: downscale.Size, size: downscale.Size) -> tuple[float, float]:
    """Row and column offset of the pixels at which depth and labels are sampled."""
    return (
        downscale.point_sample_offset(full[1], size[1]),
        downscale.point_sample_offset(full[0], size[0]),
    )


def _decode(
    capture: Capture, records: list[FrameRecord], size: tuple[int, int]
) -> tuple[Frames, np.ndarray | None]:
    """The downscaled frames, and their labels int16 ``[n h w]``."""
    shape = (len(records), *size[::-1])
    first = records[0]
    rgb = np.empty((*shape, 3), np.uint8)
    depth_z = None if first.depth is None else np.empty(shape, np.float32)
    labels = None if first.label is None else np.empty(shape, np.int16)
    regions = None if first.regions is None else np.empty(shape, np.int32)
    is_masked = any(record.mask is not None for record in records)
    valid_mask = np.ones(shape, np.bool_) if is_masked else None
    table = capture.label_table

    def decode_frame(i: int) -> None:
        record = records[i]
        rgb[i] = downscale.area_average(record.rgb.read(), size)
        if depth_z is not None and record.depth is not None:
            raw = without_nothing(record.depth.read())
            depth_z[i] = downscale.point_sample(raw, size) / capture.depth_scale
        if labels is not None and record.label is not None:
            labels[i] = downscale.point_sample(read_labels(record.label, table), size)
        if regions is not None and record.regions is not None:
            regions[i] = downscale.point_sample(record.regions.read(), size)
        if valid_mask is not None and record.mask is not None:
            valid_mask[i] = downscale.all_of(record.mask.read() > 0, size)
            for array, nothing in ((depth_z, 0), (labels, VOID), (regions, 0)):
                if array is not None:
                    array[i][~valid_mask[i]] = nothing

    # Threads, not processes: Pillow and zlib release the interpreter lock.
    with concurrent.futures.ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        errors = ErrorCollector()
        for done in [pool.submit(decode_frame, i) for i in range(len(records))]:
            with errors.catch():
                done.result()
        errors.raise_any()
    poses = np.stack([record.world_from_cam for record in records])
    names = tuple(record.name for record in records)
    photographs = tuple(record.rgb for record in records)
    frames = Frames(names, rgb, poses, depth_z, regions, valid_mask, photographs)
    return frames, labels
