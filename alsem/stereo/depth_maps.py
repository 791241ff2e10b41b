"""Depth maps of a capture by stereo: measured, checked across views, kept in files."""

import concurrent.futures
import dataclasses
import io
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np

from alsem.core.files import replace_file
from alsem.core.types import Intrinsics
from alsem.data import downscale
from alsem.data.camera_models import camera_matrix
from alsem.data.scene import Frames
from alsem.stereo.agreement import agreeing_views
from alsem.stereo.plane_sweep import matching_cost
from alsem.stereo.scene_extent import SceneExtent
from alsem.stereo.semi_global import aggregate, cheapest_depth

# Baselines over the median depth: least, best and greatest, of the plane sweep.
BASELINES = (0.017, 0.12, 0.4)
MAX_DEGREES = 45.0  # between the viewing directions of a photograph and a neighbour
# Views that may confirm a depth: how many, how far over the median depth, how turned.
CONFIRMING = 12
CONFIRMING_REACH, CONFIRMING_DEGREES = 0.7, 60.0
PIXELS_PER_PLANE = 1.25  # by which planes move a pixel at the best baseline
PLANES = (32, 128)  # least and most
MEMORY = 2 << 30  # bytes that the costs of all threads may take, about
COPIES = 5  # of a photograph's costs, at a time


@dataclasses.dataclass(frozen=True)
class StereoOptions:
    """Stereo.

    Attributes:
        width: Photographs are downscaled to this width first, pixels; 0: as they are.
        frames: How many photographs get a depth map at most, evenly chosen.
        neighbours: How many others each is matched with.
        window: Width of the windows that are compared, pixels.
        agreeing: Views that must confirm a depth.
    """

    width: int = 400
    frames: int = 90
    neighbours: int = 8
    window: int = 5
    agreeing: int = 2


@dataclasses.dataclass(frozen=True, eq=False)
class StereoDepth:
    """Depth by stereo of some photographs.

    Attributes:
        frame: Indices of the photographs, int64 ``[r]``.
        depth_z: Depth along the optical axis, float32 ``[r h w]``, 0 where views do
            not agree.
        camera: Camera of the depth maps, ``h`` and ``w`` pixels.
    """

    frame: np.ndarray
    depth_z: np.ndarray
    camera: Intrinsics

    @property
    def coverage(self) -> float:
        """Fraction of the pixels with a depth."""
        return float((self.depth_z > 0).mean()) if self.depth_z.size else 0.0


