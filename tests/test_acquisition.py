"""Scores, cues and batch rules: against definitions, by contract and known answers."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alsem import acquisition, sharding
from alsem.acquisition import SCORES, STRATEGIES, Cues, select
from alsem.acquisition.candidates import features
from alsem.types import InputError, Posterior

KEY = jax.random.key(7)
# Differences of float32 probabilities; how they are rounded follows the chunk's size.
ROUNDING = 1e-6
C = 5  # classes
SPACED = {"geometry", "coverage"}

each_strategy = pytest.mark.parametrize("name", STRATEGIES)
each_score = pytest.mark.parametrize("name", SCORES)


def room(n=3000, *, seed=0, voxel_size=0.1, invalid=0.1):
    """Candidates on the six faces of a box 4 m wide, seen by 12 frames."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(0.0, 4.0, (n, 3))
    axis, side = rng.integers(0, 3, n), rng.integers(0, 2, n)
    x[np.arange(n), axis] = 4.0 * side + rng.normal(0, 0.005, n)
    normal = np.zeros((n, 3), np.float32)
    normal[np.arange(n), axis] = 1.0 - 2.0 * side
    return acquisition.make_candidates(
        x.astype(np.float32),
        normal,
        rng.random((n, 3), dtype=np.float32),
        rng.integers(0, 12, n).astype(np.int32),
        np.where(rng.random(n) < invalid, 0.2, 0.6 + 0.4 * rng.random(n)),
        voxel_size=voxel_size,
        min_purity=0.5,
    )


def rows(candidates, index):
    """The same candidates in another order, or padded with index -1 (not valid)."""
    there = index >= 0
    return acquisition.make_candidates(
        candidates.x_world[index],
        candidates.normal[index],
        candidates.albedo[index],
        candidates.frame[index],
        np.where(there, candidates.purity[index], 0).astype(np.uint8),
        voxel_size=candidates.voxel_size,
        min_purity=0.5,
    )


def logits_of(n, *, members=2, seed=1):
    return np.random.default_rng(seed).normal(0, 2, (n, members, C)).astype(np.float32)


def posterior_of(params, logits):
    n = logits.shape[0]
    zeros = jnp.zeros((n, 3))
    return Posterior(
        probs=jax.nn.softmax(params * logits, axis=-1),
        x_world=zeros,
        normal=zeros,
        albedo=zeros,
        distance=zeros[:, 0],
        purity=zeros[:, 0],
    )


def one(probs):
    """Posterior of one candidate."""
    zero = jnp.zeros(3)
    return Posterior(
        probs=jnp.asarray(probs, jnp.float32),
        x_world=zero,
        normal=zero,
        albedo=zero,
        distance=jnp.zeros(()),
        purity=jnp.zeros(()),
    )


def cues_of(num_views=6, coherence=1.0, purity=1.0):
    return Cues(
        num_views=jnp.int32(num_views),
        coherence=jnp.float32(coherence),
        purity=jnp.float32(purity),
    )


CLEAR = cues_of()


def take(tree, index):
    return jax.tree.map(lambda leaf: leaf[index], tree)


@functools.cache
def scorer(name):
    return acquisition.make_scorer(SCORES[name], posterior_of)


def score_all(name, candidates, *, key=KEY):
    n = len(candidates)
    cues = acquisition.voxel_cues(candidates)
    ids = np.arange(n, dtype=np.int32)
    return np.asarray(scorer(name)(1.0, key, ids, logits_of(n), cues))


def score_of(strategy):
    return next(n for n, score in SCORES.items() if score is strategy.score)


def choose(name, candidates, labelled=(), *, num, key=KEY, scores=None):
    strategy = STRATEGIES[name]
    if scores is None:
        scores = score_all(score_of(strategy), candidates)
    labelled = np.asarray(labelled, np.int64)
    return strategy.select(key, scores, candidates, labelled, num=num)


# --- scores: by contract


