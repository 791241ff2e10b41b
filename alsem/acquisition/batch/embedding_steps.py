"""Steps that look at what the model makes of candidates, not only at their scores.

They choose among a shortlist: of each voxel the best candidate, and of those the best
(a random sample where scores are equal, as in the strategies that are called by the
names of these steps). The first member speaks: it is its last layer that is looked at.
"""

from typing import NamedTuple

import numpy as np

from alsem.acquisition.batch import greedy, information_gain
from alsem.acquisition.batch.context import Batch, Running, ranked, shortlist
from alsem.core import rng

MAX_SHORTLIST = 1 << 15
RIDGE = 1e-2  # of the mean information: less is as good as nothing


class _Predictions(NamedTuple):
    """Class probabilities ``[m c]`` and embedding ``[m d]``, float32, NumPy."""

    probs: np.ndarray
    embedding: np.ndarray


def coreset(batch: Batch, running: Running, *, keep: int) -> Running:
    """Farthest-first in the embedding, from those asked before (Sener & Savarese)."""
    short, beliefs = _shortlisted(batch, running, keep, name="coreset")
    if not len(short):
        return ranked(short)
    others = beliefs.embedding[:0]
    if len(batch.places):
        others = _beliefs_of(batch, batch.places).embedding
    return ranked(short[greedy.farthest(beliefs.embedding, others, num=keep)])


def badge(batch: Batch, running: Running, *, keep: int) -> Running:
    """k-means++ seeds among the last layer's gradients (Ash et al. 2020, BADGE).

    The gradient of the cross-entropy under the model's own label is
    ``(p - onehot(argmax p)) (x) embedding``: long where the model is unsure, and in
    another direction for another class or look.
    """
    short, beliefs = _shortlisted(batch, running, keep, name="badge")
    if not len(short):
        return ranked(short)
    error = beliefs.probs.copy()
    error[np.arange(len(short)), beliefs.probs.argmax(axis=1)] -= 1.0
    key = rng.stream(batch.key, "badge")
    return ranked(short[greedy.plus_plus(error, beliefs.embedding, key, num=keep)])


def fisher(batch: Batch, running: Running, *, keep: int) -> Running:
    """Greatest gain in the last layer's Fisher information over what was asked.

    The information of a label about the weight of class c and feature d is
    ``p_c (1 - p_c) h_d^2``, the diagonal of the exact one; no label is needed. A
    pick's gain is ``sum(own / (information + ridge))``, the information being that of
    all asked before and of the picks so far (FisherRF, Jiang et al. 2024).
    """
    short, beliefs = _shortlisted(batch, running, keep, name="fisher")
    if not len(short):
        return ranked(short)
    spread, square = _information(beliefs)
    known = np.zeros((spread.shape[1], square.shape[1]), np.float32)
    if len(batch.places):
        left, right = _information(_beliefs_of(batch, batch.places))
        known = left.T @ right
    scale = known.mean() or (spread.T @ square).mean() / len(short)
    picks = information_gain.most_informative(
        spread,
        square,
        known,
        ridge=max(RIDGE * float(scale), float(np.finfo(np.float32).tiny)),
        num=keep,
    )
    return ranked(short[picks])


def _information(beliefs: _Predictions) -> tuple[np.ndarray, np.ndarray]:
    """Factors ``[m c]`` and ``[m d]`` of each one's information."""
    return beliefs.probs * (1.0 - beliefs.probs), np.square(beliefs.embedding)


def _shortlisted(
    batch: Batch, running: Running, keep: int, *, name: str
) -> tuple[np.ndarray, _Predictions]:
    """Ids int64 of the shortlist and what the model believes of them."""
    if batch.beliefs is None:
        raise ValueError(f"the step {name!r} needs the model's beliefs of candidates")
    short = shortlist(batch, running, size=max(MAX_SHORTLIST, keep)).ids
    if not len(short):
        return short, _Predictions(np.zeros((0, 1)), np.zeros((0, 1)))
    return short, _beliefs_of(batch, short)


def _beliefs_of(batch: Batch, ids: np.ndarray) -> _Predictions:
    """What the first member believes of some candidates."""
    assert batch.beliefs is not None
    posterior = batch.beliefs(ids)
    return _Predictions(
        np.asarray(posterior.probs, np.float32)[:, 0],
        np.asarray(posterior.embedding, np.float32),
    )
