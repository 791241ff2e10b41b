"""The contract of every strategy and rule, and how strategies are found.

A new row of `STRATEGIES` or `STEPS` is tested here without further lines.
"""

import ast
import functools
from pathlib import Path

import jax
import numpy as np
import pytest
from pools import (
    GROUPS,
    KEY,
    NO_PREDICTION,
    WEIGHTS,
    C,
    all_cues,
    cues_of,
    model_inputs,
    one,
    posterior_of,
    predictions_in,
    room,
    rows,
    take,
)

from alsem import acquisition
from alsem.acquisition import SCORES, STEPS, STRATEGIES
from alsem.core.errors import InputError
from alsem.core.mesh import batched, make_mesh, replicated
from alsem.core.renamed import RENAMED_VALUES

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
    inputs = model_inputs(candidates, np.arange(len(candidates)))
    score = scorer(CASES[name].score)
    return np.asarray(score(WEIGHTS, key, ids.astype(np.int32), inputs, cues))


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
        predict=predictions_in(candidates),
    )


# --- contract


@each_case
@pytest.mark.parametrize("num", [1, 37])
def test_a_batch_is_new_valid_allowed_and_of_the_wanted_size(name, num):
    candidates = room()
    queried = np.arange(0, 3000, 3)
    allowed = np.arange(3000) % 5 > 0
    ids = choose(name, candidates, queried, num=num, allowed=allowed)
    assert ids.dtype == np.int64 and ids.shape == (num,)
    assert len(np.unique(ids)) == num
    assert candidates.is_valid[ids].all() and allowed[ids].all()
    assert not np.intersect1d(ids, queried).size


@each_case
def test_a_batch_takes_all_that_are_left(name):
    candidates = room(200, voxel_size=2.0)  # more candidates than voxels
    queried = np.arange(50)
    left = np.flatnonzero(candidates.is_valid)
    left = left[left >= 50]
    for num in (0, len(left) - 1, 500):
        ids = choose(name, candidates, queried, num=num)
        assert len(np.unique(ids)) == len(ids) == min(num, len(left))
        assert np.isin(ids, left).all()
    none = choose(name, room(30, invalid=1.0), [3], num=4)
    assert none.shape == (0,) and none.dtype == np.int64


@pytest.mark.parametrize(
    "name",
    [
        *("random", "poisson_disk", "coverage", "voxel_coverage", "vote_entropy"),
        *("coreset", "badge", "by top_fraction"),
    ],
)
def test_another_key_chooses_another_batch(name):
    candidates = room()
    first = choose(name, candidates, num=20)
    np.testing.assert_array_equal(first, choose(name, candidates, num=20))
    second = choose(name, candidates, num=20, key=jax.random.key(8))
    assert set(first.tolist()) != set(second.tolist())


@each_case
@pytest.mark.parametrize("equal", [False, True])
def test_order_and_padding_of_the_pool_do_not_matter(name, equal):
    candidates = room(1000)
    cues = all_cues(candidates)
    order = np.random.default_rng(5).permutation(1000)
    order = np.insert(order, 400, np.full(77, -1))
    there = rows(candidates, order)
    moved = take(cues, order)
    queried = np.flatnonzero(candidates.is_valid)[[4, 9, 30]]
    place = np.argsort(np.where(order < 0, 9999, order))
    if equal:  # so that only the draws decide
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
def test_eight_devices_select_the_same_batch(name):
    candidates = room(800)
    ids, cues = np.arange(800, dtype=np.int32), all_cues(candidates)
    mesh = make_mesh(8)
    sharded = jax.device_put((ids, model_inputs(candidates, ids), cues), batched(mesh))
    params, key = jax.device_put((WEIGHTS, KEY), replicated(mesh))
    together = np.asarray(scorer(CASES[name].score)(params, key, *sharded))
    expected = score_all(name, candidates)
    np.testing.assert_allclose(together, expected, atol=1e-5)
    np.testing.assert_array_equal(
        choose(name, candidates, num=20, scores=np.round(together, 4)),
        choose(name, candidates, num=20, scores=np.round(expected, 4)),
    )


