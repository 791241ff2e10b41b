"""Learning a policy offline: from labelled rooms to a file that ranks."""

import jax
import numpy as np
import pytest
import tiny

from alsem.core.errors import InputError
from alsem.policy import features
from alsem.policy.head import PolicyHead
from alsem.policy.targets import PolicyTargets
from alsem.runs import policy_rooms

HEAD = PolicyHead(width=16, depth=1)


def policy_targets(num, *, seed):
    """Gains that follow the second cue."""
    rng = np.random.default_rng(seed)
    cues = rng.uniform(-1, 1, (num, len(features.policy_names())))
    cues = cues.astype(np.float32)
    gain = 2 * cues[:, 1] + rng.normal(0, 0.1, num)
    return PolicyTargets(
        np.arange(num),
        cues,
        (cues[:, 0] > 0).astype(np.float32),
        gain.astype(np.float32),
    )


def test_what_is_learnt_in_some_rooms_ranks_the_queries_of_another():
    params = policy_rooms.learn(
        HEAD, policy_targets(512, seed=0), jax.random.key(0), steps=200, batch=128
    )
    assert policy_rooms.rank_agreement(HEAD, params, policy_targets(256, seed=1)) > 0.9
    born = policy_rooms.learn(
        HEAD, policy_targets(8, seed=0), jax.random.key(0), steps=1
    )
    assert policy_rooms.rank_agreement(HEAD, born, policy_targets(256, seed=1)) < 0.8


def teach(config, folder, monkeypatch):
    monkeypatch.setattr(policy_rooms, "ROUNDS", 3)
    lines = []
    (found,) = policy_rooms.teach(
        config,
        folder,
        rooms=[0],
        teachers=["random"],
        start=None,
        tell=lines.append,
    )
    return found, lines


def test_a_taught_room_tells_what_became_of_its_queries(tmp_path, monkeypatch):
    tiny.write_box(tmp_path / "captures")
    config = tiny.config(tmp_path / "captures")
    found, lines = teach(config, tmp_path / "runs", monkeypatch)
    # Of three rounds the second alone has a model before it and one after.
    assert len(found) == 8 and lines == ["room 0, random: 8 queries"]
    assert set(found.wrong) <= {0.0, 1.0}
    assert np.isfinite(found.gain).all() and found.gain.any()
    again, _ = teach(config, tmp_path / "runs", monkeypatch)
    np.testing.assert_array_equal(again.gain, found.gain)
    other = tiny.config(tmp_path / "captures", active__initial_clicks=9)
    with pytest.raises(InputError, match=r"active\.initial_clicks"):
        teach(other, tmp_path / "runs", monkeypatch)
