"""The inputs of batch selection, and the contract of its steps.

A batch rule is a tuple of steps (`select.choose` runs them), so that diversity is
composed in a config: one per voxel, then a cap per frame, then spacing. A step gets the
batch and the candidates still running, and returns those running after it:

- a step that narrows leaves at least ``batch.num``, unless fewer came in: those that it
  would have dropped then come last;
- a step that ranks returns the first ``keep``, with falling scores. ``keep`` is more
  than ``batch.num`` if further steps follow.
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
    """What one round's queries are selected from, and how many.

    Attributes:
        key: Randomness of the selection; draws follow the candidate, not its row.
        candidates: The pool.
        queried: int64 ``[m]`` ids queried before.
        num: Number to select.
        predict: Function of ids ``[m]`` to their posterior, leaves ``[m ...]``; None
            without a model.
    """

    key: PRNGKeyArray
    candidates: Candidates
    queried: np.ndarray
    num: int
    predict: PredictFn | None = None

    def draws(self, name: str) -> ranking.DrawFn:
        """Random numbers of candidates, one stream per name."""
        return ranking.make_draws(self.key, name, self.candidates)

    @property
    def queried_valid(self) -> np.ndarray:
        """Those queried before that lie on a surface, int64."""
        return self.queried[self.candidates.is_valid[self.queried]]


class Running(NamedTuple):
    """Candidates that may still be selected; draws decide between equal scores.

    Attributes:
        ids: int64 ``[s]``.
        scores: float32 ``[s]``, not negative; the greatest come first.
    """

    ids: np.ndarray
    scores: np.ndarray

    def at(self, rows: np.ndarray) -> "Running":
        """The rows of an index."""
        return Running(self.ids[rows], self.scores[rows])


@runtime_checkable
class Step(Protocol):
    """A step; its options are bound with ``functools.partial``."""

    def __call__(self, batch: Batch, running: Running, *, keep: int) -> Running:
        """The candidates running after the step."""
        ...


def ranked(ids: np.ndarray) -> Running:
    """Ids in the order given."""
    return Running(ids, np.arange(len(ids), 0, -1, dtype=np.float32))


def best_rows(batch: Batch, running: Running, num: int) -> np.ndarray:
    """Rows of the ``num`` greatest scores, the greatest first."""
    return ranking.best(*running, batch.draws("ties"), num=num)


def voxel_rows(batch: Batch, running: Running) -> np.ndarray:
    """Rows of the best candidate of each voxel, ascending."""
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
    """Those rows, followed by the best others if they are fewer than a batch."""
    missing = batch.num - len(rows)
    if missing <= 0 or len(rows) == len(running.ids):
        return running.at(rows)
    kept, others = running.at(rows), np.delete(np.arange(len(running.ids)), rows)
    first = kept.ids[best_rows(batch, kept, len(rows))]
    rest = running.at(others)
    return ranked(np.concatenate([first, rest.ids[best_rows(batch, rest, missing)]]))
