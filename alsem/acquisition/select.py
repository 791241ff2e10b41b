"""Batch rules: from a score per candidate to the ids of one round's queries.

A rule takes a key, scores float32 ``[n]`` (NumPy, finite), the candidates and the
ids already asked int64 ``[m]``; it returns ``num`` distinct ids int64, the most
wanted first, none of them asked before and none invalid. It returns fewer only if
no more exist.

Why a minimum distance: the most uncertain candidates huddle together, and a batch
of neighbours teaches hardly more than one of them.
"""

import functools
import math
from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from scipy.spatial import KDTree

from alsem.acquisition.candidates import Candidates, features, surface_area
from alsem.typing import Array, Float, Int, PRNGKeyArray

SHORTLIST_PER_PICK = 8  # at least, and less than twice that
MIN_SHORTLIST = 1 << 15
MIN_WEIGHT = 1e-4  # share of the best score: hopeless candidates still spread out


@runtime_checkable
class SelectFn(Protocol):
    """A batch rule; further options are bound with ``functools.partial``."""

    def __call__(
        self,
        key: PRNGKeyArray,
        scores: np.ndarray,
        candidates: Candidates,
        labelled_ids: np.ndarray,
        *,
        num: int,
    ) -> np.ndarray:
        """Ids int64 ``[num]`` of the candidates to ask about, most wanted first."""
        ...


def top_k(
    key: PRNGKeyArray,
    scores: np.ndarray,
    candidates: Candidates,
    labelled_ids: np.ndarray,
    *,
    num: int,
) -> np.ndarray:
    """The ``num`` best scores; of equal ones the lowest id first."""
    del key
    ids = askable(candidates, labelled_ids)
    return ids[best_of(_checked(scores, candidates)[ids], num=num)]


def spaced(
    key: PRNGKeyArray,
    scores: np.ndarray,
    candidates: Candidates,
    labelled_ids: np.ndarray,
    *,
    num: int,
    spacing: float = 0.5,
    power: float = 1.0,
    normal_metres: float = 0.0,
    albedo_metres: float = 0.0,
) -> np.ndarray:
    """Good scores that keep their distance from each other and from earlier labels.

    Takes, one after the other, the candidate with the greatest
    ``score * min(distance / radius, 1) ** power``, the distance being that to the
    nearest pick or earlier label. The radius is ``spacing * sqrt(area / labels)``
    with the labels there will be after this batch, so it follows the size of the
    scene and shrinks as labels fill it. With an infinite ``spacing`` and equal scores
    this is farthest-first traversal, the 2-approximation of k-centre (Gonzalez 1985).

    Only the best candidate of each voxel takes part, and of those a shortlist; where
    scores tie at its end, the key decides who is on it.

    Args:
        key: Breaks ties on the shortlist.
        scores: float32 ``[n]``, finite and not negative.
        candidates: The pool.
        labelled_ids: int64 ``[m]``, already asked.
        num: How many to return.
        spacing: Radius in units of the mean distance between labels.
        power: How sharply closeness is punished.
        normal_metres: Metres of distance per unit of difference between normals.
        albedo_metres: Metres of distance per unit of difference between colours.

    Raises:
        ValueError: If a score is negative or not finite.
    """
    scores = _checked(scores, candidates)
    if scores.min(initial=0.0) < 0:
        raise ValueError("spaced needs scores that are not negative")
    ids = askable(candidates, labelled_ids)
    short = shortlist(key, scores, candidates, ids, num=min(num, len(ids)))
    place = functools.partial(
        features, candidates, normal_metres=normal_metres, albedo_metres=albedo_metres
    )
    labelled_ids = np.asarray(labelled_ids, np.int64)
    num_labels = len(labelled_ids) + num
    radius = spacing * math.sqrt(surface_area(candidates) / max(num_labels, 1))
    x = place(short)
    near = distance_to(x, place(labelled_ids[candidates.is_valid[labelled_ids]]))
    picks = greedy(x, scores[short], near, num=num, radius=radius, power=power)
    return short[picks]


def mixed(
    key: PRNGKeyArray,
    scores: np.ndarray,
    candidates: Candidates,
    labelled_ids: np.ndarray,
    *,
    num: int,
    explore: SelectFn,
    exploit: SelectFn,
    share: float,
) -> np.ndarray:
    """A share of the batch explores, whatever the scores; the rest goes by them.

    A model is sure of a class it has never met, so uncertainty alone may never ask
    about it; exploring goes on in every round.

    Args:
        key: Randomness of both rules.
        scores: ``[n]``, for ``exploit``.
        candidates: The pool.
        labelled_ids: Asked before.
        num: Size of the batch.
        explore: Rule that is given equal scores.
        exploit: Rule that is given the scores, and the explored picks as asked.
        share: Of the batch that explores, in [0, 1].
    """
    keys = jax.random.split(key)
    equal = np.ones(len(candidates), np.float32)
    first = explore(keys[0], equal, candidates, labelled_ids, num=round(share * num))
    asked = np.concatenate([np.asarray(labelled_ids, np.int64), first])
    rest = exploit(keys[1], scores, candidates, asked, num=num - len(first))
    return np.concatenate([first, rest])


def _checked(scores: np.ndarray, candidates: Candidates) -> np.ndarray:
    """Scores as they are, or ValueError if they cannot be ranked."""
    scores = np.asarray(scores, np.float32)
    if scores.shape != (len(candidates),):
        raise ValueError(f"{scores.shape} scores for {len(candidates)} candidates")
    if not np.isfinite(scores[candidates.is_valid]).all():
        raise ValueError("scores of valid candidates are not all finite")
    return np.where(candidates.is_valid, scores, 0.0).astype(np.float32)


