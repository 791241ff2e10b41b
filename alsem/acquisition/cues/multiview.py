"""Multi-view statistics of the predictions of one place, in one pass over the pool.

Comparing every view with every other costs views squared. Here rays meet in voxels: a
view's prediction of a voxel is the mean of its rays' there, so that near views, whose
rays are many, do not outweigh the others; then two numbers per class are summed over
the views, the probability and its logarithm. They suffice for

- view entropy, the entropy of the mean prediction Q over views (nats);
- view divergence of a ray with prediction P, the mean over views of KL(P || Q_view),
  which is ``-H(P) - sum_c P_c L_c`` with L the mean over views of ``log Q_view``.

Both are of Siddiqui et al. 2020, ViewAL, who compare pixels pair by pair, as
`multiview_exact` does. A place's own view counts among its views in both.

A head that does not see the view direction predicts the same of one point from every
view, so one model's views disagree only where geometry is wrong or a ray is mixed. Use
members fitted on disjoint groups of frames: `own_view_probs`.
"""

import functools

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, PartitionSpec

from alsem.core.arrays import Array, Float, Int
from alsem.core.mesh import split_batch
from alsem.core.numerics import safe_log
from alsem.core.pytrees import pytree
from alsem.core.types import Posterior


@pytree
class ViewSums:
    """Sums over the views so far, one part per device.

    Attributes:
        table: Per voxel: sum of the views' probabilities ``[c]``, of their logarithms
            ``[c]``, and the number of views. The last row stays zero.
        owner: A ray of the last view in every voxel.
    """

    table: Float[Array, "d rows columns"]
    owner: Int[Array, "d rows"]


@pytree
class ViewMeans:
    """Means over the views of a place; zeros where there is none.

    Attributes:
        probs: Of the class probabilities.
        log_probs: Of their logarithms.
    """

    probs: Float[Array, "*b c"]
    log_probs: Float[Array, "*b c"]


def own_view_probs(posterior: Posterior, frame: Int[Array, "r"]) -> Float[Array, "r c"]:
    """Class probabilities that the rays' own views predict.

    Where members were fitted on disjoint groups of frames, those of the group that the
    ray's frame belongs to; otherwise the mean of all members.

    Args:
        posterior: Of the rays, leading axis ``r``.
        frame: Training frame of every ray.
    """
    groups = posterior.view_probs.shape[-2]
    if not groups:
        return jnp.mean(posterior.probs, axis=-2)
    group = (frame % groups)[:, None, None]
    return jnp.take_along_axis(posterior.view_probs, group, axis=-2)[:, 0]


def init_sums(num_voxels: int, num_classes: int, *, mesh: Mesh) -> ViewSums:
    """Sums over no view."""
    shape = (mesh.size, num_voxels + 1)
    return _zeros(shape, 2 * num_classes + 1, mesh=mesh)


@functools.partial(jax.jit, static_argnums=(0, 1), static_argnames="mesh")
def _zeros(shape: tuple[int, int], columns: int, *, mesh: Mesh) -> ViewSums:
    """Zeros made on their devices: none ever holds the parts of all."""
    sums = ViewSums(
        table=jnp.zeros((*shape, columns)), owner=jnp.zeros(shape, jnp.int32)
    )
    return split_batch(sums, mesh)


@functools.partial(jax.jit, static_argnames="mesh", donate_argnums=0)
def accumulate(
    sums: ViewSums,
    probs: Float[Array, "n c"],
    voxel: Int[Array, "n"],
    *,
    mesh: Mesh,
) -> ViewSums:
    """Adds whole views, one for every device of the mesh; the old sums are donated.

    Nothing moves between devices: rays sharded over the mesh stay where they are.

    Args:
        sums: So far.
        probs: Class probabilities of all rays of the views, one view after the other.
        voxel: Voxel of every ray; -1 where it is invalid or padding. A missing view
            is all padding. No view may come twice.
        mesh: Where ``n`` is split; it is a multiple of the number of devices.
    """
    split = PartitionSpec("data")
    add = jax.shard_map(
        _add_view, mesh=mesh, in_specs=(split, split, split), out_specs=split
    )
    return add(sums, probs, voxel)


def _add_view(
    sums: ViewSums, probs: Float[Array, "r c"], voxel: Int[Array, "r"]
) -> ViewSums:
    """Adds one view to the sums of one device."""
    # Squeezed, not indexed: an index would copy the table for every view.
    table, owner = jnp.squeeze(sums.table, 0), jnp.squeeze(sums.owner, 0)
    num_rows, (num_rays, num_classes) = len(owner), probs.shape
    number = jnp.arange(num_rays, dtype=jnp.int32)
    # One ray of every voxel stands for it; voxel -1 is the last row, which has none.
    # What other views left is never read, so that nothing is cleared or sorted.
    owner = owner.at[voxel].set(number)
    representative = jnp.where(voxel < 0, num_rays, owner[voxel])
    rays = jnp.concatenate([probs, jnp.ones((num_rays, 1))], axis=-1)
    total = jnp.zeros_like(rays).at[representative].add(rays, mode="drop")
    mean = total[:, :num_classes] / jnp.maximum(total[:, num_classes:], 1.0)
    one_view = jnp.concatenate([mean, safe_log(mean), jnp.ones((num_rays, 1))], axis=-1)
    # Rows beyond the end are dropped.
    row = jnp.where(representative == number, voxel, num_rows)
    table = table.at[row].add(one_view, mode="drop")
    return ViewSums(table=table[None], owner=owner[None])


def view_means(sums: ViewSums) -> ViewMeans:
    """Means over all views of every voxel ``[v+1]``, of all devices' sums."""
    table = jnp.sum(sums.table, axis=0)
    num_classes = table.shape[-1] // 2
    mean = table[:, :-1] / jnp.maximum(table[:, -1:], 1.0)
    return ViewMeans(probs=mean[:, :num_classes], log_probs=mean[:, num_classes:])


def view_entropy(means: ViewMeans) -> Float[Array, "*b"]:
    """Entropy of the mean prediction over views, nats."""
    return entropy(means.probs)


def view_mean_log(means: ViewMeans) -> Float[Array, "*b c"]:
    """Mean over views of the log of the predicted probabilities."""
    return means.log_probs


def entropy(probs: Float[Array, "*b c"]) -> Float[Array, "*b"]:
    """Entropy of class probabilities in nats, from 0 to log c.

    ``-sum_c p_c log p_c``: 0.693 for (0.5, 0.5), 0.325 for (0.9, 0.1), 0 for (1, 0).
    """
    return jnp.maximum(-jnp.sum(probs * safe_log(probs), axis=-1), 0.0)


def divergence(
    probs: Float[Array, "*b c"], view_mean_log: Float[Array, "*b c"]
) -> Float[Array, "*b"]:
    """Mean over views of KL(probs || view), nats; not negative.

    Args:
        probs: Prediction of the candidate.
        view_mean_log: Mean over views of the log of their predictions; zeros, which
            stand for no view, give 0.
    """
    # Two sums and not one of differences: a score that needs the entropy too shares
    # the logarithms, which are the main cost.
    own = jnp.sum(probs * safe_log(probs), axis=-1)
    return jnp.maximum(own - jnp.sum(probs * view_mean_log, axis=-1), 0.0)
