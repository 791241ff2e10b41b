"""The contract of every strategy and of every rule, and how rows are found and mixed.

A new row of `STRATEGIES` or `STEPS` is tested from here without a line.
"""

import ast
import functools
from pathlib import Path

import jax
import numpy as np
import pytest
import scipy.stats
from pools import (
    GROUPS,
    KEY,
    NO_BELIEF,
    WEIGHTS,
    C,
    all_cues,
    cues_of,
    look,
    one,
    posterior_of,
    predictions_in,
    room,
    rows,
    take,
)

from alsem import acquisition
from alsem.acquisition import SCORES, STEPS, STRATEGIES, Mixture, mix
from alsem.core.errors import InputError
from alsem.core.mesh import batched, make_mesh, replicated

CHAINS = (
    ("one_per_voxel", "frame_cap", "spaced"),
    ("spaced", "frame_cap"),
    ("top_fraction", "k_centre"),
    ("cluster_decay", "one_per_voxel"),
    ("top_fraction", "badge", "frame_cap"),
)
RULES = {
    "by " + "+".join(names): acquisition.with_steps(STRATEGIES["margin"], names)
    for names in (*((name,) for name in STEPS), *CHAINS)
}
MIXTURES = {
    "mixed by rank": acquisition.parse_strategy("0.7*margin+0.3*coverage"),
    "mixed by range": acquisition.mixture_strategy(
        {"redal": 1.0, "random": 2.0, "view_divergence": 1.0}, "minmax"
    ),
}
CASES = STRATEGIES | RULES | MIXTURES

each_strategy = pytest.mark.parametrize("name", STRATEGIES)
each_case = pytest.mark.parametrize("name", CASES)


@functools.cache
def scorer(score):
    return acquisition.make_scorer(score, posterior_of)


def score_all(name, candidates, ids=None, cues=None, *, key=KEY):
    """Scores of a pool whose rows are the candidates ``ids`` of another one."""
    if ids is None:
        ids = np.arange(len(candidates))
    if cues is None:
        cues = all_cues(candidates)
    seen = look(candidates, np.arange(len(candidates)))
    score = scorer(CASES[name].score)
    return np.asarray(score(WEIGHTS, key, ids.astype(np.int32), seen, cues))


def choose(name, candidates, queried=(), *, num, key=KEY, scores=None, allowed=None):
    if scores is None:
        scores = score_all(name, candidates, key=key)
    return CASES[name].select(
        key,
        scores,
        candidates,
        np.asarray(queried, np.int64),
        num=num,
        allowed=allowed,
        beliefs=predictions_in(candidates),
    )


# --- the contract


@each_case
@pytest.mark.parametrize("num", [1, 37])
def test_a_batch_is_new_valid_allowed_and_of_the_asked_size(name, num):
    candidates = room()
    queried = np.arange(0, 3000, 3)
    allowed = np.arange(3000) % 5 > 0
    ids = choose(name, candidates, queried, num=num, allowed=allowed)
    assert ids.dtype == np.int64 and ids.shape == (num,)
    assert len(np.unique(ids)) == num
    assert candidates.is_valid[ids].all() and allowed[ids].all()
    assert not np.intersect1d(ids, queried).size


@each_case
def test_a_batch_takes_all_that_is_left_and_no_more(name):
    candidates = room(200, voxel_size=2.0)  # more candidates than voxels
    queried = np.arange(50)
    left = np.flatnonzero(candidates.is_valid)
    left = left[left >= 50]
    for num in (0, len(left) - 1, len(left), 500):
        ids = choose(name, candidates, queried, num=num)
        assert len(np.unique(ids)) == len(ids) == min(num, len(left))
        assert np.isin(ids, left).all()


@each_case
def test_a_pool_without_a_valid_candidate_gives_an_empty_batch(name):
    ids = choose(name, room(30, invalid=1.0), [3], num=4)
    assert ids.shape == (0,) and ids.dtype == np.int64


@each_case
def test_the_same_key_chooses_the_same_batch(name):
    candidates = room()
    first = choose(name, candidates, [4], num=20)
    np.testing.assert_array_equal(first, choose(name, candidates, [4], num=20))