@each_score
def test_one_score_is_a_finite_scalar_that_is_not_negative(name):
    for probs in ([[1.0, 0, 0]], [[1 / 3] * 3], [[0.2, 0.3, 0.5], [0, 1.0, 0]]):
        for cues in (CLEAR, cues_of(0, 0.0, 0.0)):
            value = SCORES[name](KEY, one(probs), cues)
            assert value.shape == () and value.dtype == jnp.float32
            assert np.isfinite(value) and value >= 0


@each_score
def test_scores_of_a_chunk_are_those_of_its_candidates_one_by_one(name, strict_dtypes):
    candidates = room(20)
    cues = acquisition.voxel_cues(candidates)
    beliefs = posterior_of(jnp.float32(1.0), logits_of(20))
    alone = [
        SCORES[name](
            jax.random.fold_in(KEY, i),
            take(beliefs, i),
            jax.tree.map(jnp.asarray, take(cues, i)),
        )
        for i in range(20)
    ]
    np.testing.assert_allclose(score_all(name, candidates), alone, atol=ROUNDING)


@each_score
def test_chunks_order_and_padding_do_not_change_scores(name):
    candidates = room(300)
    cues, logits = acquisition.voxel_cues(candidates), logits_of(300)
    whole = score_all(name, candidates)

    def score(index):
        return scorer(name)(
            1.0, KEY, index.astype(np.int32), logits[index], take(cues, index)
        )

    for chunk in np.split(np.random.default_rng(3).permutation(300), 3):
        np.testing.assert_allclose(score(chunk), whole[chunk], atol=ROUNDING)
    padded = np.minimum(np.arange(400), 299)
    np.testing.assert_allclose(score(padded)[:300], whole, atol=ROUNDING)


@each_score
def test_eight_devices_score_as_one_does_and_send_nothing(name):
    n = 800
    cues, logits = acquisition.voxel_cues(room(n)), logits_of(n)
    ids = np.arange(n, dtype=np.int32)
    alone = scorer(name)(jnp.float32(1.0), KEY, ids, logits, cues)
    mesh = sharding.make_mesh()
    split = sharding.batched(mesh)
    spread = jax.device_put((ids, logits, cues), split)
    params, key = jax.device_put((jnp.float32(1.0), KEY), sharding.replicated(mesh))
    together = scorer(name)(params, key, *spread)
    if name != "coverage":  # a constant lives on no device in particular
        assert len(together.sharding.device_set) == 8
    np.testing.assert_allclose(together, alone, atol=ROUNDING)
    hlo = scorer(name).lower(params, key, *spread).compile().as_text()
    for collective in ("all-gather", "all-reduce", "all-to-all", "collective-permute"):
        assert collective not in hlo


def test_a_random_score_differs_between_keys_and_candidates():
    first = score_all("uniform", room(100))
    second = score_all("uniform", room(100), key=jax.random.key(8))
    assert len(np.unique(first)) == 100 and not np.intersect1d(first, second).size


# --- scores: definitions and known answers


def entropy_np(probs, cues):
    return -np.sum(probs * np.log(probs), axis=-1)


def margin_np(probs, cues):
    ranked = np.sort(probs, axis=-1)
    return 1.0 - (ranked[:, -1] - ranked[:, -2])


def geometry_np(probs, cues):
    visibility = cues.num_views / (cues.num_views + 2.0)
    weight = np.prod(
        [np.clip(cue, 0.1, 1.0) for cue in (visibility, cues.coherence, cues.purity)],
        axis=0,
    )
    return weight * margin_np(probs, cues)


@pytest.mark.parametrize("definition", [entropy_np, margin_np, geometry_np])
def test_scores_of_a_whole_pool_match_numpy(definition):
    # Many: some compilers go wrong only where they split the work.
    n = 100_000
    candidates = room(n)
    probs = np.exp(logits_of(n).astype(np.float64))
    probs = (probs / probs.sum(axis=-1, keepdims=True)).mean(axis=1)
    expected = definition(probs, acquisition.voxel_cues(candidates))
    name = definition.__name__.removesuffix("_np")
    np.testing.assert_allclose(score_all(name, candidates), expected, atol=ROUNDING)