@each_case
def test_scores_that_cannot_be_ranked_are_refused(name):
    candidates = room(50)
    for wrong, complaint in ((np.ones(49), "49"), (np.nan, "finite"), (-1.0, "neg")):
        scores = np.ones(50, np.float32)
        if np.ndim(wrong):
            scores = wrong
        else:
            scores[np.flatnonzero(candidates.is_valid)[7]] = wrong
        with pytest.raises(ValueError, match=complaint):
            choose(name, candidates, num=3, scores=scores)
    # Those of invalid candidates do not matter.
    scores = score_all(name, candidates).copy()
    expected = choose(name, candidates, num=5, scores=scores)
    for anything in (np.nan, np.inf, -9.0):
        scores[~candidates.is_valid] = anything
        found = choose(name, candidates, num=5, scores=scores)
        np.testing.assert_array_equal(found, expected)


@each_case
def test_a_strategy_needs_exactly_what_it_reads(name):
    strategy = CASES[name]
    assert strategy.needs <= {"model", *GROUPS}
    unneeded = [
        n for g, names in GROUPS.items() if g not in strategy.needs for n in names
    ]
    cues = cues_of(without=unneeded)
    has_model = "model" in strategy.needs
    posterior = one(np.full((2, C), 1 / C)) if has_model else NO_PREDICTION
    assert np.isfinite(strategy.score(KEY, posterior, cues)).all()
    # What the policy needs is read by its head, before scores.
    read = strategy.needs & GROUPS.keys() if name != "policy" else ()
    for group in read:
        with pytest.raises(AttributeError, match=group):
            strategy.score(KEY, posterior, cues_of(without=GROUPS[group]))
    candidates = room(60)
    if not has_model:  # then no predictions either
        scores = score_all(name, candidates)
        none = np.zeros(0, np.int64)
        assert len(strategy.select(KEY, scores, candidates, none, num=3)) == 3


def test_acquisition_imports_neither_data_nor_annotation():
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


def test_every_strategy_scores_by_a_row_of_the_table():
    assert all(row.score in SCORES.values() for row in STRATEGIES.values())


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


def test_unknown_names_get_a_suggestion():
    assert acquisition.find_strategy("margin") is STRATEGIES["margin"]
    margin = STRATEGIES["margin"]
    for wrong, complaint in (
        (lambda: acquisition.find_strategy("geometri"), "did you mean 'geometry'"),
        (lambda: acquisition.find_strategy("zzz"), "random, poisson_disk"),
        (lambda: acquisition.find_strategy("spread"), "now called 'poisson_disk'"),
        (lambda: acquisition.parse_strategy("margin+spread"), "'poisson_disk'"),
        (lambda: acquisition.with_steps(margin, ["top_share"]), "'top_fraction'"),
        (lambda: acquisition.with_steps(margin, ["spcaed"]), "mean 'spaced'"),
    ):
        with pytest.raises(InputError, match=complaint) as error:
            wrong()
        assert "\n" not in str(error.value)


def test_renamed_names_are_names_of_today():
    for key, table in (("active.strategy", STRATEGIES), ("active.diversity", STEPS)):
        renamed = RENAMED_VALUES[key]
        assert renamed and set(renamed.values()) <= table.keys()
        assert not renamed.keys() & table.keys()


def test_strategies_wait_for_a_model_and_for_coverage():
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


def test_a_config_names_the_steps():
    margin = STRATEGIES["margin"]
    assert acquisition.with_steps(margin, ()) is margin
    row = acquisition.with_steps(margin, ("one_per_voxel", "spaced"))
    assert row.rule == (STEPS["one_per_voxel"], STEPS["spaced"])
    assert row.score is margin.score and row.needs == margin.needs
    # A step that uses predictions needs a model, whatever the score.
    row = acquisition.with_steps(STRATEGIES["random"], ("badge",))
    assert row.needs == {"model"}
