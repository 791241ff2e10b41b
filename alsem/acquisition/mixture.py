"""Mixtures: several scores combined by rank or by range over the whole pool."""

import dataclasses

import numpy as np

SCALES = ("rank", "minmax")


@dataclasses.dataclass(frozen=True)
class Mixture:
    """Weights of several scores, and the scale on which they are compared.

    Attributes:
        weights: One per score, not negative, at least one positive.
        by: ``rank`` compares places in the ranking, ``minmax`` positions between the
            least and the greatest score.
    """

    weights: tuple[float, ...]
    by: str = "rank"


def mix(scores: np.ndarray, mixture: Mixture, is_valid: np.ndarray) -> np.ndarray:
    """Weighted mean, float32 ``[n]`` in [0, 1], of scores ``[n parts]``.

    Each part is scaled to [0, 1] over the valid candidates; the others get 0.

    Raises:
        ValueError: If there is not one weight per part.
    """
    if scores.ndim != 2 or scores.shape[1] != len(mixture.weights):
        raise ValueError(f"{scores.shape} scores for {len(mixture.weights)} weights")
    scale = _fractional_ranks if mixture.by == "rank" else _within_range
    total = np.zeros(len(scores), np.float32)
    for part, weight in zip(scores.T, mixture.weights, strict=True):
        fraction = np.float32(weight / sum(mixture.weights))
        total[is_valid] += fraction * scale(part[is_valid].astype(np.float32))
    return total


def _within_range(values: np.ndarray) -> np.ndarray:
    """Values from 0 for the least to 1 for the greatest; all 0 if they are equal."""
    if not len(values):
        return values
    low, high = values.min(), values.max()
    return (values - low) / (high - low) if high > low else np.zeros_like(values)


def _fractional_ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 0 to 1, equal values at the mean of theirs; 0.5 for one value."""
    count = len(values)
    if count < 2:
        return np.full(count, 0.5, np.float32)
    order = np.argsort(values)
    ordered = values[order]
    first = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    length = np.diff(first, append=count)
    mean = (first + (length - 1) / 2) / (count - 1)
    ranks = np.empty(count, np.float32)
    ranks[order] = np.repeat(mean.astype(np.float32), length)
    return ranks