@pytest.mark.parametrize(
    "name",
    [
        *("random", "poisson_disk", "coverage", "voxel_coverage", "vote_entropy"),
        *("coreset", "badge", "by top_fraction"),
    ],
)
def test_another_key_chooses_another_batch(name):
    candidates = room()
    second = choose(name, candidates, num=20, key=jax.random.key(8))
    assert set(choose(name, candidates, num=20).tolist()) != set(second.tolist())


@each_case
@pytest.mark.parametrize("equal", [False, True])
def test_order_and_padding_of_the_pool_change_no_choice(name, equal):
    candidates = room(1000)
    cues = all_cues(candidates)
    order = np.random.default_rng(5).permutation(1000)
    order = np.insert(order, 400, np.full(77, -1))
    there = rows(candidates, order)
    moved = take(cues, order)
    queried = np.flatnonzero(candidates.is_valid)[[4, 9, 30]]
    place = np.argsort(np.where(order < 0, 9999, order))
    if equal:  # so that nothing but draws can tell candidates apart
        parts = (2,) if name == "mixed by rank" else (3,) if name in MIXTURES else ()
        here_scores = np.ones((1000, *parts), np.float32)
        there_scores = np.ones((1077, *parts), np.float32)
    else:
        here_scores = score_all(name, candidates, cues=cues)
        there_scores = score_all(name, there, ids=order, cues=moved).copy()
        # Compared elsewhere; here the same to the last bit.
        np.testing.assert_allclose(there_scores[place[:1000]], here_scores, atol=1e-5)
        there_scores[place[:1000]] = here_scores
    there_scores[order < 0] = 9.0
    here = choose(name, candidates, queried, num=30, scores=here_scores)
    found = choose(name, there, place[queried], num=30, scores=there_scores)
    np.testing.assert_array_equal(order[found], here)


@each_case
def test_a_pool_split_over_eight_devices_gives_the_same_batch(name):
    candidates = room(800)
    ids, cues = np.arange(800, dtype=np.int32), all_cues(candidates)
    mesh = make_mesh(8)
    spread = jax.device_put((ids, look(candidates, ids), cues), batched(mesh))
    params, key = jax.device_put((WEIGHTS, KEY), replicated(mesh))
    together = np.asarray(scorer(CASES[name].score)(params, key, *spread))
    alone = score_all(name, candidates)
    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_array_equal(
        choose(name, candidates, num=20, scores=np.round(together, 4)),
        choose(name, candidates, num=20, scores=np.round(alone, 4)),
    )


@each_case
def test_scores_that_cannot_be_ranked_are_refused(name):
    candidates = room(50, invalid=0.0)
    for wrong, complaint in ((np.ones(49), "49"), (np.nan, "finite"), (-1.0, "neg")):
        scores = np.ones(50, np.float32)
        if np.ndim(wrong):
            scores = wrong
        else:
            scores[7] = wrong
        with pytest.raises(ValueError, match=complaint):
            choose(name, candidates, num=3, scores=scores)


@each_case
def test_scores_of_invalid_candidates_do_not_matter(name):
    candidates = room(300)
    scores = score_all(name, candidates).copy()
    expected = choose(name, candidates, num=5, scores=scores)
    for anything in (np.nan, np.inf, -9.0):
        scores[~candidates.is_valid] = anything
        found = choose(name, candidates, num=5, scores=scores)
        np.testing.assert_array_equal(found, expected)


@each_case
def test_a_strategy_is_told_all_that_it_needs_and_nothing_else(name):
    strategy = CASES[name]
    assert strategy.needs <= {"model", *GROUPS}
    cues = cues_of()
    for group, leaves in GROUPS.items():
        if group not in strategy.needs:
            cues = cues.replace(**dict.fromkeys(leaves))
    has_model = "model" in strategy.needs
    belief = one(np.full((2, C), 1 / C)) if has_model else NO_BELIEF
    assert np.isfinite(strategy.score(KEY, belief, cues)).all()
    # What the policy needs is looked at by its head, before it comes to scores.
    read = strategy.needs & GROUPS.keys() if name != "policy" else ()
    for group in read:
        with pytest.raises((TypeError, AttributeError)):
            strategy.score(KEY, belief, cues.replace(**dict.fromkeys(GROUPS[group])))
    candidates = room(60)
    if not has_model:  # then no beliefs either
        scores = score_all(name, candidates)
        none = np.zeros(0, np.int64)
        assert len(strategy.select(KEY, scores, candidates, none, num=3)) == 3


