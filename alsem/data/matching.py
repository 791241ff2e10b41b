"""Matches photographs of known poses: SIFT keypoints, epipolar errors, triangulation.

Cameras are matrices ``[3 3]`` (`camera_models.camera_matrix`), pixel centres have
integer coordinates, and ``b_from_a`` ``[4 4]`` is the pose of camera a as seen by
camera b: ``inv(world_from_b) @ world_from_a``, OpenCV axes.
"""

from typing import Any

import cv2
import numpy as np

MAX_KEYPOINTS = 1500  # of one photograph, the strongest
RATIO = 0.75  # of the nearest descriptor's distance to the second nearest's
_PARALLEL = 1e-12  # squared sine below which two rays count as parallel


def keypoints(
    image: np.ndarray,
    *,
    limit: int = MAX_KEYPOINTS,
    mask: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Detects SIFT keypoints (Lowe, IJCV 2004).

    Args:
        image: uint8 ``[h w 3]`` or ``[h w]``.
        limit: At most so many, those of the greatest contrast.
        mask: bool ``[h w]``, where they may lie; None for everywhere.

    Returns:
        Column and row of each, float64 ``[k 2]``, pixels, and descriptors, float32
        ``[k 128]``, of RootSIFT: compare them by Euclidean distance.
    """
    grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    sift: Any = cv2.SIFT.create(limit)
    shown = None if mask is None else mask.astype(np.uint8)
    found, descriptors = sift.detectAndCompute(grey, shown)
    if descriptors is None or not len(found):
        return np.zeros((0, 2)), np.zeros((0, 128), np.float32)
    sums = np.maximum(descriptors.sum(axis=1, keepdims=True), 1e-12)
    roots = np.sqrt(descriptors / sums).astype(np.float32)
    return np.array([point.pt for point in found], np.float64), roots


def match(a: np.ndarray, b: np.ndarray, *, ratio: float = RATIO) -> np.ndarray:
    """Pairs descriptors that are each other's nearest and pass Lowe's ratio test.

    Args:
        a: Descriptors of one photograph, ``[k d]``.
        b: Those of the other, ``[l d]``.
        ratio: Greatest ratio of the distances to the nearest and second nearest.

    Returns:
        Indices into ``a`` and ``b``, intp ``[m 2]``.
    """
    if len(a) < 2 or len(b) < 2:
        return np.zeros((0, 2), np.intp)
    dots = a @ b.T
    squares = (a * a).sum(1)[:, None] + (b * b).sum(1)[None] - 2 * dots
    nearest = squares.argmin(axis=1)
    rows = np.arange(len(a))
    best, second = np.partition(squares, 1, axis=1)[:, :2].T
    kept = squares.argmin(axis=0)[nearest] == rows
    kept &= np.maximum(best, 0) < ratio**2 * second
    return np.stack([rows[kept], nearest[kept]], axis=1)


def essential_matrix(b_from_a: np.ndarray) -> np.ndarray:
    """Essential matrices ``[*b 3 3]`` of relative poses ``[*b 4 4]``, of any norm.

    Rays ``x_a`` and ``x_b`` through one point satisfy ``x_b^T E x_a = 0`` (Hartley and
    Zisserman, Multiple View Geometry, eq. 9.12).
    """
    x, y, z = np.moveaxis(b_from_a[..., :3, 3], -1, 0)
    nothing = np.zeros_like(x)
    rows = [[nothing, -z, y], [z, nothing, -x], [-y, x, nothing]]
    cross = np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)
    return cross @ b_from_a[..., :3, :3]


def epipolar_error(
    xy_a: np.ndarray,
    xy_b: np.ndarray,
    camera_a: np.ndarray,
    camera_b: np.ndarray,
    b_from_a: np.ndarray,
) -> np.ndarray:
    """Distances of matches from agreeing with a relative pose, ``[m]``, pixels.

    Sampson's first-order geometric error (Hartley and Zisserman, eq. 11.9): about the
    distance by which the two pixels must move together so that their rays meet. NaN
    where the two cameras stand in one place, for which all pixels agree.

    Args:
        xy_a: Pixels of one photograph, ``[m 2]``.
        xy_b: The matching pixels of the other, ``[m 2]``.
        camera_a: Its camera, ``[3 3]``, or one a match, ``[m 3 3]``.
        camera_b: The other's, likewise.
        b_from_a: Relative pose, ``[4 4]``, or one a match, ``[m 4 4]``.
    """
    a, b = _homogeneous(xy_a), _homogeneous(xy_b)
    inverse_b = np.swapaxes(np.linalg.inv(camera_b), -1, -2)
    fundamental = inverse_b @ essential_matrix(b_from_a) @ np.linalg.inv(camera_a)
    line_b = (fundamental @ a[..., None])[..., 0]
    line_a = (np.swapaxes(fundamental, -1, -2) @ b[..., None])[..., 0]
    slopes = np.hypot(np.hypot(*line_a[:, :2].T), np.hypot(*line_b[:, :2].T))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.abs((b * line_b).sum(axis=1)) / slopes


def triangulate(
    xy_a: np.ndarray,
    xy_b: np.ndarray,
    camera_a: np.ndarray,
    camera_b: np.ndarray,
    b_from_a: np.ndarray,
) -> np.ndarray:
    """Points midway between the rays of matches where these pass most closely.

    Args:
        xy_a: As of `epipolar_error`.
        xy_b: Likewise.
        camera_a: Likewise.
        camera_b: Likewise.
        b_from_a: Likewise.

    Returns:
        Points in a's axes, ``[m 3]``; behind a camera where the rays part. Infinite or
        NaN for parallel rays.
    """
    rotation = b_from_a[..., :3, :3]
    origin = -(np.swapaxes(rotation, -1, -2) @ b_from_a[..., :3, 3:])[..., 0]
    a, b = rays(xy_a, camera_a), rays(xy_b, camera_b)
    b = (b[:, None] @ rotation)[:, 0]  # into a's axes
    cosine = (a * b).sum(axis=1)
    along_a, along_b = (a * origin).sum(axis=-1), (b * origin).sum(axis=-1)
    sine2 = 1 - cosine**2
    with np.errstate(invalid="ignore", divide="ignore"):
        sine2 = np.where(sine2 > _PARALLEL, sine2, 0.0)
        reach_a = (along_a - cosine * along_b) / sine2
        reach_b = (cosine * along_a - along_b) / sine2
        return (a * reach_a[:, None] + b * reach_b[:, None] + origin) / 2


def _homogeneous(xy: np.ndarray) -> np.ndarray:
    return np.c_[xy, np.ones(len(xy))]


def rays(xy: np.ndarray, camera: np.ndarray) -> np.ndarray:
    """Unit directions ``[m 3]`` of pixels, camera axes."""
    rays = (np.linalg.inv(camera) @ _homogeneous(xy)[..., None])[..., 0]
    return rays / np.linalg.norm(rays, axis=1, keepdims=True)


def typical_distance(world_from_cam: np.ndarray) -> float:
    """Median distance between two of the cameras ``[n 4 4]``; 0 for a single one."""
    places = world_from_cam[:: max(len(world_from_cam) // 200, 1), :3, 3]
    apart = np.linalg.norm(places[:, None] - places[None], axis=-1)
    return (
        float(np.median(apart[np.triu_indices(len(places), 1)]))
        if len(places) > 1
        else 0.0
    )


def neighbour_pairs(
    world_from_cam: np.ndarray,
    *,
    per_frame: int = 4,
    max_degrees: float = 45.0,
    min_baseline: float | None = None,
) -> list[tuple[int, int]]:
    """Chooses pairs of frames that see the same surfaces from different places.

    Args:
        world_from_cam: ``[n 4 4]``.
        per_frame: Partners of each frame: the nearest that qualify.
        max_degrees: Greatest angle between their viewing directions.
        min_baseline: Least distance between their cameras, in the poses' unit; a 30th
            of `typical_distance` if not given.

    Returns:
        Pairs (i, j) with i < j, each once, in order.
    """
    places, views = world_from_cam[:, :3, 3], world_from_cam[:, :3, 2]
    if min_baseline is None:
        min_baseline = typical_distance(world_from_cam) / 30
    pairs = set()
    for i in range(len(places)):
        apart = np.linalg.norm(places - places[i], axis=1)
        fits = views @ views[i] >= np.cos(np.radians(max_degrees))
        fits &= (apart >= min_baseline) & (apart > 0)
        at = np.flatnonzero(fits)
        nearest = at[np.argsort(apart[at], kind="stable")][:per_frame]
        pairs |= {(min(i, int(j)), max(i, int(j))) for j in nearest}
    return sorted(pairs)