def measure_depth(
    photos: Frames,
    camera: Intrinsics,
    extent: SceneExtent,
    options: StereoOptions,
    folder: Path,
    *,
    held_out: Sequence[int] | np.ndarray = (),
    track: Callable[[list[int]], Iterable[int]] = iter,
) -> StereoDepth:
    """Measures depth by plane sweep and semi-global matching, and checks it.

    Args:
        photos: The photographs.
        camera: Their camera.
        extent: Depths to search, and the unit that baselines are measured in.
        options: How.
        folder: Depth maps are kept here, one file each, before the check; those that
            exist are not measured again.
        held_out: Photographs that get a depth map beside those evenly chosen, but have
            no part in those of others: what is fitted to the others can be compared
            with them.
        track: Wraps the frames that are measured, for a progress bar; may raise.

    Raises:
        InputError: The folder cannot be written.
    """
    size = (camera.width, camera.height)
    if options.width and options.width < camera.width:
        size = downscale.target_size(size, width=options.width)
        camera = downscale.downscaled(camera, size)
    poses = photos.world_from_cam.astype(np.float64)
    grey = [_grey(image, size) for image in photos.rgb]
    step = -(-len(poses) // options.frames)
    chosen = sorted({*range(0, len(poses), step), *(int(i) for i in held_out)})
    planes = sweep_planes(extent, camera)
    is_fitted = ~np.isin(np.arange(len(poses)), held_out)

    def measure(frame: int) -> np.ndarray:
        others = neighbours(
            poses,
            frame,
            extent,
            most=options.neighbours,
            among=is_fitted if is_fitted[frame] else None,
        )
        if not others:
            return np.zeros((camera.height, camera.width), np.float32)
        cost = matching_cost(
            grey[frame],
            [grey[i] for i in others],
            camera_matrix(camera),
            [np.linalg.inv(poses[i]) @ poses[frame] for i in others],
            planes,
            window=options.window,
        )
        return cheapest_depth(aggregate(cost, grey[frame]), planes)

    costs = 4 * len(planes) * camera.height * camera.width * COPIES
    threads = max(1, min(os.cpu_count() or 1, MEMORY // costs))
    depth = np.stack(list(_each(measure, chosen, folder, track, threads)))
    if photos.valid_mask is not None:  # what is hidden moves, and confirms nothing
        shown = [downscale.all_of(photos.valid_mask[i], size) for i in chosen]
        depth[~np.stack(shown)] = 0.0
    checked = np.stack(
        [
            _checked(
                depth, poses, chosen, i, camera, extent, options.agreeing, is_fitted
            )
            for i in range(len(chosen))
        ]
    )
    return StereoDepth(np.asarray(chosen), checked, camera)


def sweep_planes(extent: SceneExtent, camera: Intrinsics) -> np.ndarray:
    """Inverse depths to search, evenly spaced from far to near.

    With 160 pixels of focal length, depths from 0.5 to 5 m about a median of 2 m and a
    best baseline of 0.24 m, pixels move by 160 * 0.24 * (2 - 0.2) = 69: 56 planes.
    """
    nearest, farthest = 1.0 / extent.near, 1.0 / extent.far
    baseline = BASELINES[1] * extent.middle
    moves = camera.fx * baseline * (nearest - farthest)
    num = int(np.clip(np.ceil(moves / PIXELS_PER_PLANE), *PLANES))
    return np.linspace(farthest, nearest, num)


def neighbours(
    poses: np.ndarray,
    frame: int,
    extent: SceneExtent,
    *,
    most: int,
    among: np.ndarray | None = None,
) -> list[int]:
    """Photographs to match one with: near the best baseline, and apart themselves.

    Args:
        poses: Of all photographs, ``[n 4 4]``.
        frame: The one.
        extent: What baselines are measured in.
        most: How many at most.
        among: bool ``[n]``, those that may be chosen; None for all.
    """
    least, best, greatest = (b * extent.middle for b in BASELINES)
    apart, degrees = _relative(poses, frame)
    fits = (apart > least) & (apart < greatest) & (degrees < MAX_DEGREES)
    fits &= True if among is None else among
    misfit = np.abs(np.log(np.maximum(apart, least) / best)) + degrees / 40.0
    places, found = poses[:, :3, 3], []
    for i in np.argsort(np.where(fits, misfit, np.inf), kind="stable"):
        if not fits[i] or len(found) == most:
            break
        if all(np.linalg.norm(places[i] - places[k]) > least for k in found):
            found.append(int(i))
    return found


def _relative(poses: np.ndarray, frame: int) -> tuple[np.ndarray, np.ndarray]:
    """Distances of all cameras from one, and angles of their views to its, degrees."""
    apart = np.linalg.norm(poses[:, :3, 3] - poses[frame, :3, 3], axis=1)
    cosine = poses[:, :3, 2] @ poses[frame, :3, 2]
    return apart, np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))


def _grey(rgb: np.ndarray, size: downscale.Size) -> np.ndarray:
    small = downscale.area_average(rgb, size)
    return cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32)


def _each(
    measure: Callable[[int], np.ndarray],
    chosen: list[int],
    folder: Path,
    track: Callable[[list[int]], Iterable[int]],
    threads: int,
) -> Iterable[np.ndarray]:
    """Depth maps from files, or measured by threads, in order."""

    def keep(frame: int) -> None:
        buffer = io.BytesIO()
        np.save(buffer, measure(frame))
        replace_file(_path(folder, frame), buffer.getvalue())

    todo = [frame for frame in chosen if not _path(folder, frame).exists()]
    # Threads, not processes: OpenCV and NumPy release the interpreter lock.
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        running = {frame: pool.submit(keep, frame) for frame in todo}
        try:
            for frame in track(todo):
                running[frame].result()
        finally:
            pool.shutdown(cancel_futures=True)
    return [np.load(_path(folder, frame)) for frame in chosen]


def _path(folder: Path, frame: int) -> Path:
    return folder / f"depth_{frame}.npy"


def _checked(
    depth: np.ndarray,
    poses: np.ndarray,
    chosen: list[int],
    index: int,
    camera: Intrinsics,
    extent: SceneExtent,
    agreeing: int,
    is_fitted: np.ndarray,
) -> np.ndarray:
    """A depth map without what too few views confirm."""
    frame = chosen[index]
    apart, degrees = _relative(poses[chosen], index)
    fits = (apart > 0) & (apart < CONFIRMING_REACH * extent.middle)
    fits &= degrees < CONFIRMING_DEGREES
    if is_fitted[frame]:
        fits &= is_fitted[chosen]
    wanted = np.abs(np.log(np.maximum(apart, 1e-9) / (0.17 * extent.middle)))
    order = np.argsort(np.where(fits, wanted + degrees / 40.0, np.inf), kind="stable")
    others = [i for i in order[:CONFIRMING] if fits[i]]
    count = agreeing_views(
        depth[index],
        poses[frame],
        [(depth[i], poses[chosen[i]]) for i in others],
        camera,
    )
    return np.where(count >= agreeing, depth[index], 0.0).astype(np.float32)