def test_nothing_here_knows_the_truth():
    """Neither captures nor annotations are imported from acquisition."""
    folder = Path(acquisition.__file__).parent
    files = sorted(folder.rglob("*.py"))
    assert len(files) > 15
    allowed = ("alsem.core", "alsem.nerf", "alsem.acquisition")
    for path in files:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                name = node.module or ""
                ours = name.split(".")[0] == "alsem"
                assert not ours or name.startswith(allowed), f"{path} imports {name}"


# --- rows


def test_geometry_explores_with_a_quarter_of_a_batch():
    candidates = room(2000, invalid=0.0)
    corner = np.linalg.norm(candidates.x_world, axis=-1)
    scores = (corner < 1.5).astype(np.float32)
    ids = choose("geometry", candidates, num=40, scores=scores)
    spaced = choose("by spaced", candidates, num=40, scores=scores)
    assert scores[spaced].mean() > 0.9
    explored = np.arange(40) % 4 == 1
    assert scores[ids[explored]].mean() < 0.5  # wherever no label is
    assert scores[ids[~explored]].mean() > 0.9
    explored = choose("coverage", candidates, num=10, scores=np.ones(2000, np.float32))
    assert len(np.unique(ids)) == 40 and len(explored) == 10


def test_a_mistyped_strategy_is_told_the_nearest():
    assert acquisition.find_strategy("margin") is STRATEGIES["margin"]
    with pytest.raises(InputError, match="did you mean 'geometry'") as error:
        acquisition.find_strategy("geometri")
    assert "\n" not in str(error.value)
    with pytest.raises(InputError, match="random, spread"):
        acquisition.find_strategy("zzz")


def test_the_row_of_a_round_waits_for_a_model_and_for_trust():
    def name(strategy, *, has_model, was_trusted):
        row = acquisition.for_round(
            STRATEGIES[strategy], has_model=has_model, was_trusted=was_trusted
        )
        return next(n for n, s in STRATEGIES.items() if s is row)

    for plain in ("margin", "badge", "view_divergence"):
        assert name(plain, has_model=False, was_trusted=False) == "random"
        assert name(plain, has_model=True, was_trusted=False) == plain
    assert name("geometry", has_model=False, was_trusted=False) == "poisson_disk"
    assert name("geometry", has_model=True, was_trusted=False) == "poisson_disk"
    assert name("geometry", has_model=True, was_trusted=True) == "geometry"
    for model_free in ("random", "poisson_disk", "coverage", "voxel_coverage"):
        for has_model in (False, True):
            row = name(model_free, has_model=has_model, was_trusted=has_model)
            assert row == model_free


def test_a_config_may_name_the_steps():
    margin = STRATEGIES["margin"]
    assert acquisition.with_steps(margin, ()) is margin
    row = acquisition.with_steps(margin, ("one_per_voxel", "spaced"))
    assert row.rule == (STEPS["one_per_voxel"], STEPS["spaced"])
    assert row.score is margin.score and row.needs == margin.needs
    # A step that looks at beliefs needs a model, whatever the score.
    row = acquisition.with_steps(STRATEGIES["random"], ("badge",))
    assert row.needs == {"model"}
    with pytest.raises(InputError, match=r"diversity='spcaed'.*'spaced'"):
        acquisition.with_steps(margin, ("top_fraction", "spcaed"))


# --- mixtures