@pytest.mark.parametrize("classes", [2, 3, 100])
def test_even_belief_has_the_greatest_entropy_and_margin(classes):
    even = one(np.full((3, classes), 1 / classes))
    entropy = SCORES["entropy"](KEY, even, CLEAR)
    np.testing.assert_allclose(entropy, math.log(classes), rtol=1e-5)
    np.testing.assert_allclose(SCORES["margin"](KEY, even, CLEAR), 1.0, rtol=1e-6)


@pytest.mark.parametrize("classes", [1, 2, 7])
@pytest.mark.parametrize("name", ["entropy", "margin", "geometry"])
def test_certainty_scores_zero(name, classes):
    assert SCORES[name](KEY, one(np.eye(classes)[:1]), CLEAR) == 0.0


def test_members_that_disagree_are_uncertain_together():
    torn = one([[1.0, 0.0], [0.0, 1.0]])
    np.testing.assert_allclose(SCORES["entropy"](KEY, torn, CLEAR), math.log(2))
    assert SCORES["margin"](KEY, torn, CLEAR) == 1.0


def test_geometry_weighs_down_but_never_silences():
    torn = one([[0.5, 0.5]])
    score = functools.partial(SCORES["geometry"], KEY, torn)
    assert score(cues_of(2)) < score(cues_of(6)) < score(cues_of(60)) < 1.0
    assert score(cues_of(coherence=0.5)) == 0.5 * score(CLEAR)
    assert score(cues_of(purity=0.5)) == 0.5 * score(CLEAR)
    np.testing.assert_allclose(score(cues_of(0, 0.0, 0.0)), 1e-3, rtol=1e-6)


# --- candidates and cues


def test_candidates_say_where_no_surface_is():
    x = np.array([[0.01, 0, 0], [0.02, 0, 0], [np.nan, 0, 0], [0.5, 0, 0]], np.float32)
    candidates = acquisition.make_candidates(
        x,
        np.tile(np.float32([0, 0, -1]), (4, 1)),
        np.full((4, 3), 0.5, np.float32),
        np.arange(4),
        np.array([1.0, 0.4, 1.0, 0.8]),
        voxel_size=0.1,
        min_purity=0.5,
    )
    np.testing.assert_array_equal(candidates.is_valid, [True, False, False, True])
    np.testing.assert_array_equal(candidates.voxel, [0, -1, -1, 1])
    np.testing.assert_array_equal(candidates.normal[0], [0, 0, -127])
    np.testing.assert_array_equal(candidates.albedo[0], [128, 128, 128])
    np.testing.assert_array_equal(candidates.purity, [255, 102, 255, 204])
    assert candidates.num_voxels == 2 and len(candidates) == 4
    again = rows(candidates, np.arange(4))
    np.testing.assert_array_equal(again.purity, candidates.purity)
    np.testing.assert_array_equal(again.normal, candidates.normal)


def test_candidates_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match="different lengths"):
        acquisition.make_candidates(
            *(np.zeros((n, 3), np.float32) for n in (4, 4, 3)),
            *(np.zeros(4), np.ones(4)),
            voxel_size=0.1,
            min_purity=0.5,
        )


def test_a_voxel_has_a_size():
    with pytest.raises(ValueError, match="not positive"):
        room(5, voxel_size=-0.1)


def test_the_area_of_a_floor_is_about_right():
    grid = np.stack(np.meshgrid(np.arange(0.01, 3, 0.02), np.arange(0.01, 2, 0.02)), -1)
    x = np.pad(grid.reshape(-1, 2), ((0, 0), (0, 1)), constant_values=0.05)
    up, n = np.tile(np.float32([0, 0, 1]), (len(x), 1)), len(x)
    floor = acquisition.make_candidates(
        x, up, up, np.zeros(n), np.ones(n), voxel_size=0.1, min_purity=0.5
    )
    assert acquisition.surface_area(floor) == pytest.approx(6.0, rel=0.01)


