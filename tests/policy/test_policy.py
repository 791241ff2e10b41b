"""The query policy: what it is told, what it learns from, and its file."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alsem.core.errors import InputError
from alsem.core.mesh import make_mesh
from alsem.policy import targets, weight_files
from alsem.policy.features import policy_names
from alsem.policy.head import PolicyHead
from alsem.policy.loss import Observations, PolicyLoss, policy_loss
from alsem.policy.targets import QueryLog, QuerySnapshot

KEY = jax.random.key(3)
HEAD = PolicyHead(width=8, depth=2)
WIDTH = len(policy_names())


def fresh(description=5, start=None, seed=0):
    key = jax.random.key(seed)
    return weight_files.fresh(HEAD, key, description, start or {})


def observed(n=40, known=30):
    draw = np.random.default_rng(0)
    cues = draw.uniform(0, 1, (n, WIDTH)).astype(np.float32)
    gain = (3.0 * cues[:, 0]).astype(np.float32)
    gain[known:] = np.nan
    return Observations(
        pixel=jnp.arange(n, dtype=jnp.int32),
        compact=None,
        cues=jnp.asarray(cues),
        wrong=jnp.asarray((cues[:, 1] > 0.5).astype(np.float32)),
        gain=jnp.asarray(gain),
        count=jnp.int32(n),
    )


# --- the head and its loss


def test_a_fresh_policy_is_blind_to_the_description():
    cues = jnp.ones((3, WIDTH))
    seen = [
        HEAD.apply(fresh(), cues, jnp.full((3, 5), value)).gain for value in (0.0, 7.0)
    ]
    np.testing.assert_array_equal(*seen)


def test_what_nobody_knows_costs_nothing():
    n = 4
    description = jnp.zeros((n, 5))
    nothing = policy_loss(
        HEAD,
        fresh(),
        jnp.ones((n, WIDTH)),
        description,
        jnp.full(n, -1.0),
        jnp.full(n, jnp.nan),
    )
    assert float(nothing) == 0.0
    grads = jax.grad(
        lambda params: policy_loss(
            HEAD,
            params,
            jnp.ones((n, WIDTH)),
            description,
            jnp.array([1.0, -1.0, -1.0, -1.0]),
            jnp.array([jnp.nan, 2.0, jnp.nan, jnp.nan]),
        )
    )(fresh())
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(grads))
    assert any(np.any(leaf != 0) for leaf in jax.tree.leaves(grads))


def test_a_policy_learns_gains_and_mistakes_from_its_cues():
    term = PolicyLoss(head=HEAD, weight=1.0, batch=64)
    data, mesh = observed(), make_mesh(1)

    def describe(compact, pixel, key):
        del compact, key
        return jnp.zeros((pixel.shape[0], 5))

    @jax.jit
    def step(params, key):
        value, grads = jax.value_and_grad(lambda p: term(p, data, key, describe, mesh))(
            params
        )
        return jax.tree.map(lambda p, g: p - 0.1 * g, params, grads), value

    params, losses = fresh(), []
    for i in range(1500):
        params, value = step(params, jax.random.fold_in(KEY, i))
        losses.append(float(value))
    assert np.mean(losses[-20:]) < 0.4 * np.mean(losses[:5])
    forecast = HEAD.apply(params, data.cues, jnp.zeros((40, 5)))
    gain = 3.0 * np.asarray(data.cues[:, 0])
    assert np.corrcoef(forecast.gain, gain)[0, 1] > 0.9
    assert np.corrcoef(forecast.wrong, data.wrong)[0, 1] > 0.6


# --- credit


def miou(label, predicted, classes):
    scores = []
    for c in range(classes):
        union = np.sum((label == c) | (predicted == c))
        if union:
            scores.append(np.sum((label == c) & (predicted == c)) / union)
    return np.mean(scores)


@pytest.mark.parametrize("seed", range(5))
def test_shares_of_a_small_change_add_up_to_the_change_of_miou(seed):
    draw = np.random.default_rng(seed)
    label = draw.choice(6, 20_000, p=[0.5, 0.2, 0.15, 0.1, 0.04, 0.01])
    before = np.where(draw.random(20_000) < 0.3, draw.integers(0, 6, 20_000), label)
    after = before.copy()
    moved = draw.permutation(20_000)[:60]
    after[moved] = np.where(draw.random(60) < 0.7, label[moved], 1)
    fraction = targets.miou_change(label, before, after)
    np.testing.assert_array_equal(fraction != 0, before != after)
    change = miou(label, after, 6) - miou(label, before, 6)
    assert fraction.sum() == pytest.approx(change, rel=0.1, abs=2e-5)


def test_credit_goes_to_the_nearest_query():
    place = np.array([[0.0], [10.0]])
    judges = np.array([[1.0], [2.0], [9.0], [8.0]])
    label = np.array([0, 0, 0, 1])
    before = np.array([3, 0, 0, 3])
    after = np.array([0, 0, 3, 1])
    gain = targets.credit(place, judges, label, before, after)
    fraction = targets.miou_change(label, before, after)
    np.testing.assert_allclose(
        gain, [fraction[0], fraction[2] + fraction[3]], rtol=1e-6
    )
    assert (
        fraction[0] > 0 > fraction[2] and fraction[3] > fraction[0]
    )  # the rarer class
    nobody = np.zeros(0, int)
    none = targets.credit(place, np.zeros((0, 1)), nobody, nobody, nobody)
    np.testing.assert_array_equal(none, [0.0, 0.0])


def test_relative_gains_have_mean_size_one_and_no_outlier_rules():
    gain = np.array([0.1, -0.1, 0.2, 0.0])
    assert np.abs(targets.relative(gain)).mean() == pytest.approx(1.0)
    spike = np.zeros(100)
    spike[0] = 1.0
    assert targets.relative(spike).max() == 10.0
    np.testing.assert_array_equal(targets.relative(np.zeros(3)), np.zeros(3))


def policy_targets(gain):
    n = len(gain)
    return targets.PolicyTargets(
        pixel=np.arange(n),
        cues=np.zeros((n, WIDTH), np.float32),
        wrong=np.zeros(n, np.float32),
        gain=np.asarray(gain, np.float32),
    )


def test_expectations_fade_as_observations_come():
    expected = np.ones(101)
    few = targets.shrunk(policy_targets([3.0] + [np.nan] * 100), expected, 100.0)
    many = targets.shrunk(policy_targets([3.0] * 100 + [np.nan]), expected, 100.0)
    assert few.gain[0] == pytest.approx(1.0 + 2.0 / 101)
    assert many.gain[0] == pytest.approx(2.0)
    assert np.isnan(few.gain[1]) and np.isnan(many.gain[-1])


def test_mistakes_are_known_where_the_asked_pixel_has_a_label():
    queried = QuerySnapshot(
        pixel=np.array([7, 2, 5]),
        cues=np.zeros((3, WIDTH), np.float32),
        predicted=np.array([0, 0, 3, 0, 0, 1, 0, 1], np.uint16),
    )
    pixel, label = np.array([2, 3, 7]), np.array([3, 0, 0])
    found = targets.mistakes(queried, pixel, label)
    np.testing.assert_array_equal(found, [1.0, 0.0, -1.0])
    nothing = targets.mistakes(queried, pixel[:0], label[:0])
    np.testing.assert_array_equal(nothing, [-1.0, -1.0, -1.0])


# --- files


def test_a_diary_gives_back_what_was_written(tmp_path):
    query_log = QueryLog(tmp_path / "policy")
    assert query_log.read(1) is None
    queried = QuerySnapshot(
        pixel=np.array([3, 5]),
        cues=np.ones((2, WIDTH), np.float32),
        predicted=np.arange(9, dtype=np.uint16),
    )
    query_log.write(1, queried)
    query_log.write(1, queried)
    again = query_log.read(1)
    assert again is not None
    for name in ("pixel", "cues", "predicted"):
        np.testing.assert_array_equal(getattr(again, name), getattr(queried, name))


def test_a_policy_file_carries_over_to_another_scene(tmp_path):
    path = tmp_path / "policy.npz"
    learnt = jax.tree.map(lambda leaf: leaf + 0.1, fresh(seed=1))
    weight_files.save(path, learnt)
    start = weight_files.load(path, HEAD)
    elsewhere = fresh(description=9, start=start, seed=2)
    cues = jnp.linspace(0, 1, WIDTH)[None]
    np.testing.assert_array_equal(
        HEAD.apply(elsewhere, cues, jnp.zeros((1, 9))).gain,
        HEAD.apply(learnt, cues, jnp.zeros((1, 5))).gain,
    )
    # The look at the description stays behind.
    np.testing.assert_array_equal(
        HEAD.apply(elsewhere, cues, jnp.ones((1, 9))).gain,
        HEAD.apply(elsewhere, cues, jnp.zeros((1, 9))).gain,
    )


@pytest.mark.parametrize("what", ["missing", "garbage", "cut", "array", "width"])
def test_a_policy_file_that_cannot_be_used_is_told_in_one_line(tmp_path, what):
    path = tmp_path / "policy.npz"
    head = HEAD
    if what == "garbage":
        path.write_bytes(b"no archive")
    elif what == "cut":
        weight_files.save(path, fresh())
        path.write_bytes(path.read_bytes()[:900])
    elif what == "array":
        with path.open("wb") as file:
            np.save(file, np.zeros(3))
    elif what == "width":
        weight_files.save(path, fresh())
        head = PolicyHead(width=16, depth=2)
    with pytest.raises(InputError, match=r"policy\.npz.*train\.policy\.start") as told:
        weight_files.load(path, head)
    assert "\n" not in str(told.value)
