"""Steps that use the model's predictions and embeddings of candidates.

They select from a shortlist: of each voxel the best candidate, and of those the best (a
random sample where scores are equal, as in the strategies named after these steps).
Predictions and embeddings are those of the first ensemble member's last layer.
"""

from typing import NamedTuple

import numpy as np

from alsem.acquisition.batch.context import Batch, Running, ranked, shortlist
from alsem.acquisition.batch.embedding_picks import (
    greedy_information_gain,
    kmeans_plus_plus,
)
from alsem.acquisition.batch.farthest_first import farthest_first
from alsem.core import rng

MAX_SHORTLIST = 1 << 15
RIDGE = 1e-2  # of the mean information


class _Predictions(NamedTuple):
    """Class probabilities ``[m c]`` and embedding ``[m d]``, float32, NumPy."""

    probs: np.ndarray
    embedding: np.ndarray


def coreset(batch: Batch, running: Running, *, keep: int) -> Running:
    """Farthest-first in the embedding, from past queries on (Sener & Savarese)."""
    short, predictions = _shortlisted(batch, running, keep, name="coreset")
    if not len(short):
        return ranked(short)
    others = predictions.embedding[:0]
    if len(batch.queried_valid):
        others = _predictions_of(batch, batch.queried_valid).embedding
    return ranked(short[farthest_first(predictions.embedding, others, num=keep)])


def badge(batch: Batch, running: Running, *, keep: int) -> Running:
    """k-means++ seeds among the last layer's gradients (Ash et al. 2020, BADGE).

    The gradient of the cross-entropy under the predicted label is
    ``(p - onehot(argmax p)) (x) embedding``: long where the prediction is uncertain,
    and in another direction for another class or embedding.
    """
    short, predictions = _shortlisted(batch, running, keep, name="badge")
    if not len(short):
        return ranked(short)
    error = predictions.probs.copy()
    error[np.arange(len(short)), predictions.probs.argmax(axis=1)] -= 1.0
    key = rng.stream(batch.key, "badge")
    return ranked(short[kmeans_plus_plus(error, predictions.embedding, key, num=keep)])


def fisher(batch: Batch, running: Running, *, keep: int) -> Running:
    """Greatest gain in the last layer's Fisher information over past queries.

    The information of a label about the weight of class c and feature d is
    ``p_c (1 - p_c) h_d^2``, the diagonal of the exact one; no label is needed. A
    pick's gain is ``sum(own / (information + ridge))``, with the information of all
    past queries and of the picks so far (FisherRF, Jiang et al. 2024).
    """
    short, predictions = _shortlisted(batch, running, keep, name="fisher")
    if not len(short):
        return ranked(short)
    variance, square = _information(predictions)
    known = np.zeros((variance.shape[1], square.shape[1]), np.float32)
    if len(batch.queried_valid):
        left, right = _information(_predictions_of(batch, batch.queried_valid))
        known = left.T @ right
    scale = known.mean() or (variance.T @ square).mean() / len(short)
    picks = greedy_information_gain(
        variance,
        square,
        known,
        ridge=max(RIDGE * float(scale), float(np.finfo(np.float32).tiny)),
        num=keep,
    )
    return ranked(short[picks])


def _information(predictions: _Predictions) -> tuple[np.ndarray, np.ndarray]:
    """Factors ``[m c]`` and ``[m d]`` of the information of each row."""
    return predictions.probs * (1.0 - predictions.probs), np.square(
        predictions.embedding
    )


def _shortlisted(
    batch: Batch, running: Running, keep: int, *, name: str
) -> tuple[np.ndarray, _Predictions]:
    """Ids int64 of the shortlist and their predictions."""
    if batch.predict is None:
        raise ValueError(f"the step {name!r} needs the model's predictions")
    short = shortlist(batch, running, size=max(MAX_SHORTLIST, keep)).ids
    if not len(short):
        return short, _Predictions(np.zeros((0, 1)), np.zeros((0, 1)))
    return short, _predictions_of(batch, short)


def _predictions_of(batch: Batch, ids: np.ndarray) -> _Predictions:
    """Predictions of the first ensemble member for some candidates."""
    assert batch.predict is not None
    posterior = batch.predict(ids)
    return _Predictions(
        np.asarray(posterior.probs, np.float32)[:, 0],
        np.asarray(posterior.embedding, np.float32),
    )
