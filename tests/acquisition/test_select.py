"""Rules: chains of steps, and batches of which a fraction explores."""

import functools
import math

import numpy as np
from batches import apply, batch_of, frame_cap_np, running_in, some_scores
from pools import room

from alsem.acquisition import STEPS
from alsem.acquisition.batch import select, steps


def test_steps_pass_on_twice_the_batch_and_the_last_result_is_cut():
    candidates, scores = room(3000), some_scores(3000)
    batch, running = batch_of(candidates, num=30), running_in(candidates, scores)
    tight = functools.partial(steps.frame_cap, fraction=1.2)
    ids = select.run((STEPS["spaced"], tight), batch, running, keep=30)
    spaced = STEPS["spaced"](batch, running, keep=60)
    ranked = np.zeros(3000)
    ranked[spaced.ids] = spaced.scores
    expected = frame_cap_np(candidates, ranked, 30, math.ceil(1.2 * 30 / 12))
    assert set(expected) != set(spaced.ids[:30].tolist())
    np.testing.assert_array_equal(ids, expected)


def test_a_fraction_of_a_mixed_batch_explores():
    candidates = room()
    scores = np.linspace(0.0, 1.0, len(candidates), dtype=np.float32)
    valid = np.flatnonzero(candidates.is_valid)
    queried = valid[-3:]

    def explore(batch, running, *, keep):
        assert np.ptp(running.scores) == 0.0
        return steps.ranked(running.ids[:keep])

    def exploit(batch, running, *, keep):
        np.testing.assert_array_equal(batch.queried, [*queried, *valid[:5]])
        assert batch.num == keep == 15
        return steps.top_k(batch, running, keep=keep)

    step = functools.partial(
        select.mixed, explore=(explore,), exploit=(exploit,), fraction=0.25
    )
    ids = apply(step, candidates, scores, num=20, queried=queried)
    # In turns, so that a batch cut short has a quarter of them too.
    explored = np.arange(20) % 4 == 1
    np.testing.assert_array_equal(ids[explored], valid[:5])
    np.testing.assert_array_equal(ids[~explored], valid[:-3][::-1][:15])
