"""A capture on disk: its frames, camera and classes, with no image decoded yet."""

import dataclasses
import functools
from collections.abc import Callable, Sequence

import numpy as np

from alsem.core.errors import ErrorCollector, InputError
from alsem.core.types import Intrinsics
from alsem.data import downscale
from alsem.data.classes import Classes
from alsem.data.image_io import ImageFile
from alsem.data.label_images import label_table

ALL = "frames"  # the sequence of all frames, in layouts that have one


@dataclasses.dataclass(frozen=True, eq=False)
class FrameRecord:
    """The pose and the image files of one frame, all of one size and camera.

    Attributes:
        name: Stable name, ``"Sequence_1/12"``.
        rgb: Colour.
        world_from_cam: ``[4 4]`` float32, metres.
        depth: Depth along the optical axis, None if the sequence has no depth.
        label: Class ids, None if the sequence has no labels.
        regions: The user's own regions, None if the sequence has none.
        mask: 0 where a pixel is to be ignored; None if all are valid.
        instance: Ids of objects, None if the sequence has none; converted and prepared,
            never trained on.
    """

    name: str
    rgb: ImageFile
    world_from_cam: np.ndarray
    depth: ImageFile | None = None
    label: ImageFile | None = None
    regions: ImageFile | None = None
    mask: ImageFile | None = None
    instance: ImageFile | None = None

    def scaled(self, scale: float) -> "FrameRecord":
        """The frame with its camera's position multiplied by ``scale``."""
        pose = self.world_from_cam.copy()
        pose[:3, 3] *= scale
        return dataclasses.replace(self, world_from_cam=pose)

    def downscaled(self, full: downscale.Size, to: downscale.Size) -> "FrameRecord":
        """The frame with its images of size ``full`` downscaled ``to`` another."""
        changes: dict[str, ImageFile] = {}
        special: dict[str, downscale.How] = {"rgb": "average", "mask": "all"}
        for field in dataclasses.fields(self):
            image = getattr(self, field.name)
            if isinstance(image, ImageFile):
                how = special.get(field.name, "sample")
                changes[field.name] = downscale.DownscaledImage(image, full, to, how)
        return dataclasses.replace(self, **changes)

    @property
    def images(self) -> list[ImageFile]:
        """All image files of the frame."""
        each = (
            *(self.rgb, self.depth, self.label),
            *(self.regions, self.mask, self.instance),
        )
        return [image for image in each if image is not None]


@dataclasses.dataclass(frozen=True)
class PoseFormat:
    """How the files of a layout write poses; readers have undone it.

    Attributes:
        opengl: Whether camera axes are OpenGL's (y up, z backward), not OpenCV's.
        inverse: Whether matrices are world-to-camera.
    """

    opengl: bool = False
    inverse: bool = False


@dataclasses.dataclass(frozen=True)
class Capture:
    """What a reader found on disk.

    Attributes:
        name: Name of the scene.
        sequences: Names of its sequences.
        frames: Lists the frames of a sequence, in order; raises `InputError`.
        camera: Intrinsics of images of a given width and height; raises `InputError`.
        depth_scale: Depth units per metre.
        classes: Names and ids without void, ordered by id.
        label_of_id: int16 ``[m]``, the label of every id of label images, as in
            `label_images.read_labels`. None: that of ``classes``, with 0 for void.
        union: The sequence that holds the frames of all others; None if none does.
        points: float32 ``[p 3]``, points on surfaces, metres, found together with the
            poses; None if there are none.
        doubts: What was left out or assumed, a line each; raises `InputError`.
        pose_format: How its files write poses, for messages about them.
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
    doubts: Callable[[], Sequence[str]] = tuple
    pose_format: PoseFormat = PoseFormat()

    @property
    def label_table(self) -> np.ndarray:
        """`label_of_id`, or the table of ``classes`` if that is None."""
        if self.label_of_id is None:
            return label_table(self.classes[1])
        return self.label_of_id

    def disjoint_sequences(self) -> dict[str, list[FrameRecord]]:
        """Sequences such that every frame is in exactly one; raises `InputError`."""
        errors, each = ErrorCollector(), {}
        for name in self.sequences:
            if name != self.union:
                with errors.catch():
                    each[name] = self.frames(name)
        errors.raise_any()
        if self.union is None:
            return each
        whole = self.frames(self.union)
        names = [record.name for records in each.values() for record in records]
        if len(names) == len(set(names)) == len(whole):
            return each
        return {self.union: whole}

    def with_union(self) -> "Capture":
        """The capture with a sequence `ALL` of all its frames."""
        if ALL in self.sequences:
            return self
        listed = functools.cache(self.frames)  # a sequence may be asked for twice

        def frames(name: str) -> list[FrameRecord]:
            if name != ALL:
                return listed(name)
            return [record for each in self.sequences for record in listed(each)]

        sequences = (*self.sequences, ALL)
        return dataclasses.replace(self, sequences=sequences, frames=frames, union=ALL)

    def scaled(self, scale: float) -> "Capture":
        """The capture in metres, where one unit of it is ``scale`` metres."""
        if scale == 1:
            return self
        points = None if self.points is None else self.points * np.float32(scale)
        return dataclasses.replace(
            self,
            frames=lambda sequence: [s.scaled(scale) for s in self.frames(sequence)],
            depth_scale=self.depth_scale / scale,
            points=points,
        )

    def downscaled(self, width: int) -> "Capture":
        """The capture with images of a width, pixels; raises `InputError`.

        Depth and labels are sampled up to half a pixel of the full images beside the
        new pixels' centres.
        """
        full = self.frames(self.sequences[0])[0].rgb.size()
        size = downscale.target_size(full, width=width)
        return dataclasses.replace(
            self,
            frames=lambda name: [s.downscaled(full, size) for s in self.frames(name)],
            camera=lambda *_: downscale.downscaled(self.camera(*full), size),
        )


def check_same_images(records: list[FrameRecord]) -> None:
    """Checks that depth, labels and regions are each there for all frames or for none.

    Raises:
        InputError: Naming a frame that lacks one and a frame that has it.
    """
    for what in ("depth", "label", "regions"):
        have = [getattr(record, what) is not None for record in records]
        if any(have) and not all(have):
            raise InputError(
                f"{records[have.index(False)].rgb.where}: has no {what} while "
                f"{records[have.index(True)].rgb.where} has; give all frames one, or"
                " none"
            )


def check_headers(records: list[FrameRecord]) -> tuple[int, int]:
    """Checks by their headers that all images are there and of one size.

    Args:
        records: At least one frame.

    Returns:
        Width and height, pixels.

    Raises:
        InputError: Naming the first image that is missing, malformed or of another
            size; the others are in `InputError.also`.
    """
    first = records[0].rgb
    size = first.size()
    errors = ErrorCollector()
    for record in records:
        for image in record.images:
            with errors.catch():
                width, height = image.size()
                if (width, height) != size:
                    raise InputError(
                        f"{image.where}: {width} x {height} pixels while"
                        f" {first.where} has {size[0]} x {size[1]}; give all images of"
                        " a capture one size"
                    )
    errors.raise_any()
    return size
