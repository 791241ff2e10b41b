"""Cues: what geometry, the other views and earlier labels say of a candidate.

Geometric cues are computed per voxel in one pass over the pool, and gathered for the
candidates at hand.
"""

from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from alsem.acquisition.candidates import (
    BYTE_SCALE,
    NORMAL_SCALE,
    Candidates,
    neighbour_mean,
    representatives,
    voxel_means,
)
from alsem.acquisition.cues.depth_consistency import Cameras, consistency
from alsem.acquisition.cues.multiview import ViewPredictions
from alsem.core.arrays import Array, Float, Int, Leaf


@flax.struct.dataclass
class Cues:
    """Cues of candidates, beside the predictions that a score sees; axes ``*b``.

    From `view_entropy` on they change every round; None unless a strategy needs them.

    Attributes:
        frame: int32 ``[*b]`` training frame of the candidate.
        purity: float32 ``[*b]`` share of the ray's weight on its surface; low on a
            silhouette.
        num_views: int32 ``[*b]`` how many frames see the candidate's voxel.
        coherence: float32 ``[*b]`` length of the voxel's mean normal: 1 on a flat
            surface, lower at edges, creases and in clutter.
        directions: float32 ``[*b]`` in [0, 1], one minus the length of the mean
            viewing direction of the voxel.
        view_distance: float32 ``[*b]`` mean metres to the cameras that see it.
        variation: float32 ``[*b]`` in [0, 1/3], surface variation: 0 on a plane, 1/3
            where points fill space (Pauly et al. 2002).
        gradient: float32 ``[*b]`` in [0, 1], mean absolute difference of the voxel's
            colours to the mean colour of its neighbourhood.
        consistency: float32 ``[*b]`` in [0, 1], of the views that can tell, the share
            whose depth agrees that a surface is there.
        view_entropy: float32 ``[*b]`` entropy of the mean belief over views, nats.
        view_mean_log: float32 ``[*b c]`` mean over views of the log of the belief.
        class_fractions: float32 ``[*b c]`` share of the pool that is predicted as each
            class; the same for all candidates.
        class_weight: float32 ``[*b c]`` in (0, 1], what a label of each class is
            worth, see `labels.class_weight`; the same for all candidates.
        label_fractions: float32 ``[*b c]`` share of the labels that each class has.
        label_distance: float32 ``[*b]`` distance to the nearest candidate asked, in
            mean spacings of as many labels on the surface.
        label_feature_distance: float32 ``[*b]`` the same where normal and colour are
            distances too.
    """

    frame: Leaf
    purity: Leaf
    num_views: Leaf
    coherence: Leaf
    directions: Leaf
    view_distance: Leaf
    variation: Leaf
    gradient: Leaf
    consistency: Leaf
    view_entropy: Any = None
    view_mean_log: Any = None
    class_fractions: Any = None
    class_weight: Any = None
    label_fractions: Any = None
    label_distance: Any = None
    label_feature_distance: Any = None


@flax.struct.dataclass
class VoxelTables:
    """The geometric cues of every voxel, as in `Cues`, leading axis ``v+1``.

    The last row is that of candidates that are not valid: zeros.
    """

    num_views: Leaf
    coherence: Leaf
    directions: Leaf
    view_distance: Leaf
    variation: Leaf
    gradient: Leaf
    consistency: Leaf


