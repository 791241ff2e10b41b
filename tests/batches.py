"""Batches of a pool, and steps applied to them."""

from collections import Counter

import numpy as np
from pools import KEY

from alsem.acquisition import Batch, Running

NONE = np.zeros(0, np.int64)


def batch_of(candidates, *, num, queried=NONE, key=KEY, predict=None):
    return Batch(key, candidates, np.asarray(queried, np.int64), num, predict)


def running_in(candidates, scores=None, *, queried=NONE):
    ids = np.setdiff1d(np.flatnonzero(candidates.is_valid), queried)
    if scores is None:
        return Running(ids, np.ones(len(ids), np.float32))
    return Running(ids, np.asarray(scores, np.float32)[ids])


def some_scores(n, *, levels=None, seed=2):
    rng = np.random.default_rng(seed)
    return (rng.random(n) if levels is None else rng.integers(0, levels, n)).astype(
        np.float32
    )


def apply(step, candidates, scores=None, *, num, keep=None, queried=NONE, **given):
    """Ids in the order that a step ranks them in."""
    batch = batch_of(candidates, num=num, queried=queried, **given)
    running = running_in(candidates, scores, queried=queried)
    after = step(batch, running, keep=num if keep is None else keep)
    return after.ids[np.argsort(-after.scores, kind="stable")]


def frame_cap_np(candidates, scores, num, cap):
    """The ranking without candidates of frames that have reached the cap."""
    picks, count = [], Counter()
    for i in np.argsort(-scores):
        frame = int(candidates.frame[i])
        if candidates.is_valid[i] and count[frame] < cap and len(picks) < num:
            picks.append(i)
            count[frame] += 1
    return picks
