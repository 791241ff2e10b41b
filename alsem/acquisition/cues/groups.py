"""The groups of cues: each is computed at once, from one set of inputs.

`geometry_cues` are always computed; the others if a strategy's needs name their group.
All return values by name, for `table.gather_cues`.
"""

import functools

import jax
import numpy as np
from jax.sharding import Mesh

from alsem.acquisition.candidates import Candidates
from alsem.acquisition.cues.depth_consistency import Cameras
from alsem.acquisition.cues.geometry import SurfaceVoxels
from alsem.acquisition.cues.label import ClassCounts, QueriedPlaces
from alsem.acquisition.cues.multiview import ViewSums, view_means
from alsem.acquisition.cues.table import CUES, build_cues
from alsem.core.arrays import Array
from alsem.core.mesh import replicated


def geometry_cues(
    candidates: Candidates, cameras: Cameras | None = None
) -> dict[str, np.ndarray]:
    """Geometric cues of every voxel ``[v+1]``; zeros in the last row.

    Args:
        candidates: The pool.
        cameras: Its views. Without them no direction and no distance is known
            (both 0), and without their depth every place counts as consistent (1).

    Raises:
        ValueError: If a candidate's frame has no camera.
    """
    return _compact(build_cues("", SurfaceVoxels(candidates, cameras)))


@functools.partial(jax.jit, static_argnames="mesh")
def view_cues(sums: ViewSums, *, mesh: Mesh) -> dict[str, Array]:
    """Multi-view cues (``views``) of every voxel ``[v+1]``, on every device."""
    cues = build_cues("views", view_means(sums))
    return jax.lax.with_sharding_constraint(cues, replicated(mesh))


def class_cues(predicted: np.ndarray, num_answers: int) -> dict[str, np.ndarray]:
    """Cues of every class (``classes``).

    Args:
        predicted: ``[c]`` number of rays of the pool predicted as each class.
        num_answers: Number of answers so far.
    """
    return _compact(build_cues("classes", ClassCounts(predicted, num_answers)))


def label_cues(
    candidates: Candidates, queried: np.ndarray, labels_per_class: np.ndarray
) -> dict[str, np.ndarray]:
    """Label cues (``labels``) of every voxel ``[v+1]`` and every class.

    Args:
        candidates: The pool.
        queried: int64 ``[m]`` ids that were queried.
        labels_per_class: ``[c]`` number of labels of every class.
    """
    places = QueriedPlaces(candidates, queried, labels_per_class)
    return _compact(build_cues("labels", places))


def _compact(cues: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """In 32 bits, and per voxel with a row of zeros for invalid candidates."""
    made = {}
    for name, value in cues.items():
        if CUES[name].per == "voxel":
            zero = np.zeros((1, *value.shape[1:]), value.dtype)
            value = np.concatenate([value, zero])
        is_count = np.issubdtype(value.dtype, np.integer)
        made[name] = value.astype(np.int32 if is_count else np.float32)
    return made
