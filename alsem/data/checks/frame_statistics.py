"""Statistics of single frames, in memory that does not grow with the image size."""

import concurrent.futures
import dataclasses
import hashlib
import os
from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from alsem.core.errors import ErrorCollector, InputError
from alsem.data.camera_models import pixel_directions
from alsem.data.capture import Capture, FrameRecord
from alsem.data.depth_images import without_nothing
from alsem.data.label_images import read_labels
from alsem.data.sharpness import sharpness

THUMBNAIL_SIZE = 160  # pixels along the longer side
MAX_THUMBNAILS = 24  # of evenly spaced frames
MAX_POINTS = 300  # kept of a frame's depth


@dataclasses.dataclass(frozen=True, eq=False)
class FrameStatistics:
    """Statistics of one frame.

    Attributes:
        name: Name of the frame.
        rgb_hash: SHA-256 of the photograph's pixels.
        brightness: Mean of the grey photograph, 0 to 1.
        sharpness: Variance of the Laplacian of the grey photograph.
        masked: Fraction of pixels that a mask hides.
        depth_missing: Fraction of the other pixels without depth; NaN without an image.
        depth_nothing: Fraction of all pixels with a value that stands for no depth.
        depth_range: Least and greatest depth, metres; NaN without any.
        label_counts: int64 ``[c + 1]``, pixels of void and of each class; None without
            labels.
        thumbnail: uint8 ``[h w 3]``; None for frames that get none.
        points: float32 ``[p 3]``, some points of its depth, world frame, metres.
    """

    name: str
    rgb_hash: bytes
    brightness: float
    sharpness: float
    masked: float
    depth_missing: float
    depth_nothing: float
    depth_range: tuple[float, float]
    label_counts: np.ndarray | None
    thumbnail: np.ndarray | None
    points: np.ndarray


def read_statistics(
    capture: Capture, records: Sequence[FrameRecord], errors: ErrorCollector
) -> Iterator[FrameStatistics | None]:
    """Computes the statistics of frames, in order; None where one cannot be read.

    Args:
        capture: The capture of the frames.
        records: The frames.
        errors: Collects what is wrong with them.
    """
    label_of_id, every = capture.label_table, -(-len(records) // MAX_THUMBNAILS)

    def read(i: int, record: FrameRecord) -> FrameStatistics | InputError:
        try:
            with_thumbnail = i % every == 0
            return _statistics(capture, record, label_of_id, with_thumbnail)
        except InputError as error:
            return error

    with concurrent.futures.ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for result in pool.map(read, range(len(records)), records):
            with errors.catch():
                if isinstance(result, InputError):
                    raise result
            yield None if isinstance(result, InputError) else result


def _statistics(
    capture: Capture,
    record: FrameRecord,
    label_of_id: np.ndarray,
    with_thumbnail: bool,
) -> FrameStatistics:
    rgb = record.rgb.read()
    height, width = rgb.shape[:2]
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    valid_mask = np.ones((height, width), bool)
    if record.mask is not None:
        valid_mask = record.mask.read() > 0
    nan = float("nan")
    depth_z, depth_missing, depth_range, depth_nothing = None, nan, (nan, nan), 0.0
    if record.depth is not None:
        raw = record.depth.read()
        depth_z = without_nothing(raw)
        nothing = valid_mask & (depth_z == 0) & (raw != 0)
        depth_nothing = float(nothing.mean())
        depth_z = depth_z / capture.depth_scale
        known = valid_mask & (depth_z > 0)
        depth_missing = 1 - known.sum() / max(valid_mask.sum(), 1)
        if known.any():
            depth_range = (float(depth_z[known].min()), float(depth_z[known].max()))
        depth_z = np.where(known, depth_z, 0)
    counts = None
    if record.label is not None:
        label = np.where(valid_mask, read_labels(record.label, label_of_id), -1)
        counts = np.bincount(label.ravel() + 1, minlength=len(capture.classes[0]) + 1)
    return FrameStatistics(
        name=record.name,
        rgb_hash=hashlib.sha256(rgb.tobytes()).digest(),
        brightness=float(grey.mean() / 255),
        sharpness=sharpness(rgb),
        masked=float(1 - valid_mask.mean()),
        depth_missing=float(depth_missing),
        depth_nothing=depth_nothing,
        depth_range=depth_range,
        label_counts=counts,
        thumbnail=_thumbnail(rgb) if with_thumbnail else None,
        points=_points(capture, record, depth_z),
    )


def _thumbnail(rgb: np.ndarray) -> np.ndarray:
    height, width = rgb.shape[:2]
    scale = THUMBNAIL_SIZE / max(height, width)
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    return cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)


def _points(
    capture: Capture, record: FrameRecord, depth_z: np.ndarray | None
) -> np.ndarray:
    if depth_z is None:
        return np.zeros((0, 3), np.float32)
    row, col = np.nonzero(depth_z)
    step = max(len(row) // MAX_POINTS, 1)
    row, col = row[::step][:MAX_POINTS], col[::step][:MAX_POINTS]
    camera = capture.camera(depth_z.shape[1], depth_z.shape[0])
    in_cam = pixel_directions(camera, col, row) * depth_z[row, col][:, None]
    pose = record.world_from_cam
    return (in_cam @ pose[:3, :3].T + pose[:3, 3]).astype(np.float32)