def test_distance_of_features_joins_position_normal_and_colour():
    candidates = room(50, invalid=0.0)
    x = features(candidates, np.arange(50), normal_metres=0.4, albedo_metres=2.0)

    def square(values):
        return np.sum((values[1:] - values[0]) ** 2, axis=-1, dtype=np.float64)

    np.testing.assert_allclose(
        square(x),
        square(candidates.x_world)
        + 0.4**2 * square(candidates.normal / 127.0)
        + 2.0**2 * square(candidates.albedo / 255.0),
        rtol=1e-5,
    )
    assert features(candidates, np.arange(50)).shape == (50, 3)


def cues_np(candidates):
    """Definition: every candidate looks at every other."""
    views = np.zeros(len(candidates), np.int32)
    coherence = np.zeros(len(candidates))
    cell = np.floor(candidates.x_world.astype(np.float64) / candidates.voxel_size)
    for i in np.flatnonzero(candidates.is_valid):
        same = (cell == cell[i]).all(axis=-1) & candidates.is_valid
        views[i] = len(set(candidates.frame[same].tolist()))
        mean = candidates.normal[same].astype(np.float64).mean(axis=0) / 127
        coherence[i] = np.linalg.norm(mean)
    return views, coherence


def test_cues_match_the_comparison_of_all_with_all():
    candidates = room(700, voxel_size=0.8)
    cues = acquisition.voxel_cues(candidates)
    views, coherence = cues_np(candidates)
    assert views.max() > 4 and 0 < coherence[candidates.is_valid].min() < 0.8
    np.testing.assert_array_equal(cues.num_views, views)
    np.testing.assert_allclose(cues.coherence, coherence, atol=1e-6)
    np.testing.assert_allclose(cues.purity, candidates.purity / 255, rtol=1e-6)
    assert cues.coherence.dtype == cues.purity.dtype == np.float32


# --- batch rules: by contract


@each_strategy
@pytest.mark.parametrize("num", [1, 37])
def test_a_batch_is_new_valid_and_of_the_asked_size(name, num):
    candidates = room()
    labelled = np.arange(0, 3000, 3)
    ids = choose(name, candidates, labelled, num=num)
    assert ids.dtype == np.int64 and ids.shape == (num,)
    assert len(np.unique(ids)) == num
    assert candidates.is_valid[ids].all()
    assert not np.intersect1d(ids, labelled).size


@each_strategy
def test_a_batch_takes_all_that_is_left_and_no_more(name):
    candidates = room(200, voxel_size=2.0)  # more candidates than voxels
    labelled = np.arange(50)
    left = np.flatnonzero(candidates.is_valid)
    left = left[left >= 50]
    for num in (0, len(left) - 1, len(left), 500):
        ids = choose(name, candidates, labelled, num=num)
        assert len(np.unique(ids)) == len(ids) == min(num, len(left))
        assert np.isin(ids, left).all()


@each_strategy
def test_a_pool_without_a_valid_candidate_gives_an_empty_batch(name):
    ids = choose(name, room(30, invalid=1.0), [3], num=4)
    assert ids.shape == (0,) and ids.dtype == np.int64


@each_strategy
def test_the_same_key_chooses_the_same_batch(name):
    candidates = room()
    first = choose(name, candidates, num=20)
    np.testing.assert_array_equal(first, choose(name, candidates, num=20))


@pytest.mark.parametrize("name", ["random", "coverage"])
def test_another_key_chooses_another_batch(name):
    candidates, key = room(), jax.random.key(8)
    scores = score_all(score_of(STRATEGIES[name]), candidates, key=key)
    second = choose(name, candidates, num=20, key=key, scores=scores)
    assert set(choose(name, candidates, num=20)) != set(second)