def cues_at(
    tables: VoxelTables,
    voxel: Int[Array | np.ndarray, "r"],
    frame: Int[Array | np.ndarray, "r"],
    purity: Array | np.ndarray,
    *,
    views: ViewPredictions | None = None,
    view_row: Int[Array | np.ndarray, "r"] | None = None,
    class_fractions: Float[Array | np.ndarray, "r c"] | None = None,
    class_weight: Float[Array | np.ndarray, "r c"] | None = None,
    label_fractions: Float[Array | np.ndarray, "r c"] | None = None,
    label_distance: Float[Array | np.ndarray, "r"] | None = None,
    label_feature_distance: Float[Array | np.ndarray, "r"] | None = None,
) -> Cues:
    """Cues of some candidates; pure, so that it may be part of a compiled score.

    Args:
        tables: From `voxel_cues`. Put them on the device once, not for every chunk.
        voxel: Of every candidate, -1 where it is not valid.
        frame: Training frame of every candidate.
        purity: uint8 ``[r]``, shares of 255, as `Candidates` holds it.
        views: Beliefs over views, None if no score asks for them.
        view_row: Their rows; the voxels' if None. Beliefs from `exact` have one row
            for every candidate.
        class_fractions: As in `Cues`, like all that follow; None if no score asks. A
            row for every candidate, all the same.
        class_weight: The same.
        label_fractions: The same of labels.
        label_distance: In mean spacings of labels.
        label_feature_distance: In the same.
    """
    # The row of voxel -1 is the last one, with NumPy's counting from the end.
    row = jnp.asarray(voxel)
    leaves: dict[str, Any] = {
        "frame": jnp.asarray(frame),
        "purity": jnp.asarray(purity).astype(jnp.float32) / BYTE_SCALE,
        "class_fractions": class_fractions,
        "class_weight": class_weight,
        "label_fractions": label_fractions,
        "label_distance": label_distance,
        "label_feature_distance": label_feature_distance,
    }
    leaves |= _rows(tables, row)
    if views is not None:
        leaves |= _rows(views, row if view_row is None else jnp.asarray(view_row))
    return Cues(**leaves)


def _rows(tables: Any, row: Array) -> dict[str, Any]:
    """Rows of every leaf of a flat pytree of tables, by name."""
    picked = jax.tree.map(lambda leaf: jnp.asarray(leaf)[row], tables)
    return {name: getattr(picked, name) for name in picked.__dataclass_fields__}


def voxel_cues(candidates: Candidates, cameras: Cameras | None = None) -> VoxelTables:
    """Geometric cues (NumPy) of every voxel of a pool.

    Work in proportion to the candidates; the order they stand in changes nothing.

    Args:
        candidates: The pool.
        cameras: Its views. Without them no direction and no distance is known
            (both 0), and without their depth every place counts as consistent (1).

    Raises:
        ValueError: If a candidate's frame has no camera.
    """
    is_valid = candidates.is_valid
    voxel = candidates.voxel[is_valid]
    x_world = candidates.x_world[is_valid].astype(np.float64)
    count = np.bincount(voxel, minlength=candidates.num_voxels)
    centre = voxel_means(voxel, x_world, count=count)
    seen_voxel, seen_frame = _views_of_voxels(candidates, voxel)
    num_views = np.bincount(seen_voxel, minlength=candidates.num_voxels)
    directions = view_distance = np.zeros(candidates.num_voxels)
    consistent = np.ones(candidates.num_voxels)
    best = representatives(candidates)
    if cameras is not None:
        _check_frames(candidates, cameras)
        directions, view_distance = _directions(
            centre[seen_voxel], seen_voxel, seen_frame, num_views, cameras
        )
        consistent = consistency(
            candidates.x_world[best], candidates.frame[best], cameras
        )
    around = candidates.x_world[best]
    columns: dict[str, np.ndarray] = {
        "num_views": num_views,
        "coherence": _normal_coherence(candidates, voxel, count),
        "directions": directions,
        "view_distance": view_distance,
        "variation": _surface_variation(
            x_world, voxel, count, around, size=candidates.voxel_size
        ),
        "gradient": _colour_gradient(candidates, voxel, count, around),
        "consistency": consistent,
    }
    leaves: dict[str, Any] = {
        name: np.append(values, 0).astype(
            np.int32 if name == "num_views" else np.float32
        )
        for name, values in columns.items()
    }
    return VoxelTables(**leaves)


def _check_frames(candidates: Candidates, cameras: Cameras) -> None:
    """Raises ValueError unless every candidate's frame has a camera."""
    frames = candidates.frame[candidates.is_valid]
    if len(frames) and not 0 <= frames.min() <= frames.max() < len(cameras):
        raise ValueError(
            f"candidates of frames {frames.min()} to {frames.max()},"
            f" but {len(cameras)} cameras"
        )


