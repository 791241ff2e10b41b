"""Ranking candidates in time linear in their number.

Ties are broken by a draw that depends on the candidate's point and frame and not on its
row, so the order of the pool and padding do not matter.

Why not a sort: of 13.8 million candidates a batch needs a few thousand.
"""

from collections.abc import Callable

import jax
import numpy as np

from alsem.acquisition.candidates import Candidates
from alsem.core import rng
from alsem.core.arrays import PRNGKeyArray

_ROWS_AT_A_TIME = 1 << 16  # what a core's cache holds
DrawFn = Callable[[np.ndarray], np.ndarray]


def make_draws(key: PRNGKeyArray, name: str, candidates: Candidates) -> DrawFn:
    """Function of ids ``[s]`` to random numbers uint64 ``[s]``, one stream per name."""
    words = np.asarray(jax.random.key_data(rng.stream(key, name))).astype(np.uint64)
    seed = (words[0] << np.uint64(32)) | words[-1]

    def draws(ids: np.ndarray) -> np.ndarray:
        out = np.empty(len(ids), np.uint64)
        for start in range(0, len(ids), _ROWS_AT_A_TIME):
            rows = ids[start : start + _ROWS_AT_A_TIME]
            x_bits = np.ascontiguousarray(candidates.x_world[rows]).view(np.uint32)
            bits = np.full(len(rows), seed)
            for column in (*x_bits.T, candidates.frame[rows]):
                bits = _mix(bits ^ column.astype(np.uint64))
            out[start : start + len(rows)] = bits
        return out

    return draws


def _mix(bits: np.ndarray) -> np.ndarray:
    """A bijection of 64 bits with random output (SplitMix64, Steele et al. 2014)."""
    bits = bits + np.uint64(0x9E3779B97F4A7C15)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


def best(ids: np.ndarray, scores: np.ndarray, draws: DrawFn, *, num: int) -> np.ndarray:
    """Rows of the ``num`` greatest scores, falling; ties by their draws. O(n)."""
    num = min(num, len(ids))
    if num <= 0:
        return np.zeros(0, np.int64)
    last = np.partition(scores, len(scores) - num)[len(scores) - num]
    above = np.flatnonzero(scores > last)
    level = np.flatnonzero(scores == last)
    wanted = num - len(above)
    if wanted < len(level):
        level = level[np.argpartition(draws(ids[level]), wanted - 1)[:wanted]]
    chosen = np.concatenate([above, level])
    return chosen[np.lexsort((draws(ids[chosen]), -scores[chosen]))]


def best_per_group(
    group: np.ndarray,
    ids: np.ndarray,
    scores: np.ndarray,
    draws: DrawFn,
    *,
    num_groups: int,
) -> np.ndarray:
    """Rows of the best of each group, ascending; ties by the greatest draw. O(n)."""
    highest = np.full(num_groups, -np.inf, np.float32)
    np.maximum.at(highest, group, scores)
    rows = np.flatnonzero(scores == highest[group])
    count = np.bincount(group[rows], minlength=num_groups)
    is_tied = count[group[rows]] > 1
    tied = rows[is_tied]
    if not len(tied):
        return rows
    drawn = draws(ids[tied])
    greatest = np.zeros(num_groups, np.uint64)
    np.maximum.at(greatest, group[tied], drawn)
    winners = tied[drawn == greatest[group[tied]]]
    # Two of the same point and frame have the same draw: keep the first.
    _, first = np.unique(group[winners], return_index=True)
    return np.sort(np.concatenate([rows[~is_tied], winners[first]]))


def rank_in_group(group: np.ndarray) -> np.ndarray:
    """Number of rows of the same group before each row, int64."""
    order = np.argsort(group, kind="stable")
    ordered = group[order]
    is_first = np.ones(len(group), bool)
    is_first[1:] = ordered[1:] != ordered[:-1]
    start = np.maximum.accumulate(np.where(is_first, np.arange(len(group)), 0))
    rank = np.empty(len(group), np.int64)
    rank[order] = np.arange(len(group)) - start
    return rank