def test_a_mixture_by_rank_averages_fractional_ranks():
    candidates = room(500)
    rng, valid = np.random.default_rng(1), candidates.is_valid
    parts = np.stack([rng.random(500), rng.integers(0, 4, 500)], 1).astype(np.float32)
    parts[~valid] = np.nan
    found = mix(parts, Mixture((3.0, 1.0), "rank"), valid)
    ranks = [scipy.stats.rankdata(part[valid]) - 1 for part in parts.T]
    expected = (0.75 * ranks[0] + 0.25 * ranks[1]) / (valid.sum() - 1)
    np.testing.assert_allclose(found[valid], expected, atol=1e-6)
    assert (found[~valid] == 0).all()


def test_a_mixture_by_range_keeps_distances():
    parts = np.array([[2.0, 5.0], [3.0, 5.0], [6.0, 5.0], [99.0, 0.0]], np.float32)
    valid = np.array([True, True, True, False])
    found = mix(parts, Mixture((1.0, 1.0), "minmax"), valid)
    np.testing.assert_allclose(found, [0.0, 0.125, 0.5, 0.0])  # equal scores are 0
    one_left = mix(parts[:1], Mixture((1.0, 1.0), "rank"), valid[:1])
    np.testing.assert_allclose(one_left, 0.5)


def test_a_mixture_of_one_ranks_as_its_part_does():
    candidates = room(1000)
    alone = choose("margin", candidates, num=30)
    for by in ("rank", "minmax"):
        row = acquisition.mixture_strategy({"margin": 2.0}, by)
        scores = score_all("margin", candidates)[:, None]
        ids = row.select(KEY, scores, candidates, np.zeros(0, np.int64), num=30)
        np.testing.assert_array_equal(ids, alone)


def test_scores_that_are_one_already_are_not_mixed_again():
    candidates = room(300)
    row = MIXTURES["mixed by rank"]
    worth = row.worth(score_all("mixed by rank", candidates), candidates)
    assert worth.shape == (300,)
    np.testing.assert_array_equal(row.worth(worth, candidates), worth)


def test_a_mixture_is_written_as_a_sum():
    row = acquisition.parse_strategy("0.7*margin + 0.3*view_entropy", mix_by="minmax")
    assert row.mixture == Mixture((0.7, 0.3), "minmax")
    assert row.needs == {"model", "views"}
    belief, cues = one([[0.5, 0.5, 0, 0, 0]]), cues_of(view_entropy=0.25)
    np.testing.assert_allclose(row.score(KEY, belief, cues), [1.0, 0.25])
    assert acquisition.parse_strategy("margin") is STRATEGIES["margin"]
    assert acquisition.parse_strategy("margin+entropy").mixture.weights == (1.0, 1.0)
    # Coverage brings the distance to the labels.
    row = acquisition.parse_strategy("coverage+random")
    assert row.needs == {"labels"} and row.coverage_until == 0.0
    assert row.score(KEY, NO_BELIEF, cues_of(label_feature_distance=3.0))[0] == 0.75
    assert acquisition.for_round(row, has_model=False, was_trusted=False) is row


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("margin+entropi", "did you mean 'entropy'"),
        ("half*margin+entropy", "'half' is no weight"),
        ("margin+margin", "twice"),
        ("margin+", "''"),
        ("-1*margin+entropy", "positive"),
        ("nan*margin+entropy", "positive"),
        ("0*margin+0*entropy", "positive"),
        ("margin+badge", "'badge' cannot be mixed"),
        ("margin+coreset", "'coreset' cannot be mixed"),
    ],
)
def test_a_mixture_that_means_nothing_is_refused(text, complaint):
    with pytest.raises(InputError, match=complaint) as error:
        acquisition.parse_strategy(text)
    assert "\n" not in str(error.value)


def test_a_mixture_has_one_of_two_scales():
    with pytest.raises(InputError, match="did you mean 'minmax'"):
        acquisition.parse_strategy("margin+entropy", mix_by="min-max")


def test_one_weight_per_part():
    with pytest.raises(ValueError, match="2 weights"):
        mix(np.ones((4, 3), np.float32), Mixture((1.0, 1.0)), np.ones(4, bool))


def test_every_strategy_scores_by_a_row_of_the_table():
    assert all(row.score in SCORES.values() for row in STRATEGIES.values())
