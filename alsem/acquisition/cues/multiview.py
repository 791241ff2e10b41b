"""What the views of one place believe together, in one pass over the pool.

Comparing every view with every other costs views squared. Here rays meet in voxels: a
view's belief of a voxel is the mean of its rays' there, so that near views, whose
rays are many, do not drown the others; then two numbers a class are summed over the
views, the belief and its logarithm. They are enough:

- view entropy, the entropy of the mean belief Q over views (nats);
- view divergence of a ray that believes P, the mean over views of KL(P || Q_view),
  which is ``-H(P) - sum_c P_c L_c`` with L the mean over views of ``log Q_view``.

Both are of Siddiqui et al. 2020, ViewAL, who compare pixels pair by pair; `exact` does
that. A place's own view counts among its views, there as here.

Mind what it means: a head that does not see the view direction says the same of one
point from every view, so one model's views disagree only where geometry is wrong or
a ray is mixed. Let the beliefs come from members fitted on disjoint frames: `belief`.
"""

import functools

import flax.struct
import jax
import jax.numpy as jnp
from jax.sharding import Mesh, PartitionSpec

from alsem.core.arrays import Array, Float, Int, Leaf
from alsem.core.mesh import replicated, split_batch
from alsem.core.numerics import safe_log
from alsem.core.types import Posterior


@flax.struct.dataclass
class ViewSums:
    """Sums over the views so far, one part per device, leading axis ``d``.

    Attributes:
        table: float32 ``[d v+1 2c+1]`` per voxel: sum of the views' beliefs, of their
            logarithms, and how many views there were. Nothing is in the last row.
        owner: int32 ``[d v+1]`` a ray of the last view in every voxel.
    """

    table: Leaf
    owner: Leaf


@flax.struct.dataclass
class ViewPredictions:
    """What the views of every voxel believe; the last row is nobody's and zero.

    Attributes:
        view_entropy: float32 ``[v+1]`` entropy of the mean belief over views, nats.
        view_mean_log: float32 ``[v+1 c]`` mean over views of the log of the belief.
    """

    view_entropy: Leaf
    view_mean_log: Leaf


def belief(posterior: Posterior, frame: Int[Array, "r"]) -> Float[Array, "r c"]:
    """What the rays' own views believe.

    Where members were fitted on disjoint groups of frames, that of the group that
    the ray's frame belongs to; else the mean of all members.

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
    """Sums over no view yet."""
    shape = (mesh.size, num_voxels + 1)
    return _zeros(shape, 2 * num_classes + 1, mesh=mesh)


@functools.partial(jax.jit, static_argnums=(0, 1), static_argnames="mesh")
def _zeros(shape: tuple[int, int], columns: int, *, mesh: Mesh) -> ViewSums:
    """Made where they belong: no device ever holds the parts of all."""
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
    """Adds whole views, one for every device of the mesh; the old sums are consumed.

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
    # Some ray of every voxel speaks for it; voxel -1 is the last row, and nobody does.
    # What other views left is never read, so that nothing is cleared or sorted.
    owner = owner.at[voxel].set(number)
    speaker = jnp.where(voxel < 0, num_rays, owner[voxel])
    rays = jnp.concatenate([probs, jnp.ones((num_rays, 1))], axis=-1)
    total = jnp.zeros_like(rays).at[speaker].add(rays, mode="drop")
    mean = total[:, :num_classes] / jnp.maximum(total[:, num_classes:], 1.0)
    said = jnp.concatenate([mean, safe_log(mean), jnp.ones((num_rays, 1))], axis=-1)
    # Beyond the end, where writes are dropped.
    spoken_for = jnp.where(speaker == number, voxel, num_rows)
    table = table.at[spoken_for].add(said, mode="drop")
    return ViewSums(table=table[None], owner=owner[None])


@functools.partial(jax.jit, static_argnames="mesh")
def finish(sums: ViewSums, *, mesh: Mesh) -> ViewPredictions:
    """What all views believe together, on every device."""
    table = jnp.sum(sums.table, axis=0)
    num_classes = table.shape[-1] // 2
    mean = table[:, :-1] / jnp.maximum(table[:, -1:], 1.0)
    beliefs = ViewPredictions(
        view_entropy=entropy(mean[:, :num_classes]),
        view_mean_log=mean[:, num_classes:],
    )
    return jax.lax.with_sharding_constraint(beliefs, replicated(mesh))


def entropy(probs: Float[Array, "*b c"]) -> Float[Array, "*b"]:
    """Entropy in nats of class probabilities, from 0 to log c."""
    return jnp.maximum(-jnp.sum(probs * safe_log(probs), axis=-1), 0.0)


def divergence(
    probs: Float[Array, "*b c"], view_mean_log: Float[Array, "*b c"]
) -> Float[Array, "*b"]:
    """Mean over views of KL(probs || view), nats; not negative.

    Args:
        probs: What the candidate believes.
        view_mean_log: Mean over views of the log of what they believe; zeros, which
            stand for no view, give 0.
    """
    # Two sums and not one of differences: a score that wants the entropy too shares
    # the logarithms, which are what all of this costs.
    own = jnp.sum(probs * safe_log(probs), axis=-1)
    return jnp.maximum(own - jnp.sum(probs * view_mean_log, axis=-1), 0.0)