@each_strategy
def test_padding_the_pool_changes_no_choice(name):
    candidates = room(1000)
    padded = rows(candidates, np.pad(np.arange(1000), (0, 77), constant_values=-1))
    scores = score_all(score_of(STRATEGIES[name]), candidates)
    more = np.pad(scores, (0, 77), constant_values=9.0)
    np.testing.assert_array_equal(
        choose(name, candidates, [4], num=30, scores=scores),
        choose(name, padded, [4], num=30, scores=more),
    )


@each_strategy
def test_the_order_of_the_pool_changes_no_choice(name):
    candidates = room(1000)
    order = np.random.default_rng(5).permutation(1000)
    # Distinct scores, so that there is no tie for the ids to break.
    scores = np.random.default_rng(6).permutation(1000).astype(np.float32)
    here = choose(name, candidates, [4], num=30, scores=scores)
    was_4 = np.flatnonzero(order == 4)
    there = choose(name, rows(candidates, order), was_4, num=30, scores=scores[order])
    np.testing.assert_array_equal(order[there], here)


@each_strategy
def test_scores_that_cannot_be_ranked_are_refused(name):
    candidates = room(50, invalid=0.0)
    scores = np.ones(50, np.float32)
    with pytest.raises(ValueError, match="49"):
        choose(name, candidates, num=3, scores=scores[:49])
    scores[7] = np.nan
    with pytest.raises(ValueError, match="finite"):
        choose(name, candidates, num=3, scores=scores)
    if name in SPACED:
        scores[7] = -1.0
        with pytest.raises(ValueError, match="negative"):
            choose(name, candidates, num=3, scores=scores)


def test_scores_of_invalid_candidates_do_not_matter():
    candidates = room(300)
    for name in STRATEGIES:
        for anything in (np.nan, np.inf, -9.0):
            scores = np.where(candidates.is_valid, 1.0, anything).astype(np.float32)
            ids = choose(name, candidates, num=5, scores=scores)
            assert candidates.is_valid[ids].all()


# --- batch rules: definitions


def test_top_k_is_the_sorted_head_and_ties_fall_to_the_lowest_id():
    candidates = room(5000, invalid=0.2)
    scores = np.random.default_rng(2).integers(0, 9, 5000).astype(np.float32)
    ranked = sorted(
        np.flatnonzero(candidates.is_valid).tolist(), key=lambda i: (-scores[i], i)
    )
    ids = select.top_k(KEY, scores, candidates, np.array([ranked[2]]), num=900)
    np.testing.assert_array_equal(ids, ranked[:2] + ranked[3:901])


def test_one_per_voxel_keeps_the_best_and_of_equals_the_first():
    candidates = room(2000, voxel_size=1.0)
    scores = np.random.default_rng(2).integers(0, 4, 2000).astype(np.float32)
    ids = select.askable(candidates, np.array([1, 2]))
    best: dict[int, int] = {}
    for i in ids.tolist():
        held = best.setdefault(int(candidates.voxel[i]), i)
        if scores[i] > scores[held]:
            best[int(candidates.voxel[i])] = i
    found = select.one_per_voxel(scores, candidates, ids)
    np.testing.assert_array_equal(found, sorted(best.values()))


def greedy_np(points, scores, near, *, num, radius, power):
    """Definition: the gate and all distances anew for each pick, in float64."""
    points, near = points.astype(np.float64), near.astype(np.float64)
    picks: list[int] = []
    for _ in range(num):
        gain = scores * np.minimum(near, radius) ** power
        gain[picks] = -1.0
        picks.append(int(np.argmax(gain)))
        offset = np.linalg.norm(points - points[picks[-1]], axis=-1)
        near = np.minimum(near, offset)
    return picks


