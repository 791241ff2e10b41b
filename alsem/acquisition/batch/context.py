"""What a batch is chosen from, and the contract of the steps that choose it.

A batch rule is a tuple of steps (`select.choose` runs them), so that diversity is
put together in a config: one per voxel, then a cap per frame, then spacing. A step
gets the batch and what is running, and returns what is running after it:

- one that narrows leaves at least ``batch.num``, unless fewer came in: what it would
  have thrown out then comes last;
- one that ranks returns the ``keep`` most wanted, with scores that fall. ``keep`` is
  more than ``batch.num`` if further steps follow.
"""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from alsem.acquisition.batch import ranking
from alsem.acquisition.candidates import Candidates
from alsem.core.arrays import PRNGKeyArray
from alsem.core.types import Posterior

PredictFn = Callable[[np.ndarray], Posterior]


@dataclasses.dataclass(frozen=True)
class Batch:
    """What one round's queries are chosen from, and how many.

    Attributes:
        key: Randomness of the choice; draws follow the candidate, not its row.
        candidates: The pool.
        queried: int64 ``[m]`` ids asked before.
        num: How many to choose.
        beliefs: Function of ids ``[m]`` to what the model believes of them, leaves
            ``[m ...]``; None without a model.
    """

    key: PRNGKeyArray
    candidates: Candidates
    queried: np.ndarray
    num: int
    beliefs: PredictFn | None = None

    def draws(self, name: str) -> ranking.DrawFn:
        """Random numbers of candidates, one stream per name."""
        return ranking.make_draws(self.key, name, self.candidates)

    @property
    def places(self) -> np.ndarray:
        """Those asked before whose place is known, int64."""
        return self.queried[self.candidates.is_valid[self.queried]]


class Running(NamedTuple):
    """Candidates still in the running; of equal scores the draws decide.

    Attributes:
        ids: int64 ``[s]``.
        scores: float32 ``[s]``, not negative; the larger, the sooner.
    """

    ids: np.ndarray
    scores: np.ndarray

    def at(self, rows: np.ndarray) -> "Running":
        """Some of them."""
        return Running(self.ids[rows], self.scores[rows])


@runtime_checkable
class Step(Protocol):
    """A step; further options are bound with ``functools.partial``."""

    def __call__(self, batch: Batch, running: Running, *, keep: int) -> Running:
        """What is in the running after the step."""
        ...


def ranked(ids: np.ndarray) -> Running:
    """Ids in the order given."""
    return Running(ids, np.arange(len(ids), 0, -1, dtype=np.float32))


def best_rows(batch: Batch, running: Running, num: int) -> np.ndarray:
    """Rows of the ``num`` most wanted, most wanted first."""
    return ranking.best(*running, batch.draws("ties"), num=num)


def voxel_rows(batch: Batch, running: Running) -> np.ndarray:
    """Rising rows of the best candidate of each voxel."""
    return ranking.best_per_group(
        batch.candidates.voxel[running.ids],
        *running,
        batch.draws("voxel"),
        num_groups=batch.candidates.num_voxels,
    )


def shortlist(batch: Batch, running: Running, *, size: int) -> Running:
    """The best of each voxel, and of those the ``size`` best, best first."""
    rows = voxel_rows(batch, running)
    if len(rows) >= batch.num:
        running = running.at(rows)
    return running.at(best_rows(batch, running, size))


def filled_up(batch: Batch, running: Running, rows: np.ndarray) -> Running:
    """Those rows; the best of the others after them if they make no batch."""
    missing = batch.num - len(rows)
    if missing <= 0 or len(rows) == len(running.ids):
        return running.at(rows)
    kept, others = running.at(rows), np.delete(np.arange(len(running.ids)), rows)
    first = kept.ids[best_rows(batch, kept, len(rows))]
    rest = running.at(others)
    return ranked(np.concatenate([first, rest.ids[best_rows(batch, rest, missing)]]))
