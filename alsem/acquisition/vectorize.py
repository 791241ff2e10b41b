"""Scores of many candidates: the only place where scores are vectorised."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from alsem.acquisition.cues.gather import Cues
from alsem.acquisition.scores import ScoreFn
from alsem.core.arrays import Array, Int, PRNGKeyArray
from alsem.core.types import Posterior

PosteriorFn = Callable[[Any, Any], Posterior]
CuesFn = Callable[[Any], Cues]
ScorerFn = Callable[[Any, PRNGKeyArray, Array, Any, Any], Any]


def _unchanged(cues: Cues) -> Cues:
    return cues


def make_scorer(
    score: ScoreFn,
    posterior_of: PosteriorFn,
    cues_of: CuesFn = _unchanged,
    *,
    predict: bool = False,
) -> ScorerFn:
    """Compiles a score of one candidate into one of a chunk of them.

    Args:
        score: A row of `SCORES`, or several by `scores.stacked`.
        posterior_of: ``(params, chunk) -> Posterior`` with leading axis ``r``; pure.
        cues_of: From what the scorer is given as cues to `Cues` with leading axis
            ``r``; pure. So that values per voxel are gathered in the same program.
        predict: Whether the predicted label is returned too.

    Returns:
        ``(params, key, ids [r], chunk, cues) -> scores [r]``, or ``[r parts]`` if the
        score has parts; with ``predict`` a pair of that and of labels uint16 ``[r]``.
        The draws of a candidate follow its id, so chunking, padding and order do not
        matter. ``ids``, ``chunk`` and ``cues`` may be sharded over ``r``: the scores
        stay where their candidates are. What the score does not use is not computed.
    """

    @jax.jit
    def score_chunk(
        params: Any, key: PRNGKeyArray, ids: Int[Array, "r"], chunk: Any, cues: Any
    ) -> Any:
        keys = jax.vmap(partial(jax.random.fold_in, key))(ids)
        posterior = posterior_of(params, chunk)
        scores = jax.vmap(score)(keys, posterior, cues_of(cues))
        if not predict:
            return scores
        label = jnp.argmax(jnp.mean(posterior.probs, axis=-2), axis=-1)
        return scores, label.astype(jnp.uint16)

    return score_chunk
