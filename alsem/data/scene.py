"""A scene in memory, and its ground truth kept apart from it.

Why two types: code that gets a `Scene` has no access to labels or to the depth of test
frames, so no score, model or cache can use them by mistake.
"""

import dataclasses
import hashlib

import numpy as np

from alsem.core.types import Intrinsics
from alsem.data.image_io import ImageFile


@dataclasses.dataclass(frozen=True, eq=False)
class Frames:
    """Posed photographs of one size.

    Attributes:
        names: ``n`` stable names such as ``"Sequence_1/12"``.
        rgb: ``[n h w 3]`` uint8, sRGB.
        world_from_cam: ``[n 4 4]`` float32, metres, OpenCV axes (x right, y down,
            z forward).
        depth_z: ``[n h w]`` float32, metres along the optical axis, 0 = unknown;
            None without depth.
        regions: ``[n h w]`` int32, the user's own regions: ids that are unique within
            one image, 0 = in no region; None unless requested.
        valid_mask: ``[n h w]`` bool, False for pixels that are neither trained on nor
            queried nor scored; None if all are valid.
        photographs: The ``n`` photographs as this camera sees them, at their full size
            and not decoded; empty if there are none.
    """

    names: tuple[str, ...]
    rgb: np.ndarray
    world_from_cam: np.ndarray
    depth_z: np.ndarray | None
    regions: np.ndarray | None = None
    valid_mask: np.ndarray | None = None
    photographs: tuple[ImageFile, ...] = ()

    def __post_init__(self) -> None:
        """Checks shapes and dtypes."""
        n, (h, w) = len(self.names), self.rgb.shape[1:3]
        if len(set(self.names)) != n:
            raise ValueError("frame names repeat")
        _check("rgb", self.rgb, (n, h, w, 3), np.uint8)
        _check("world_from_cam", self.world_from_cam, (n, 4, 4), np.float32)
        _check("depth_z", self.depth_z, (n, h, w), np.float32)
        _check("regions", self.regions, (n, h, w), np.int32)
        _check("valid_mask", self.valid_mask, (n, h, w), np.bool_)

    def scaled(self, scale: float) -> "Frames":
        """The frames in a unit of which one of theirs is ``scale``."""
        poses = self.world_from_cam.copy()
        poses[:, :3, 3] *= np.float32(scale)
        depth_z = None if self.depth_z is None else self.depth_z * np.float32(scale)
        return dataclasses.replace(self, world_from_cam=poses, depth_z=depth_z)


@dataclasses.dataclass(frozen=True, eq=False)
class Photographs:
    """Frames that geometry is fitted to, with their camera.

    Attributes:
        frames: The frames; those of the pool come first, in the pool's order.
        intrinsics: Their camera.
        pixel_offset: As that of `Scene`.
    """

    frames: Frames
    intrinsics: Intrinsics
    pixel_offset: tuple[float, float]


