"""One look at every frame: a few numbers of each, and nothing that grows with it."""

import concurrent.futures
import dataclasses
import hashlib
import os
from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from alsem.core.errors import ErrorCollector, InputError
from alsem.data.capture import Capture, read_labels
from alsem.data.frame_records import FrameRecord
from alsem.data.resampling import directions

THUMBNAIL = 160  # pixels along its longer side
THUMBNAILS = 24  # at most so many frames have one, evenly chosen
CLOUD = 300  # points kept of a frame's depth


@dataclasses.dataclass(frozen=True, eq=False)
class FrameStatistics:
    """What one frame holds.

    Attributes:
        name: Its name.
        rgb_hash: Same for photographs of the same pixels.
        brightness: Mean over the photograph, 0 to 1.
        sharpness: Variance of the Laplacian of the grey photograph.
        hidden: Share of its pixels that a mask hides.
        holes: Share of the others without depth; NaN without any.
        depth: Least and greatest depth, metres; NaN without any.
        labels: int64 ``[c + 1]``, pixels of void and of each class; None if there are
            no labels.
        thumbnail: uint8 ``[h w 3]``; None of frames that are not pictured.
        cloud: float32 ``[p 3]``, some points of its depth, world.
    """

    name: str
    rgb_hash: bytes
    brightness: float
    sharpness: float
    hidden: float
    holes: float
    depth: tuple[float, float]
    labels: np.ndarray | None
    thumbnail: np.ndarray | None
    cloud: np.ndarray


def glances(
    capture: Capture, records: Sequence[FrameRecord], troubles: ErrorCollector
) -> Iterator[FrameStatistics | None]:
    """Looks at all frames in their order; None where one cannot be read.

    Args:
        capture: That they are of.
        records: The frames.
        troubles: Where what is wrong with them is noted.
    """
    table, every = capture.table, -(-len(records) // THUMBNAILS)

    def look(i: int, record: FrameRecord) -> FrameStatistics | InputError:
        try:
            return _glance(capture, record, table, is_pictured=i % every == 0)
        except InputError as error:
            return error

    with concurrent.futures.ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for found in pool.map(look, range(len(records)), records):
            with troubles.caught():
                if isinstance(found, InputError):
                    raise found
                yield found
                continue
            yield None


def _glance(
    capture: Capture, record: FrameRecord, table: np.ndarray, *, is_pictured: bool
) -> FrameStatistics:
    rgb = record.rgb.read()
    height, width = rgb.shape[:2]
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    valid_mask = np.ones((height, width), bool)
    if record.mask is not None:
        valid_mask = record.mask.read() > 0
    depth_z, holes, ends = None, float("nan"), (float("nan"), float("nan"))
    if record.depth is not None:
        depth_z = record.depth.read() / capture.depth_scale
        known = valid_mask & (depth_z > 0)
        holes = 1 - known.sum() / max(valid_mask.sum(), 1)
        if known.any():
            ends = (float(depth_z[known].min()), float(depth_z[known].max()))
        depth_z = np.where(known, depth_z, 0)
    counts = None
    if record.label is not None:
        label = np.where(valid_mask, read_labels(record.label, table), -1)
        counts = np.bincount(label.ravel() + 1, minlength=len(capture.classes[0]) + 1)
    return FrameStatistics(
        name=record.name,
        rgb_hash=hashlib.sha256(rgb.tobytes()).digest(),
        brightness=float(grey.mean() / 255),
        sharpness=float(cv2.Laplacian(grey, cv2.CV_32F).var()),
        hidden=float(1 - valid_mask.mean()),
        holes=float(holes),
        depth=ends,
        labels=counts,
        thumbnail=_thumbnail(rgb) if is_pictured else None,
        cloud=_cloud(capture, record, depth_z),
    )


def _thumbnail(rgb: np.ndarray) -> np.ndarray:
    height, width = rgb.shape[:2]
    scale = THUMBNAIL / max(height, width)
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    return cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)


def _cloud(
    capture: Capture, record: FrameRecord, depth_z: np.ndarray | None
) -> np.ndarray:
    if depth_z is None:
        return np.zeros((0, 3), np.float32)
    row, col = np.nonzero(depth_z)
    step = max(len(row) // CLOUD, 1)
    row, col = row[::step][:CLOUD], col[::step][:CLOUD]
    camera = capture.camera(depth_z.shape[1], depth_z.shape[0])
    in_cam = directions(camera, col, row) * depth_z[row, col][:, None]
    pose = record.world_from_cam
    return (in_cam @ pose[:3, :3].T + pose[:3, 3]).astype(np.float32)
