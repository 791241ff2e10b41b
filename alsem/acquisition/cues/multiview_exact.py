"""The pairwise twin of `views`: every candidate looked up in every other view.

By definition and not through voxels: a candidate's point is projected into each view,
and where the ray of the pixel it falls on ends at the same place, that ray's belief
is what the view believes. Views times candidates of work: for small scenes, for
tests, and for whoever wants it (``active.exact_views=True``).
"""

import functools
from typing import NamedTuple

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from alsem.acquisition.candidates import Candidates
from alsem.acquisition.cues.depth_consistency import Cameras, depth_window, look
from alsem.acquisition.cues.multiview import ViewPredictions, entropy
from alsem.core.arrays import Array, Bool, Float, Int, Leaf
from alsem.core.numerics import safe_log
from alsem.core.types import Intrinsics

CHUNK = 1 << 14  # candidates of one call


@flax.struct.dataclass
class ExactViews:
    """What the views say of every candidate; the last row is nobody's and zero.

    Attributes:
        beliefs: ViewBeliefs with one row a candidate in place of one a voxel.
        num_views: int32 ``[n+1]`` views whose ray ends at the same place, the
            candidate's own among them; 0 where it is not valid.
        consistency: float32 ``[n+1]`` of the views that can tell, the share whose
            depth agrees.
    """

    beliefs: ViewPredictions
    num_views: Leaf
    consistency: Leaf


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
    """Beliefs over views of every candidate, by projecting it into all of them.

    A candidate's own view counts with its own belief and always agrees.

    Args:
        candidates: The whole pool in order: frame by frame, row by row.
        cameras: Its views, with their depth.
        probs: What the ray of every candidate believes.
        chunk: Candidates that are looked at at once.

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
        raise ValueError("exact views need the depth of the views")
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
        part = _look_everywhere(
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


@functools.partial(jax.jit, static_argnames=("intrinsics", "pixel_offset"))
def _look_everywhere(
    pool: _Pool,
    points: Float[Array, "r 3"],
    ids: Int[Array, "r"],
    *,
    intrinsics: Intrinsics,
    pixel_offset: tuple[float, float],
) -> ExactViews:
    """Looks some candidates up in all views, one view after the other."""
    per_frame, num_classes = pool.probs.shape[1:]
    num = len(ids)

    def look_once(sums: tuple[Array, ...], view: tuple[_Pool, Array]):
        held, number = view
        is_own = ids // per_frame == number
        sight = look(
            points,
            held.world_from_cam,
            held.window,
            intrinsics=intrinsics,
            pixel_offset=pixel_offset,
        )
        pixel = jnp.where(is_own, ids % per_frame, sight.pixel)
        same_place = is_own | (sight.hits & held.is_valid[pixel])
        agrees = sight.agrees | is_own
        beliefs, logs, views, agree, tell = sums
        return (
            beliefs + _where(same_place, held.probs[pixel]),
            logs + _where(same_place, held.log_probs[pixel]),
            views + same_place.astype(jnp.int32),
            agree + agrees.astype(jnp.int32),
            tell + (agrees | sight.sees_through).astype(jnp.int32),
        ), None

    none = jnp.zeros(num, jnp.int32)
    empty = jnp.zeros((num, num_classes))
    numbers = jnp.arange(len(pool.probs), dtype=jnp.int32)
    sums, _ = jax.lax.scan(look_once, (empty, empty, none, none, none), (pool, numbers))
    beliefs, logs, views, agree, tell = sums
    # The own view is always there: nothing is divided by zero.
    fraction = 1.0 / views.astype(jnp.float32)[:, None]
    return ExactViews(
        beliefs=ViewPredictions(
            view_entropy=entropy(beliefs * fraction), view_mean_log=logs * fraction
        ),
        num_views=views,
        consistency=agree.astype(jnp.float32) / tell.astype(jnp.float32),
    )


def _where(condition: Bool[Array, "r"], rows: Float[Array, "r c"]) -> Array:
    return jnp.where(condition[:, None], rows, 0.0)