@dataclasses.dataclass(frozen=True, eq=False)
class Scene:
    """Everything about a capture that needs no annotator.

    Attributes:
        name: Name of the scene.
        intrinsics: Camera of the images, after downscaling.
        pixel_offset: (row, column) offset from a pixel's centre of the point at which
            its depth and label were sampled, pixels.
        train: The frames whose pixels form the pool.
        test: The frames to evaluate on; without depth, which is ground truth here.
        class_names: ``C`` names without void; a label is an index into them.
        class_ids: The capture's own ids of the classes, same order.
        points: ``[p 3]`` float32, points on surfaces, metres, found together with the
            poses; None if there are none.
        doubts: What of the capture was left out or assumed, a line each.
        geometry_frames: What geometry is fitted to; None where that is ``train``.
        is_metric: Whether lengths are known to be metres.
    """

    name: str
    intrinsics: Intrinsics
    pixel_offset: tuple[float, float]
    train: Frames
    test: Frames
    class_names: tuple[str, ...]
    class_ids: tuple[int, ...]
    points: np.ndarray | None = None
    doubts: tuple[str, ...] = ()
    geometry_frames: Photographs | None = None
    is_metric: bool = True

    def __post_init__(self) -> None:
        """Checks that the parts fit together."""
        size = (self.intrinsics.height, self.intrinsics.width)
        for split, frames in (("train", self.train), ("test", self.test)):
            if frames.rgb.shape[1:3] != size:
                raise ValueError(
                    f"{split} images are {frames.rgb.shape[1:3]}, intrinsics {size}"
                )
        if self.test.depth_z is not None:
            raise ValueError("depth of test frames belongs to GroundTruth")
        if len(self.class_names) != len(self.class_ids):
            raise ValueError("class_names and class_ids differ in length")
        for field in (self.class_names, self.class_ids):
            if len(set(field)) != len(field):
                raise ValueError(f"classes repeat: {field}")

    @property
    def pool(self) -> Photographs:
        """The training frames with their camera."""
        return Photographs(self.train, self.intrinsics, self.pixel_offset)

    @property
    def geometry_photographs(self) -> Photographs:
        """What geometry is fitted to."""
        return self.pool if self.geometry_frames is None else self.geometry_frames

    def scaled(self, scale: float) -> "Scene":
        """The scene in metres, where one unit of it is ``scale`` metres."""
        points, photos = self.points, self.geometry_frames
        if photos is not None:
            photos = dataclasses.replace(photos, frames=photos.frames.scaled(scale))
        return dataclasses.replace(
            self,
            train=self.train.scaled(scale),
            test=self.test.scaled(scale),
            points=None if points is None else points * np.float32(scale),
            geometry_frames=photos,
        )

    def fingerprint(self) -> str:
        """Hashes all data that geometry is fitted to, and the pool's.

        Returns:
            SHA-256 in hexadecimal over images, depth, poses and masks, points,
            intrinsics and pixel offsets. Classes and test frames do not count, so runs
            that differ in those may share fitted geometry.
        """
        digest = hashlib.sha256()
        arrays: list[np.ndarray | None] = [self.points]
        for each in (self.pool, self.geometry_frames):
            if each is None:
                continue
            digest.update(repr(dataclasses.astuple(each.intrinsics)).encode())
            digest.update(repr(each.pixel_offset).encode())
            frames = each.frames
            arrays += [frames.rgb, frames.depth_z, frames.world_from_cam]
            arrays += [frames.valid_mask]
        for array in arrays:
            if array is None:
                digest.update(b"none")
                continue
            digest.update(f"{array.dtype.str}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()


@dataclasses.dataclass(frozen=True, eq=False)
class GroundTruth:
    """Labels and test depth, for the simulated annotator and the evaluator only.

    Attributes:
        train_labels: ``[n h w]`` int16 label index, -1 = void; None if unlabelled.
        test_labels: ``[m h w]`` int16, likewise.
        test_depth_z: ``[m h w]`` float32 metres along the optical axis, 0 = unknown;
            None if the test frames have no depth.
    """

    train_labels: np.ndarray | None
    test_labels: np.ndarray | None
    test_depth_z: np.ndarray | None

    def scaled(self, scale: float) -> "GroundTruth":
        """Likewise of depth, see `Scene.scaled`."""
        depth_z = self.test_depth_z
        if depth_z is not None:
            depth_z = depth_z * np.float32(scale)
        return dataclasses.replace(self, test_depth_z=depth_z)

    def __post_init__(self) -> None:
        """Checks shapes and dtypes."""
        for name, dtype in (
            ("train_labels", np.int16),
            ("test_labels", np.int16),
            ("test_depth_z", np.float32),
        ):
            array = getattr(self, name)
            if array is not None:
                if array.ndim != 3:
                    raise ValueError(f"{name} has {array.ndim} axes, expected [n h w]")
                _check(name, array, array.shape, dtype)
        if self.test_labels is not None and self.test_depth_z is not None:
            _check(
                "test_depth_z", self.test_depth_z, self.test_labels.shape, np.float32
            )


def _check(
    name: str, array: np.ndarray | None, shape: tuple[int, ...], dtype: type
) -> None:
    if array is not None and (array.shape != shape or array.dtype != dtype):
        raise ValueError(
            f"{name} is {array.dtype}{list(array.shape)}, "
            f"expected {np.dtype(dtype)}{list(shape)}"
        )
