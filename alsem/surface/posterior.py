"""The posterior: what the semantic members believe of rays of the surface cache."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from alsem.core.arrays import Array
from alsem.core.types import Posterior, SurfacePoints
from alsem.nerf import SemanticMembers

Decode = Callable[[Array, Any], tuple[SurfacePoints, Array, Array]]


def make_posterior(
    heads: SemanticMembers, decode: Decode
) -> Callable[[Any, Array, Any], Posterior]:
    """Function of (head parameters, ray numbers [r], compact samples) to beliefs [r].

    Embeddings are composited over a ray's samples, classified and turned into
    probabilities after, as in training; point, normal and colour are those of the
    heaviest sample.
    """
    plain = heads.members - heads.view_groups

    def beliefs(params: Any, surface: Any, weights: Array, members: slice):
        """Embeddings [k r d] and probabilities [r k c] of some of the members."""
        params = jax.tree.map(lambda leaf: leaf[members], params)
        some: Any = heads.clone(members=len(range(heads.members)[members]))
        at_samples = some.apply(params, surface, method="embed")
        embedding = jnp.sum(weights[None, ..., None] * at_samples, axis=-2)
        logits = some.apply(params, embedding, method="classify")
        return embedding, jnp.moveaxis(jax.nn.softmax(logits, axis=-1), 0, 1)

    def posterior(params: Any, ids: Array, compact: Any) -> Posterior:
        surface, weights, t = decode(ids, compact)
        embedding, probs = beliefs(params, surface, weights, slice(plain))
        # Apart, so that a score which looks at one kind does not pay for the other.
        view_probs = probs[:, :0]
        if heads.view_groups:
            _, view_probs = beliefs(params, surface, weights, slice(plain, None))
        return Posterior(
            probs=probs,
            view_probs=view_probs,
            embedding=embedding[0],
            x_world=surface.x_world[:, 0],
            normal=surface.normal[:, 0],
            diffuse=surface.diffuse[:, 0],
            distance=t[:, 0],
            purity=weights[:, 0],
        )

    return posterior
