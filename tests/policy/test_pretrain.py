"""Pretraining a policy on targets of other rooms."""

import jax
import numpy as np

from alsem.policy.features import policy_names
from alsem.policy.head import PolicyHead
from alsem.policy.pretrain import fit_policy, rank_agreement
from alsem.policy.targets import PolicyTargets

HEAD = PolicyHead(width=16, depth=1)


def targets_of(num, *, seed):
    """Gains that follow the second cue."""
    rng = np.random.default_rng(seed)
    cues = rng.uniform(-1, 1, (num, len(policy_names()))).astype(np.float32)
    gain = (2 * cues[:, 1] + rng.normal(0, 0.1, num)).astype(np.float32)
    return PolicyTargets(np.arange(num), cues, np.float32(cues[:, 0] > 0), gain)


def test_a_policy_trained_in_some_rooms_ranks_the_queries_of_another():
    key, held_out = jax.random.key(0), targets_of(256, seed=1)
    trained = fit_policy(HEAD, targets_of(512, seed=0), key, steps=200, batch=128)
    assert rank_agreement(HEAD, trained, held_out) > 0.9
    untrained = fit_policy(HEAD, targets_of(8, seed=0), key, steps=1)
    assert rank_agreement(HEAD, untrained, held_out) < 0.8
