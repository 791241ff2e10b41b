"""The staged semantic step: heads learn from labelled rays of the surface cache."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from alsem import losses, rng, sharding
from alsem.models import SemanticMembers
from alsem.train.state import LabelledSurface, Step, TrainState, update
from alsem.types import SurfacePoints
from alsem.typing import Array, Float, Int, PRNGKeyArray


def semantic_loss(
    heads: SemanticMembers,
    params: Any,
    surface: SurfacePoints,
    weights: Float[Array, "r s"],
    label: Int[Array, "r"],
) -> Float[Array, ""]:
    """Mean over members of the cross entropy of the composited logits."""
    at_samples: Any = heads.apply(params, surface)
    logits = jnp.sum(weights[None, ..., None] * at_samples, axis=-2)
    return jnp.mean(jax.vmap(losses.cross_entropy, in_axes=(0, None))(logits, label))


def make_semantic_step(
    heads: SemanticMembers,
    tx: optax.GradientTransformation,
    *,
    decode: Callable[[Array, Any], tuple[SurfacePoints, Array, Array]],
    batch_rays: int,
    mesh: jax.sharding.Mesh,
) -> Step:
    """One step of fitting the semantic members to labelled rays of the cache.

    ``decode(pixel, compact)`` gives the rays' surface points, weights and distances.
    """

    def step(state: TrainState, data: LabelledSurface, key: PRNGKeyArray):
        key = rng.stream(key, "semantics", state.step)
        chosen = jax.random.randint(key, (batch_rays,), 0, data.count)
        chosen = sharding.split_batch(chosen, mesh)
        compact = jax.tree.map(lambda leaf: leaf[chosen], data.compact)
        surface, weights, _ = decode(data.pixel[chosen], compact)
        total, grads = jax.value_and_grad(
            lambda params: semantic_loss(
                heads, params, surface, weights, data.label[chosen]
            )
        )(state.params)
        return update(state, tx, grads), {"loss": total}

    return step
