"""Pooling: scores and candidates of units in place of those of single rays."""

import dataclasses

import numpy as np

from alsem.acquisition.candidates import Candidates
from alsem.acquisition.units.units import Units
from alsem.core.arrays import Float

POOLINGS = ("mean", "max", "sum")


def pool_scores(
    scores: Float[np.ndarray, "n"],
    units: Units,
    candidates: Candidates,
    *,
    how: str = "mean",
) -> Float[np.ndarray, "u"]:
    """Score of every unit from those of its valid pixels.

    Args:
        scores: Of the candidates, finite where they are valid.
        units: The units to score.
        candidates: The pool.
        how: One of `POOLINGS`; the sum favours large units.

    Returns:
        float32; 0 for a unit without valid pixel. Of points the array itself.

    Raises:
        ValueError: If ``how`` is not known.
    """
    if how not in POOLINGS:
        raise ValueError(f"pooling {how!r} is none of {POOLINGS}")
    if units.granularity == "point":
        return scores
    inside = candidates.is_valid & (units.unit >= 0)
    unit, scores = units.unit[inside], scores[inside]
    if how == "max":
        best = np.full(units.num_units, -np.inf, np.float32)
        np.maximum.at(best, unit, scores)
        return np.where(units.anchor >= 0, best, np.float32(0))
    pooled = np.bincount(unit, scores, minlength=units.num_units)
    if how == "mean":
        pooled = pooled / np.maximum(np.bincount(unit, minlength=units.num_units), 1)
    return pooled.astype(np.float32)


def unit_candidates(candidates: Candidates, units: Units) -> Candidates:
    """One row per unit, its anchor's, so that batch rules work on units as on rays.

    A unit without valid pixel has the row of its first pixel and is not valid. Of
    points the candidates themselves.
    """
    if units.granularity == "point":
        return candidates
    rows = np.where(units.anchor >= 0, units.anchor, units.order[units.start[:-1]])
    per_row = {
        field.name: getattr(candidates, field.name)[rows]
        for field in dataclasses.fields(candidates)
        if isinstance(getattr(candidates, field.name), np.ndarray)
    }
    return dataclasses.replace(candidates, **per_row)
