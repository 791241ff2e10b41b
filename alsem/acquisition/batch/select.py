"""Batch selection: from a score per candidate to the ids of one round's queries.

`STEPS` lists the steps that a config may name (`active.diversity`).
"""

import dataclasses

import numpy as np

from alsem.acquisition.batch import embedding_steps, steps
from alsem.acquisition.batch.context import (
    Batch,
    PredictFn,
    Running,
    Step,
    best_rows,
    ranked,
)
from alsem.acquisition.candidates import Candidates
from alsem.core import rng
from alsem.core.arrays import PRNGKeyArray

SURPLUS = 2  # candidates per pick that a step leaves to the steps after it

STEPS: dict[str, Step] = {
    "top_k": steps.top_k,
    "one_per_voxel": steps.one_per_voxel,
    "frame_cap": steps.frame_cap,
    "top_fraction": steps.top_fraction,
    "cluster_decay": steps.cluster_decay,
    "least_labelled": steps.least_labelled,
    "spaced": steps.spaced,
    "k_centre": steps.k_centre,
    "coreset": embedding_steps.coreset,
    "badge": embedding_steps.badge,
    "fisher": embedding_steps.fisher,
}
NEED_PREDICTIONS = frozenset({"coreset", "badge", "fisher"})


def choose(
    key: PRNGKeyArray,
    scores: np.ndarray,
    candidates: Candidates,
    queried: np.ndarray,
    *,
    num: int,
    rule: tuple[Step, ...],
    allowed: np.ndarray | None = None,
    predict: PredictFn | None = None,
) -> np.ndarray:
    """Ids int64 ``[num]`` of the candidates to query, the most wanted first.

    All distinct, none queried before, none invalid; fewer only if no more exist. The
    order of the pool and further candidates that are not valid do not matter.

    Args:
        key: Of the random draws, which follow a candidate's point and frame.
        scores: float32 ``[n]``, finite and not negative where a candidate is valid.
        candidates: The pool.
        queried: int64 ``[m]``, ids queried before.
        num: Number to select.
        rule: Steps, the first one first; the last one's result is cut to ``num``.
        allowed: bool ``[n]``; candidates with False are not queried.
        predict: Function of ids to their posterior, for the steps in
            `NEED_PREDICTIONS`.

    Raises:
        ValueError: If the scores cannot be ranked, or a step lacks the predictions.
    """
    queried = np.asarray(queried, np.int64)
    may_be_queried = candidates.is_valid.copy()
    if allowed is not None:
        may_be_queried &= allowed
    may_be_queried[queried] = False
    batch = Batch(key, candidates, queried, num, predict)
    running = Running(*_rankable(scores, candidates, np.flatnonzero(may_be_queried)))
    return run(rule, batch, running, keep=num)


def run(
    rule: tuple[Step, ...], batch: Batch, running: Running, *, keep: int
) -> np.ndarray:
    """Ids int64 of the ``keep`` candidates that a rule ranks first."""
    for number, step in enumerate(rule):
        is_last = number == len(rule) - 1
        running = step(batch, running, keep=keep if is_last else SURPLUS * keep)
    return running.ids[best_rows(batch, running, keep)]


def mixed(
    batch: Batch,
    running: Running,
    *,
    keep: int,
    explore: tuple[Step, ...],
    exploit: tuple[Step, ...],
    fraction: float,
) -> Running:
    """A fraction of the batch explores, whatever the scores; the rest follows them.

    A model can be certain about objects of a class that it has no label of, so
    uncertainty alone may never query it; exploring continues in every round.

    Args:
        batch: The batch.
        running: Candidates to choose from.
        keep: Number to return.
        explore: Rule that is given equal scores.
        exploit: Rule that is given the scores, with the explored picks as queried.
        fraction: Of the batch that explores, in [0, 1].
    """
    num = round(fraction * keep)
    equal = Running(running.ids, np.ones(len(running.ids), np.float32))
    exploring = dataclasses.replace(batch, num=num, key=rng.stream(batch.key, "mixed"))
    first = run(explore, exploring, equal, keep=num)
    rest = running.at(np.flatnonzero(~np.isin(running.ids, first)))
    num = keep - len(first)
    exploiting = dataclasses.replace(
        batch, num=num, queried=np.concatenate([batch.queried, first])
    )
    second = run(exploit, exploiting, rest, keep=num)
    # In turns, so that a batch that is cut short still has both.
    turn = [
        (np.arange(len(part)) + 0.5) / max(len(part), 1) for part in (first, second)
    ]
    order = np.argsort(np.concatenate(turn), kind="stable")
    return ranked(np.concatenate([first, second])[order])


def _rankable(
    scores: np.ndarray, candidates: Candidates, ids: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Ids and their scores, or ValueError if they cannot be ranked."""
    scores = np.asarray(scores, np.float32)
    if scores.shape != (len(candidates),):
        raise ValueError(f"{scores.shape} scores for {len(candidates)} candidates")
    running = scores[ids]
    if not np.isfinite(running).all():
        raise ValueError("scores of candidates to choose from are not all finite")
    if running.min(initial=0.0) < 0:
        raise ValueError("scores of candidates to choose from are negative")
    return ids, running
