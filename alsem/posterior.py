"""The posterior: what the semantic members believe of rays of the surface cache."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from alsem.models import SemanticMembers
from alsem.types import Posterior, SurfacePoints
from alsem.typing import Array

Decode = Callable[[Array, Any], tuple[SurfacePoints, Array, Array]]


def make_posterior(
    heads: SemanticMembers, decode: Decode
) -> Callable[[Any, Array, Any], Posterior]:
    """Function of (head parameters, ray numbers [r], compact samples) to beliefs [r].

    Embeddings are composited over a ray's samples, classified and turned into
    probabilities after, as in training; point, normal and colour are those of the
    heaviest sample.
    """

    def posterior(params: Any, ids: Array, compact: Any) -> Posterior:
        surface, weights, t = decode(ids, compact)
        at_samples: Any = heads.apply(params, surface, method="embed")
        embedding = jnp.sum(weights[None, ..., None] * at_samples, axis=-2)
        logits: Any = heads.apply(params, embedding, method="classify")
        probs = jnp.moveaxis(jax.nn.softmax(logits, axis=-1), 0, 1)
        members = heads.members - heads.view_groups
        return Posterior(
            probs=probs[:, :members],
            view_probs=probs[:, members:],
            embedding=embedding[0],
            x_world=surface.x_world[:, 0],
            normal=surface.normal[:, 0],
            albedo=surface.albedo[:, 0],
            distance=t[:, 0],
            purity=weights[:, 0],
        )

    return posterior
