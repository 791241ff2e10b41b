"""The posterior: predictions of the ensemble for rays of a surface cache."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from alsem.core.arrays import Array
from alsem.core.types import Posterior
from alsem.nerf import SemanticMembers
from alsem.surface.cache import CacheCameras, decode


def make_posterior(
    heads: SemanticMembers,
) -> Callable[[Any, CacheCameras, Array, Any], Posterior]:
    """Function of (head parameters, cameras, ray numbers [r], compact samples).

    It returns the `Posterior` of the rays. Embeddings are composited over a ray's
    samples, then classified and turned into probabilities, as in training; point,
    normal and colour are those of the heaviest sample.
    """
    plain = heads.members - heads.view_groups

    def predict(params: Any, surface: Any, weights: Array, members: slice):
        """Embeddings [k r d] and probabilities [r k c] of some of the members."""
        params = jax.tree.map(lambda leaf: leaf[members], params)
        some: Any = heads.clone(members=len(range(heads.members)[members]))
        at_samples = some.apply(params, surface, method="embed")
        embedding = jnp.sum(weights[None, ..., None] * at_samples, axis=-2)
        logits = some.apply(params, embedding, method="classify")
        return embedding, jnp.moveaxis(jax.nn.softmax(logits, axis=-1), 0, 1)

    def posterior(
        params: Any, cameras: CacheCameras, ids: Array, compact: Any
    ) -> Posterior:
        surface, weights, t = decode(cameras, ids, compact)
        embedding, probs = predict(params, surface, weights, slice(plain))
        # Computed apart: a score that uses one of the two does not pay for the other.
        view_probs = probs[:, :0]
        if heads.view_groups:
            _, view_probs = predict(params, surface, weights, slice(plain, None))
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