def _views_of_voxels(
    candidates: Candidates, voxel: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Every pair of a voxel and a frame that has a candidate in it: both ``[q]``."""
    num_frames = int(candidates.frame.max(initial=0)) + 1
    pair = voxel.astype(np.int64) * num_frames + candidates.frame[candidates.is_valid]
    # Sorting integers is vectorised; np.unique of millions is several times slower.
    pair.sort()
    pair = pair[np.diff(pair, prepend=-1) > 0]
    return np.divmod(pair, num_frames)


def _directions(
    centre: np.ndarray,
    voxel: np.ndarray,
    frame: np.ndarray,
    num_views: np.ndarray,
    cameras: Cameras,
) -> tuple[np.ndarray, np.ndarray]:
    """Spread of viewing directions and mean distance ``[v]``, over views not rays.

    ``centre``, ``voxel`` and ``frame`` have a row for each pair of voxel and view.
    """
    offset = np.asarray(cameras.world_from_cam)[frame, :3, 3] - centre
    distance = np.linalg.norm(offset, axis=-1)
    offset /= np.maximum(distance, 1e-9)[:, None]
    mean = voxel_means(voxel, offset, count=num_views)
    spread = 1.0 - np.linalg.norm(mean, axis=-1)
    far = voxel_means(voxel, distance[:, None], count=num_views)[:, 0]
    return np.clip(spread, 0.0, 1.0), far


def _normal_coherence(
    candidates: Candidates, voxel: np.ndarray, count: np.ndarray
) -> np.ndarray:
    """Length of each voxel's mean normal ``[v]``; zero without normals."""
    normal = candidates.normal[candidates.is_valid]
    length = np.linalg.norm(voxel_means(voxel, normal, count=count), axis=-1)
    # Rounding to int8 can leave a unit normal a little too long.
    return np.minimum(length / NORMAL_SCALE, 1.0)


def _surface_variation(
    x_world: np.ndarray,
    voxel: np.ndarray,
    count: np.ndarray,
    around: np.ndarray,
    *,
    size: float,
) -> np.ndarray:
    """Least eigenvalue over trace of the positions' covariance nearby, ``[v]``.

    Every voxel of the neighbourhood counts alike, however many rays end in it.
    """
    # Seen from the middle of the scene, so that little cancels in the subtraction.
    x_world = x_world - x_world.mean(axis=0) if len(x_world) else x_world
    i, j = np.triu_indices(3)
    products = (x_world[:, a] * x_world[:, b] for a, b in zip(i, j, strict=True))
    moments = np.concatenate(
        [
            voxel_means(voxel, x_world, count=count),
            *(voxel_means(voxel, p[:, None], count=count) for p in products),
        ],
        axis=-1,
    )
    moments = neighbour_mean(moments, around, size=size)
    mean = moments[:, :3]
    covariance = np.empty((len(mean), 3, 3))
    covariance[:, i, j] = covariance[:, j, i] = moments[:, 3:] - mean[:, i] * mean[:, j]
    trace = np.trace(covariance, axis1=-2, axis2=-1)
    least = np.linalg.eigvalsh(covariance)[:, 0]
    # A single point, or all of them in one place, has no shape: as good as flat.
    has_shape = trace > (1e-4 * size) ** 2
    ratio = np.where(has_shape, least / np.where(has_shape, trace, 1.0), 0.0)
    return np.clip(ratio, 0.0, 1.0 / 3.0)


def _colour_gradient(
    candidates: Candidates, voxel: np.ndarray, count: np.ndarray, around: np.ndarray
) -> np.ndarray:
    """Mean absolute difference to the neighbourhood's mean colour, ``[v]``."""
    diffuse = candidates.diffuse[candidates.is_valid]
    mean = voxel_means(voxel, diffuse, count=count)
    mean = neighbour_mean(mean, around, size=candidates.voxel_size)
    total = np.zeros(len(count))
    for channel in range(3):
        difference = np.abs(diffuse[:, channel] - mean[:, channel][voxel])
        total += voxel_means(voxel, difference[:, None], count=count)[:, 0]
    return total / (3 * BYTE_SCALE)
