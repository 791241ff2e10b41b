"""Scores of many candidates: the one place where scores are vectorised."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax

from alsem.acquisition.cues import Cues
from alsem.acquisition.scores import ScoreFn
from alsem.types import Posterior
from alsem.typing import Array, Float, Int, PRNGKeyArray

PosteriorFn = Callable[[Any, Any], Posterior]
ScorerFn = Callable[[Any, PRNGKeyArray, Array, Any, Cues], Array]


def make_scorer(score: ScoreFn, posterior_of: PosteriorFn) -> ScorerFn:
    """Compiles a score of one candidate into one of a chunk of them.

    Args:
        score: A row of `SCORES`.
        posterior_of: ``(params, chunk) -> Posterior`` with leading axis ``r``; pure.

    Returns:
        ``(params, key, ids [r], chunk, cues) -> scores [r]``; the leaves of ``chunk``
        and ``cues`` have the leading axis ``r``. The draws of a candidate follow its
        id, so chunking, padding and order change nothing. ``ids``, ``chunk`` and
        ``cues`` may be sharded over ``r``: the scores stay where their candidates
        are. What the score does not look at is not computed.
    """

    @jax.jit
    def score_chunk(
        params: Any, key: PRNGKeyArray, ids: Int[Array, "r"], chunk: Any, cues: Cues
    ) -> Float[Array, "r"]:
        keys = jax.vmap(partial(jax.random.fold_in, key))(ids)
        return jax.vmap(score)(keys, posterior_of(params, chunk), cues)

    return score_chunk
