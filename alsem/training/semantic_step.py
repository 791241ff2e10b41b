"""The staged semantic step: heads learn from labelled rays of the surface cache."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from alsem.core import rng
from alsem.core.arrays import Array, Float, Int, PRNGKeyArray
from alsem.core.mesh import split_batch
from alsem.core.types import SurfacePoints
from alsem.nerf import SemanticMembers, losses, volume_rendering
from alsem.policy.loss import PolicyTerm
from alsem.training.state import Step, TrainState, update


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
        jax.vmap(losses.cross_entropy)(logits, _valid_mask(heads, label, frame))
    )


def _valid_mask(
    heads: SemanticMembers, label: Int[Array, "r"], frame: Int[Array, "r"]
) -> Int[Array, "k r"]:
    """What each member may learn from; -1 hides the labels of other groups' frames."""
    everybody = jnp.broadcast_to(label, (heads.members - heads.view_groups, len(label)))
    if not heads.view_groups:
        return everybody
    group = jnp.arange(heads.view_groups)[:, None]
    is_own = (frame % heads.view_groups)[None] == group
    own = jnp.where(is_own, label[None], -1)
    return jnp.concatenate([everybody, own])


def make_semantic_step(
    heads: SemanticMembers,
    tx: optax.GradientTransformation,
    *,
    decode: Callable[[Array, Any], tuple[SurfacePoints, Array, Array]],
    batch_rays: int,
    rays_per_frame: int,
    mesh: jax.sharding.Mesh,
    policy: PolicyTerm | None = None,
) -> Step:
    """One step of fitting heads, and a policy, to labelled rays of the surface cache.

    Args:
        heads: The semantic members; their parameters are ``params["heads"]``.
        tx: The optimiser.
        decode: (pixel, compact) to the rays' surface points, weights and distances.
        batch_rays: Labelled rays of a step.
        rays_per_frame: Tells a ray's frame.
        mesh: Devices that the batch is split over.
        policy: Its loss term; its parameters are ``params["policy"]``.

    Returns:
        The step; its data are `LabelledSurface` and, with a policy, `Observations`.
    """

    def describe(compact: Any, pixel: Array, key: PRNGKeyArray) -> Array:
        del key
        surface, weights, _ = decode(pixel, compact)
        return volume_rendering.composite(weights, surface.feature)

    def step(state: TrainState, data: tuple, key: PRNGKeyArray):
        labelled, observed = data
        key = rng.stream(key, "semantics", state.step)
        chosen = jax.random.randint(key, (batch_rays,), 0, labelled.count)
        chosen = split_batch(chosen, mesh)
        compact = jax.tree.map(lambda leaf: leaf[chosen], labelled.compact)
        pixel, label = labelled.pixel[chosen], labelled.label[chosen]
        surface, weights, _ = decode(pixel, compact)
        frame = pixel // rays_per_frame

        def loss(params):
            parts = {
                "semantic": semantic_loss(
                    heads, params["heads"], surface, weights, label, frame
                )
            }
            if policy is not None:
                parts["policy"] = policy.loss(
                    params["policy"],
                    observed,
                    rng.stream(key, "policy"),
                    describe,
                    mesh,
                )
            return jnp.asarray(sum(parts.values())), parts

        (total, parts), grads = jax.value_and_grad(loss, has_aux=True)(state.params)
        return update(state, tx, grads), {"loss": total, **parts}

    return step