@pytest.mark.parametrize("power", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("radius", [0.2, math.inf])
@pytest.mark.parametrize("dims", [3, 9])
def test_greedy_follows_its_definition(dims, radius, power):
    rng = np.random.default_rng(4)
    points = rng.random((700, dims)).astype(np.float32)
    scores = (0.1 + rng.random(700)).astype(np.float32)
    near = rng.uniform(0.0, 0.5, 700).astype(np.float32)
    given = {"num": 60, "radius": radius, "power": power}
    found = select.greedy(points, scores, near, **given)
    np.testing.assert_array_equal(found, greedy_np(points, scores, near, **given))


def test_greedy_follows_its_definition_among_very_many():
    rng = np.random.default_rng(4)
    points = rng.random((100_000, 3)).astype(np.float32)
    scores = rng.random(100_000).astype(np.float32)
    near = np.full(100_000, np.inf, np.float32)
    given = {"num": 20, "radius": 0.3, "power": 1.0}
    found = select.greedy(points, scores, near, **given)
    np.testing.assert_array_equal(found, greedy_np(points, scores, near, **given))


def test_greedy_spreads_out_what_the_score_thinks_worthless():
    points = np.linspace(0.0, 1.0, 101, dtype=np.float32)[:, None]
    far = np.full(101, np.inf, np.float32)
    picks = select.greedy(points, np.zeros(101, np.float32), far, num=5)
    assert set(picks.tolist()) == {0, 25, 50, 75, 100}


def test_greedy_picks_no_point_twice_even_where_all_coincide():
    here, far = np.zeros((40, 3), np.float32), np.full(40, np.inf, np.float32)
    picks = select.greedy(here, np.ones(40, np.float32), far, num=40)
    np.testing.assert_array_equal(np.sort(picks), np.arange(40))


def test_spaced_is_greedy_with_the_radius_of_the_labels_to_come():
    candidates = room(400, voxel_size=0.001, invalid=0.0)  # a voxel for each
    scores = np.random.default_rng(3).random(400).astype(np.float32)
    labelled = np.arange(30)
    area = acquisition.surface_area(candidates)
    assert area == pytest.approx(400 * 0.001**2)
    spacing = 0.6 / math.sqrt(area / (30 + 25))  # a radius of 0.6 m
    ids = select.spaced(
        KEY, scores, candidates, labelled, num=25, spacing=spacing, power=2.0
    )
    x = candidates.x_world
    near = np.linalg.norm(x[:, None] - x[labelled], axis=-1).min(axis=1)
    scores[labelled] = 0.0
    expected = greedy_np(x, scores, near, num=25, radius=0.6, power=2.0)
    np.testing.assert_array_equal(ids, expected)


def farthest_first_np(points, first, num):
    """Definition of farthest-first traversal, in float64."""
    points = points.astype(np.float64)
    picks = [first]
    while len(picks) < num:
        distance = np.linalg.norm(points[:, None] - points[picks], axis=-1)
        picks.append(int(np.argmax(distance.min(axis=1))))
    return picks


def test_coverage_is_farthest_first_traversal():
    candidates = room(400, voxel_size=0.001, invalid=0.0)
    assert candidates.num_voxels == 400  # so that every candidate takes part
    bound = STRATEGIES["coverage"].select.keywords
    metric = {name: bound[name] for name in ("normal_metres", "albedo_metres")}
    assert bound["spacing"] == math.inf and all(metric.values())
    points = features(candidates, np.arange(400), **metric)
    ids = choose("coverage", candidates, num=50)
    np.testing.assert_array_equal(ids, farthest_first_np(points, ids[0], 50))
    # A second batch goes on where the first one stopped.
    more = choose("coverage", candidates, ids[:20], num=30)
    np.testing.assert_array_equal(more, ids[20:])


def test_spaced_keeps_its_distance_where_top_k_huddles():
    candidates = room(5000)
    x = candidates.x_world
    # The most wanted all lie in one corner.
    scores = np.exp(-np.linalg.norm(x - x[candidates.is_valid][0], axis=-1) / 2.0)
    scores = scores.astype(np.float32)
    labelled = np.flatnonzero(candidates.is_valid)[:30]

    def least_distance(ids):
        pairs = np.linalg.norm(x[ids][:, None] - x[ids], axis=-1)
        np.fill_diagonal(pairs, np.inf)
        old = np.linalg.norm(x[ids][:, None] - x[labelled], axis=-1)
        return min(pairs.min(), old.min())

    area = acquisition.surface_area(candidates)
    radius = 0.5 * math.sqrt(area / (30 + 40))
    near = least_distance(select.top_k(KEY, scores, candidates, labelled, num=40))
    soft = select.spaced(KEY, scores, candidates, labelled, num=40)
    hard = select.spaced(KEY, scores, candidates, labelled, num=40, power=50.0)
    assert near < 0.1 * radius
    assert least_distance(soft) > 0.3 * radius
    assert least_distance(hard) > 0.85 * radius
    wide = select.spaced(KEY, scores, candidates, labelled, num=40, spacing=1.0)
    assert scores[wide].mean() < scores[soft].mean()


def test_batches_of_a_large_pool_come_from_a_shortlist(monkeypatch):
    monkeypatch.setattr(select, "MIN_SHORTLIST", 16)
    candidates = room(3000)
    scores = np.random.default_rng(1).random(3000).astype(np.float32)
    ids = select.askable(candidates, np.array([], np.int64))
    short = select.shortlist(KEY, scores, candidates, ids, num=5)
    best = select.one_per_voxel(scores, candidates, ids)
    assert len(short) == 64
    np.testing.assert_array_equal(short, best[np.argsort(-scores[best])][:64])
    # Equal scores: a random subset, not the first frames.
    even = select.shortlist(KEY, np.ones(3000, np.float32), candidates, ids, num=5)
    assert len(np.unique(even)) == 64 and 1000 < even.mean() < 2000


def test_a_mixed_batch_explores_its_share_and_exploits_the_rest():
    candidates = room(2000)
    scores = np.linspace(0.0, 1.0, len(candidates), dtype=np.float32)
    labelled = np.flatnonzero(candidates.is_valid)[-3:]
    seen = []

    def explore(key, scores, candidates, labelled_ids, *, num):
        seen.append(scores)
        return np.flatnonzero(candidates.is_valid)[:num]

    ids = select.mixed(
        KEY,
        scores,
        candidates,
        labelled,
        num=20,
        explore=explore,
        exploit=select.top_k,
        share=0.25,
    )
    assert len(np.unique(ids)) == 20 and not np.isin(ids, labelled).any()
    valid = np.flatnonzero(candidates.is_valid)
    np.testing.assert_array_equal(ids[:5], valid[:5])
    np.testing.assert_array_equal(ids[5:], valid[:-3][::-1][:15])
    assert np.ptp(seen[0]) == 0.0  # exploring sees no score


# --- strategies


def test_a_mistyped_strategy_is_told_the_nearest():
    assert acquisition.find_strategy("margin") is STRATEGIES["margin"]
    with pytest.raises(InputError, match="did you mean 'geometry'") as error:
        acquisition.find_strategy("geometri")
    assert "\n" not in str(error.value)
    with pytest.raises(InputError, match="random, entropy, margin"):
        acquisition.find_strategy("zzz")


def test_the_row_of_a_round_waits_for_a_model_and_for_trust():
    def name(strategy, *, has_model, was_trusted):
        row = acquisition.for_round(
            STRATEGIES[strategy], has_model=has_model, was_trusted=was_trusted
        )
        return next(n for n, s in STRATEGIES.items() if s is row)

    assert name("margin", has_model=False, was_trusted=False) == "random"
    assert name("margin", has_model=True, was_trusted=False) == "margin"
    assert name("geometry", has_model=False, was_trusted=False) == "coverage"
    assert name("geometry", has_model=True, was_trusted=False) == "coverage"
    assert name("geometry", has_model=True, was_trusted=True) == "geometry"
    for model_free in ("random", "coverage"):
        for has_model in (False, True):
            row = name(model_free, has_model=has_model, was_trusted=has_model)
            assert row == model_free
