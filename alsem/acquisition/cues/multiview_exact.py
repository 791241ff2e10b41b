"""Exact multi-view statistics: every candidate projected into every view.

The same quantities as `multiview`, by definition in place of through voxels: where the
ray of the pixel that a candidate's point falls on ends at the same place, that ray's
prediction is the view's. The work is views times candidates: for small scenes and for
tests (``active.exact_views=True``).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from alsem.acquisition.candidates import Candidates
from alsem.acquisition.cues.depth_consistency import (
    Cameras,
    PixelOffset,
    depth_window,
    reproject,
)
from alsem.acquisition.cues.multiview import ViewMeans
from alsem.acquisition.cues.table import build_cues
from alsem.core.arrays import Array, Bool, Float, Int
from alsem.core.numerics import safe_log
from alsem.core.pytrees import pytree
from alsem.core.types import Intrinsics

CHUNK = 1 << 14  # candidates of one call


@pytree
class ExactViews:
    """Multi-view statistics of every candidate, one row each; the last row is zero.

    Attributes:
        cues: Multi-view cues by name, as `groups.view_cues` has them per voxel.
        num_views: Views whose ray ends at the same place, the candidate's own among
            them; 0 where it is not valid.
        consistency: Of the conclusive views, the fraction whose depth agrees.
    """

    cues: dict[str, Array]
    num_views: Int[Array, "rows"]
    consistency: Float[Array, "rows"]


class _Pool(NamedTuple):
    """A pool by frame and pixel: ``f`` views of ``p`` pixels."""

    world_from_cam: Array
    window: Array  # [f h w 4]
    probs: Array  # [f p c]
    log_probs: Array  # [f p c]
    is_valid: Array  # [f p]


def exact_views(
    candidates: Candidates,
    cameras: Cameras,
    probs: Float[Array | np.ndarray, "n c"],
    *,
    chunk: int = CHUNK,
) -> ExactViews:
    """Multi-view statistics of every candidate, by projecting it into all views.

    A candidate's own view counts with its own prediction and always agrees.

    Args:
        candidates: The whole pool in order: frame by frame, row by row.
        cameras: Its views, with their depth.
        probs: Class probabilities predicted for the ray of every candidate.
        chunk: Candidates of one call.

    Raises:
        ValueError: If the pool is not in order, or the cameras have no depth.
    """
    camera = cameras.intrinsics
    per_frame = camera.width * camera.height
    frame = np.repeat(np.arange(len(cameras), dtype=np.int32), per_frame)
    if not np.array_equal(candidates.frame, frame):
        raise ValueError(
            f"{len(candidates)} candidates are not the {len(cameras)} whole frames of"
            f" {camera.height} x {camera.width} pixels in order"
        )
    if cameras.depth_z is None:
        raise ValueError("exact multi-view statistics need the depth of the views")
    num = len(candidates)
    by_frame = jnp.asarray(probs, jnp.float32).reshape(len(cameras), per_frame, -1)
    pool = _Pool(
        world_from_cam=jnp.asarray(cameras.world_from_cam, jnp.float32),
        window=jax.vmap(depth_window)(jnp.asarray(cameras.depth_z, jnp.float32)),
        probs=by_frame,
        log_probs=safe_log(by_frame),
        is_valid=jnp.asarray(candidates.is_valid).reshape(len(cameras), per_frame),
    )
    points = np.where(candidates.is_valid[:, None], candidates.x_world, 0.0)
    points = points.astype(np.float32)
    parts = []
    for start in range(0, num, chunk):
        ids = np.minimum(np.arange(start, start + chunk), num - 1).astype(np.int32)
        part = _project_into_all(
            pool,
            jnp.asarray(points[ids]),
            jnp.asarray(ids),
            intrinsics=camera,
            pixel_offset=cameras.pixel_offset,
        )
        parts.append(jax.tree.map(np.asarray, part))

    def whole(*leaves: np.ndarray) -> np.ndarray:
        rows = np.concatenate(leaves)[:num]
        rows[~candidates.is_valid] = 0
        return np.concatenate([rows, np.zeros_like(rows[:1])])

    return jax.tree.map(whole, *parts)


@jax.jit
def _project_into_all(
    pool: _Pool,
    points: Float[Array, "r 3"],
    ids: Int[Array, "r"],
    *,
    intrinsics: Intrinsics,
    pixel_offset: PixelOffset,
) -> ExactViews:
    """Projects some candidates into all views, one view after the other."""
    per_frame, num_classes = pool.probs.shape[1:]
    num = len(ids)

    def add_view(sums: tuple[Array, ...], view: tuple[_Pool, Array]):
        pool_view, number = view
        is_own = ids // per_frame == number
        found = reproject(
            points,
            pool_view.world_from_cam,
            pool_view.window,
            intrinsics=intrinsics,
            pixel_offset=pixel_offset,
        )
        pixel = jnp.where(is_own, ids % per_frame, found.pixel)
        same_place = is_own | (found.hits & pool_view.is_valid[pixel])
        agrees = found.agrees | is_own
        probs, logs, views, agree, conclusive = sums
        return (
            probs + _where(same_place, pool_view.probs[pixel]),
            logs + _where(same_place, pool_view.log_probs[pixel]),
            views + same_place.astype(jnp.int32),
            agree + agrees.astype(jnp.int32),
            conclusive + (agrees | found.sees_through).astype(jnp.int32),
        ), None

    none = jnp.zeros(num, jnp.int32)
    empty = jnp.zeros((num, num_classes))
    numbers = jnp.arange(len(pool.probs), dtype=jnp.int32)
    sums, _ = jax.lax.scan(add_view, (empty, empty, none, none, none), (pool, numbers))
    probs, logs, views, agree, conclusive = sums
    # The own view is always there: nothing is divided by zero.
    fraction = 1.0 / views.astype(jnp.float32)[:, None]
    means = ViewMeans(probs=probs * fraction, log_probs=logs * fraction)
    return ExactViews(
        cues=build_cues("views", means),
        num_views=views,
        consistency=agree.astype(jnp.float32) / conclusive.astype(jnp.float32),
    )


def _where(condition: Bool[Array, "r"], rows: Float[Array, "r c"]) -> Array:
    return jnp.where(condition[:, None], rows, 0.0)