def askable(candidates: Candidates, labelled_ids: np.ndarray) -> np.ndarray:
    """Ids int64, rising, of valid candidates that were not asked about before."""
    may_be_asked = candidates.is_valid.copy()
    may_be_asked[np.asarray(labelled_ids, np.int64)] = False
    return np.flatnonzero(may_be_asked)


def best_of(scores: np.ndarray, *, num: int) -> np.ndarray:
    """Indices of the ``num`` greatest, falling; of equal ones the first. O(n)."""
    num = min(num, len(scores))
    if num <= 0:
        return np.zeros(0, np.int64)
    last = np.partition(scores, len(scores) - num)[len(scores) - num]
    above = np.flatnonzero(scores > last)
    level = np.flatnonzero(scores == last)[: num - len(above)]
    chosen = np.concatenate([above, level])
    return chosen[np.lexsort((chosen, -scores[chosen]))]


def one_per_voxel(
    scores: np.ndarray, candidates: Candidates, ids: np.ndarray
) -> np.ndarray:
    """Of the given rising ids, the best of each voxel; of equal ones the lowest."""
    voxel, score = candidates.voxel[ids], scores[ids]
    best = np.full(candidates.num_voxels, -np.inf, np.float32)
    np.maximum.at(best, voxel, score)
    winners = np.flatnonzero(score == best[voxel])
    first = np.full(candidates.num_voxels, -1, np.int64)
    # Written backwards, the lowest of the winners is what stays.
    first[voxel[winners[::-1]]] = ids[winners[::-1]]
    return np.sort(first[first >= 0])


def shortlist(
    key: PRNGKeyArray,
    scores: np.ndarray,
    candidates: Candidates,
    ids: np.ndarray,
    *,
    num: int,
) -> np.ndarray:
    """Ids worth a closer look for ``num`` picks, best first; ties fall by the key."""
    short = one_per_voxel(scores, candidates, ids)
    if len(short) < num:
        short = ids
    seed = np.asarray(jax.random.key_data(key)).tolist()
    short = np.random.default_rng(seed).permutation(short)
    size = max(_power_of_two(SHORTLIST_PER_PICK * max(num, 1)), MIN_SHORTLIST)
    return short[best_of(scores[short], num=size)]


def distance_to(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Distance float32 ``[s]`` to the nearest of the others; infinite without any."""
    if not len(others):
        return np.full(len(points), np.inf, np.float32)
    return KDTree(others).query(points)[0].astype(np.float32)


def greedy(
    points: np.ndarray,
    scores: np.ndarray,
    distance: np.ndarray,
    *,
    num: int,
    radius: float = math.inf,
    power: float = 1.0,
) -> np.ndarray:
    """Indices of ``num`` points of a high score far from all picked before them.

    Args:
        points: ``[s d]`` metres.
        scores: ``[s]``, not negative.
        distance: ``[s]`` metres to the nearest point that counts as picked already.
        num: How many; all points if there are fewer.
        radius: Metres from which on distance does not matter.
        power: How sharply closeness is punished.
    """
    num = min(num, len(points))
    if num <= 0:
        return np.zeros(0, np.int64)
    # Maximising score * d**power is maximising score**(2/power) * d**2: no root and
    # no power in the loop.
    relative = scores / max(float(scores.max()), np.finfo(np.float32).tiny)
    weight = np.maximum(relative, MIN_WEIGHT) ** (2 / power)
    gain = weight * np.square(np.minimum(distance, radius))
    # Sizes rounded up to powers of two: few shapes, so few compilations.
    extra = _power_of_two(len(points)) - len(points)
    picks = _greedy(
        tuple(np.pad(column, (0, extra)).astype(np.float32) for column in points.T),
        np.pad(weight, (0, extra)).astype(np.float32),
        np.pad(gain, (0, extra), constant_values=-1.0).astype(np.float32),
        num,
        capacity=_power_of_two(num),
    )
    return np.asarray(picks, np.int64)[:num]


def _power_of_two(count: int) -> int:
    """The least power of two that is not below a positive count."""
    return 1 << (count - 1).bit_length()


@functools.partial(jax.jit, static_argnames=("capacity",))
def _greedy(
    columns: tuple[Float[Array, "s"], ...],
    weight: Float[Array, "s"],
    gain: Float[Array, "s"],
    num: int | Int[Array, ""],
    *,
    capacity: int,
) -> Int[Array, "capacity"]:
    """Picks the greatest gain ``num`` times; negative gains are never picked."""

    def step(i, state):
        gain, picks = state
        pick = _argmax(gain)
        square = sum(jnp.square(column - column[pick]) for column in columns)
        gain = jnp.minimum(gain, weight * square).at[pick].set(-1.0)
        return gain, picks.at[i].set(pick)

    picks = jnp.full(capacity, -1, jnp.int32)
    return jax.lax.fori_loop(0, num, step, (gain, picks))[1]


def _argmax(values: Float[Array, "s"]) -> Int[Array, ""]:
    """First index of the greatest of a power of two of values.

    By rows, because the CPU compiler vectorises a maximum but not an argmax (the
    whole loop of picks runs ten times as fast).
    """
    rows = values.reshape(-1, min(512, len(values)))
    row = jnp.argmax(jnp.max(rows, axis=1))
    column = jnp.argmax(rows[row])
    return (row * rows.shape[1] + column).astype(jnp.int32)
