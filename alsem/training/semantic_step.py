"""The staged semantic step: heads learn from labelled rays of the surface cache."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from alsem.core import rng
from alsem.core.arrays import Array, Float, Int, PRNGKeyArray
from alsem.core.memoize import memoize
from alsem.core.mesh import split_batch
from alsem.core.types import SurfacePoints
from alsem.nerf import SemanticMembers, losses, volume_rendering
from alsem.training.state import ExtraLoss, Step, TrainState, extra_parts, gradient_step

Decode = Callable[[Any, Array, Any], tuple[SurfacePoints, Array, Array]]
"""(cameras, pixels [r], compact samples [r s ...]) -> points [r s], weights, distances,
as ``surface.decode``."""


def semantic_loss(
    heads: SemanticMembers,
    params: Any,
    surface: SurfacePoints,
    weights: Float[Array, "r s"],
    label: Int[Array, "r"],
    frame: Int[Array, "r"],
) -> Float[Array, ""]:
    """Mean over members of the cross entropy of the composited logits."""
    at_samples: Any = heads.apply(params, surface)
    logits = jnp.sum(weights[None, ..., None] * at_samples, axis=-2)
    return jnp.mean(
        jax.vmap(losses.cross_entropy)(logits, _member_labels(heads, label, frame))
    )


def _member_labels(
    heads: SemanticMembers, label: Int[Array, "r"], frame: Int[Array, "r"]
) -> Int[Array, "k r"]:
    """Labels of every member; -1 hides those of other groups' frames."""
    shared = jnp.broadcast_to(label, (heads.members - heads.view_groups, len(label)))
    if not heads.view_groups:
        return shared
    group = jnp.arange(heads.view_groups)[:, None]
    is_own = (frame % heads.view_groups)[None] == group
    own = jnp.where(is_own, label[None], -1)
    return jnp.concatenate([shared, own])


@memoize
def make_semantic_step(
    heads: SemanticMembers,
    tx: optax.GradientTransformation,
    *,
    decode: Decode,
    batch_rays: int,
    mesh: jax.sharding.Mesh,
    extra_losses: tuple[ExtraLoss, ...] = (),
) -> Step:
    """One step of fitting heads to labelled rays of the surface cache.

    Args:
        heads: The semantic members; their parameters are ``params["heads"]``.
        tx: The optimiser.
        decode: Surface samples of rays to points, weights and distances.
        batch_rays: Labelled rays of a step.
        mesh: Devices that the batch is split over.
        extra_losses: Added to the semantic loss.

    Returns:
        The step; its data are `LabelledSurface` and a dict of the extra losses' data.
    """

    def step(state: TrainState, data: tuple, key: PRNGKeyArray):
        labelled, extra_data = data
        key = rng.stream(key, "semantics", state.step)
        chosen = jax.random.randint(key, (batch_rays,), 0, labelled.count)
        chosen = split_batch(chosen, mesh)
        compact = jax.tree.map(lambda leaf: leaf[chosen], labelled.compact)
        pixel, label = labelled.pixel[chosen], labelled.label[chosen]
        surface, weights, _ = decode(labelled.cameras, pixel, compact)
        frame = pixel // labelled.cameras.frames.rays_per_frame

        def features_of(compact: Any, pixel: Array, key: PRNGKeyArray) -> Array:
            del key
            surface, weights, _ = decode(labelled.cameras, pixel, compact)
            return volume_rendering.composite(weights, surface.feature)

        def loss(params):
            semantic = semantic_loss(
                heads, params["heads"], surface, weights, label, frame
            )
            extra = extra_parts(
                extra_losses, params, extra_data, key, features_of, mesh
            )
            parts = {"semantic": semantic, **extra}
            return jnp.asarray(sum(parts.values())), parts

        return gradient_step(state, tx, loss)

    return step
