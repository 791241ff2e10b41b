"""From the files of a capture to a scene in memory, whatever the layout on disk."""

import concurrent.futures
import dataclasses
import functools
import os
from collections.abc import Callable

import numpy as np

from alsem.core.errors import ErrorCollector, InputError
from alsem.core.types import Intrinsics
from alsem.data import resampling
from alsem.data.classes import Classes
from alsem.data.frame_records import FrameRecord
from alsem.data.image_files import ImageFile
from alsem.data.scene import Frames, GroundTruth, Scene
from alsem.data.splits import Split

ALL = "frames"  # the sequence of all frames, in layouts that have one
VOID, UNKNOWN = -1, -2  # in a table from id to label; an unknown id is an error


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
        label_of_id: int16 ``[m]``, the label of every id of label images: an index
            into ``classes``, `VOID` or `UNKNOWN`, as are ids from ``m`` on. None:
            those of ``classes``, with 0 for void.
        union: The sequence that holds the frames of all others; None if none does.
        points: float32 ``[p 3]``, points of its surfaces, metres, from whatever found
            the poses; None if none are known.
    """

    name: str
    sequences: tuple[str, ...]
    frames: Callable[[str], list[FrameRecord]]
    camera: Callable[[int, int], Intrinsics]
    depth_scale: float
    classes: Classes
    label_of_id: np.ndarray | None = None
    union: str | None = None
    points: np.ndarray | None = None

    @property
    def table(self) -> np.ndarray:
        """`label_of_id`, or what stands for it."""
        if self.label_of_id is None:
            return label_table(self.classes[1])
        return self.label_of_id

    def parts(self) -> dict[str, list[FrameRecord]]:
        """Sequences such that every frame is in just one; raises `InputError`."""
        troubles, each = ErrorCollector(), {}
        for name in self.sequences:
            if name != self.union:
                with troubles.caught():
                    each[name] = self.frames(name)
        troubles.end()
        if self.union is None:
            return each
        whole = self.frames(self.union)
        names = [record.name for records in each.values() for record in records]
        if len(names) == len(set(names)) == len(whole):
            return each
        return {self.union: whole}

    def with_all(self) -> "Capture":
        """The capture with a sequence `ALL` of all its frames."""
        if ALL in self.sequences:
            return self
        listed = functools.cache(self.frames)  # `parts` asks for each twice

        def frames(name: str) -> list[FrameRecord]:
            if name != ALL:
                return listed(name)
            return [record for each in self.sequences for record in listed(each)]

        sequences = (*self.sequences, ALL)
        return dataclasses.replace(self, sequences=sequences, frames=frames, union=ALL)

    def scaled(self, scale: float) -> "Capture":
        """The capture whose unit is so many metres."""
        if scale == 1:
            return self
        points = None if self.points is None else self.points * np.float32(scale)
        return dataclasses.replace(
            self,
            frames=lambda sequence: [s.scaled(scale) for s in self.frames(sequence)],
            depth_scale=self.depth_scale / scale,
            points=points,
        )


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
    # Objects' ids are for other programs.
    train_records, test_records = (
        [dataclasses.replace(record, instance=None) for record in records]
        for records in (train_records, test_records)
    )
    if not use_depth:
        train_records = [dataclasses.replace(f, depth=None) for f in train_records]
    test_records = [dataclasses.replace(f, regions=None) for f in test_records]
    if not use_regions:
        train_records = [dataclasses.replace(f, regions=None) for f in train_records]
    elif train_records[0].regions is None:
        raise InputError(
            f"{train_records[0].rgb.where}: has no regions; write one "
            "regions_<number>.png an image, or set active.superpixels='slic'"
        )
    for records in (train_records, test_records):
        check_alike(records)
    width, height = check_frames([*train_records, *test_records])
    camera = capture.camera(width, height)
    if downscale < 1 or width % downscale or height % downscale:
        fitting = [s for s in range(1, 17) if width % s == 0 and height % s == 0]
        raise InputError(
            f"data.downscale={downscale} does not divide the {width} x {height} images "
            f"of {capture.name}; use one of {', '.join(map(str, fitting))}"
        )
    camera = resampling.downscaled(camera, downscale)
    train_frames, train_labels = _decode(capture, train_records, camera, downscale)
    test_frames, test_labels = _decode(capture, test_records, camera, downscale)
    offset = resampling.point_sample_offset(downscale)
    names, ids = capture.classes
    scene = Scene(
        name=capture.name,
        intrinsics=camera,
        pixel_offset=(offset, offset),
        train=train_frames,
        test=dataclasses.replace(test_frames, depth_z=None),
        class_names=names,
        class_ids=ids,
        points=capture.points,
    )
    return scene, GroundTruth(train_labels, test_labels, test_frames.depth_z)


def check_alike(records: list[FrameRecord]) -> None:
    """Frames of a split have depth, labels and regions all or none."""
    for what in ("depth", "label", "regions"):
        have = [getattr(record, what) is not None for record in records]
        if any(have) and not all(have):
            raise InputError(
                f"{records[have.index(False)].rgb.where}: has no {what} while "
                f"{records[have.index(True)].rgb.where} has; give all frames one, or none"
            )


def check_frames(records: list[FrameRecord]) -> tuple[int, int]:
    """Checks by their headers that all pictures are there and fit together.

    Args:
        records: At least one frame.

    Returns:
        Width and height, pixels.

    Raises:
        InputError: Naming the first picture that is missing or does not fit.
    """
    first = records[0].rgb
    size = first.size()
    troubles = ErrorCollector()
    for record in records:
        for picture in record.pictures:
            with troubles.caught():
                width, height = picture.size()
                if (width, height) != size:
                    raise InputError(
                        f"{picture.where}: {width} x {height} pixels while"
                        f" {first.where} has {size[0]} x {size[1]}; give all images of"
                        " a capture one size"
                    )
    troubles.end()
    return size


def read_labels(picture: ImageFile, label_of_id: np.ndarray) -> np.ndarray:
    """Decodes a label image.

    Args:
        picture: Of class ids.
        label_of_id: As in `Capture`.

    Returns:
        ``[h w]`` int16 label, -1 = void.

    Raises:
        InputError: If the image is damaged or holds an id that is no class.
    """
    ids = picture.read().astype(np.intp)
    table = np.append(label_of_id, np.int16(UNKNOWN))
    labels = table[np.minimum(ids, len(label_of_id))]
    if labels.min() == UNKNOWN:
        raise InputError(
            f"{picture.where}: holds the id {ids[labels == UNKNOWN].min()}, which is"
            " not in the class list; add the class there, or write 0 (void)"
        )
    return labels


def label_table(class_ids: tuple[int, ...]) -> np.ndarray:
    """int16 ``[m]``: the label of every id of 8 bits; 0 is void."""
    table = np.full(256, UNKNOWN, np.int16)
    table[0] = VOID
    table[list(class_ids)] = np.arange(len(class_ids))
    return table


def _decode(
    capture: Capture, records: list[FrameRecord], camera: Intrinsics, factor: int
) -> tuple[Frames, np.ndarray | None]:
    shape = (len(records), camera.height, camera.width)
    first = records[0]
    rgb = np.empty((*shape, 3), np.uint8)
    depth_z = None if first.depth is None else np.empty(shape, np.float32)
    labels = None if first.label is None else np.empty(shape, np.int16)
    regions = None if first.regions is None else np.empty(shape, np.int32)
    is_masked = any(record.mask is not None for record in records)
    valid_mask = np.ones(shape, np.bool_) if is_masked else None
    table = capture.table

    def decode_frame(i: int) -> None:
        record = records[i]
        rgb[i] = resampling.area_average(record.rgb.read(), factor)
        if depth_z is not None and record.depth is not None:
            raw = resampling.point_sample(record.depth.read(), factor)
            depth_z[i] = raw / capture.depth_scale
        if labels is not None and record.label is not None:
            labels[i] = resampling.point_sample(
                read_labels(record.label, table), factor
            )
        if regions is not None and record.regions is not None:
            regions[i] = resampling.point_sample(record.regions.read(), factor)
        if valid_mask is not None and record.mask is not None:
            valid_mask[i] = resampling.all_of(record.mask.read() > 0, factor)
            for array, nothing in ((depth_z, 0), (labels, VOID), (regions, 0)):
                if array is not None:
                    array[i][~valid_mask[i]] = nothing

    # Threads, not processes: Pillow and zlib let go of the interpreter.
    with concurrent.futures.ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        troubles = ErrorCollector()
        for done in [pool.submit(decode_frame, i) for i in range(len(records))]:
            with troubles.caught():
                done.result()
        troubles.end()
    poses = np.stack([record.world_from_cam for record in records])
    names = tuple(record.name for record in records)
    return Frames(names, rgb, poses, depth_z, regions, valid_mask), labels
