"""The contract of every strategy and rule, and how strategies are found.

A new row of `STRATEGIES` or `STEPS` is tested here without further lines.
"""

from pathlib import Path

import jax
import numpy as np
import pytest
from pools import (
    GROUPS,
    KEY,
    NO_PREDICTION,
    C,
    cues_of,
    one,
    predictions_in,
    room,
    rows,
)

from alsem import acquisition
from alsem.acquisition import SCORES, STEPS, STRATEGIES
from alsem.core.errors import InputError
from alsem.core.renamed import RENAMED_VALUES

MARGIN = STRATEGIES["margin"]
CHAINS = (
    ("one_per_voxel", "frame_cap", "spaced"),
    ("spaced", "frame_cap"),
    ("top_fraction", "k_centre"),
    ("cluster_decay", "one_per_voxel"),
    ("top_fraction", "badge", "frame_cap"),
)
RULES = {
    "by " + "+".join(names): acquisition.with_steps(MARGIN, names)
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


def scores_for(name, n, *, equal=False):
    """Made-up scores in the shape that a strategy's scorer gives them."""
    mixture = CASES[name].mixture
    shape = (n, len(mixture.weights)) if mixture else (n,)
    draw = np.random.default_rng(6).random(shape, dtype=np.float32)
    return np.ones_like(draw) if equal else draw


def choose(name, candidates, queried=(), *, num, key=KEY, scores=None, allowed=None):
    has_model = "model" in CASES[name].needs
    return CASES[name].select(
        key,
        scores_for(name, len(candidates)) if scores is None else scores,
        candidates,
        np.asarray(queried, np.int64),
        num=num,
        allowed=allowed,
        predict=predictions_in(candidates) if has_model else None,
    )


# --- contract


@each_case
@pytest.mark.parametrize("num", [1, 37])
def test_a_batch_is_new_valid_allowed_and_of_the_wanted_size(name, num):
    candidates = room()
    queried, allowed = np.arange(0, 1000, 3), np.arange(1000) % 5 > 0
    ids = choose(name, candidates, queried, num=num, allowed=allowed)
    assert ids.dtype == np.int64 and ids.shape == (num,)
    assert len(np.unique(ids)) == num
    assert candidates.is_valid[ids].all() and allowed[ids].all()
    assert not np.intersect1d(ids, queried).size


@each_case
def test_a_batch_takes_all_that_are_left(name):
    candidates = room(200, voxel_size=2.0)  # more candidates than voxels
    left = np.flatnonzero(candidates.is_valid)
    left = left[left >= 50]
    for num in (0, len(left) - 1, 500):
        ids = choose(name, candidates, np.arange(50), num=num)
        assert len(np.unique(ids)) == len(ids) == min(num, len(left))
        assert np.isin(ids, left).all()
    none = choose(name, room(200, invalid=1.0), [3], num=4)
    assert none.shape == (0,) and none.dtype == np.int64


@pytest.mark.parametrize(
    "name",
    [
        *("poisson_disk", "coverage", "voxel_coverage"),
        *("coreset", "badge", "by top_fraction"),
    ],
)
def test_another_key_chooses_another_batch(name):
    candidates = room()
    scores = scores_for(name, 1000, equal=name != "by top_fraction")
    first, again, second = (
        choose(name, candidates, num=20, scores=scores, key=key)
        for key in (KEY, KEY, jax.random.key(8))
    )
    np.testing.assert_array_equal(first, again)
    assert set(first.tolist()) != set(second.tolist())


@each_case
@pytest.mark.parametrize("equal", [False, True])  # equal scores: only draws decide
def test_order_and_padding_of_the_pool_do_not_matter(name, equal):
    candidates = room()
    order = np.random.default_rng(5).permutation(1000)
    order = np.insert(order, 400, np.full(24, -1))
    place = np.argsort(np.where(order < 0, 9999, order))
    queried = np.flatnonzero(candidates.is_valid)[[4, 9, 30]]
    scores = scores_for(name, 1000, equal=equal)
    moved = scores[order]
    moved[order < 0] = 9.0
    here = choose(name, candidates, queried, num=30, scores=scores)
    there = rows(candidates, order)
    found = choose(name, there, place[queried], num=30, scores=moved)
    np.testing.assert_array_equal(order[found], here)


@pytest.mark.parametrize(
    ("row", "value", "complaint"),
    [(7, np.nan, "finite"), (7, -1.0, "negative"), (50, 1.0, "51.* for 50")],
)
def test_scores_that_cannot_be_ranked_are_refused(row, value, complaint):
    scores = np.insert(np.ones(50, np.float32), row, value)[: max(50, row + 1)]
    with pytest.raises(ValueError, match=complaint):
        choose("margin", room(50, invalid=0.0), num=3, scores=scores)


@pytest.mark.parametrize("name", ["margin", *MIXTURES])
@pytest.mark.parametrize("anything", [np.nan, np.inf, -9.0])
def test_scores_of_invalid_candidates_do_not_matter(name, anything):
    candidates, scores = room(50), scores_for(name, 50)
    expected = choose(name, candidates, num=5, scores=scores)
    scores[~candidates.is_valid] = anything
    found = choose(name, candidates, num=5, scores=scores)
    np.testing.assert_array_equal(found, expected)


@each_case
def test_a_strategy_needs_exactly_what_it_reads(name):
    strategy = CASES[name]
    assert strategy.needs <= {"model", *GROUPS}
    assert strategy.score in SCORES.values() or name in MIXTURES
    unneeded = [cue for g in GROUPS.keys() - strategy.needs for cue in GROUPS[g]]
    has_model = "model" in strategy.needs
    posterior = one(np.full((2, C), 1 / C)) if has_model else NO_PREDICTION
    score = strategy.score(KEY, posterior, cues_of(without=unneeded))
    assert np.isfinite(score).all()
    # What the policy needs is read by its head, before scores.
    for group in strategy.needs & GROUPS.keys() if name != "policy" else ():
        with pytest.raises(AttributeError, match=f"add '{group}' to the strategy's"):
            strategy.score(KEY, posterior, cues_of(without=GROUPS[group]))


def test_acquisition_never_imports_data():
    files = list(Path(acquisition.__file__).parent.rglob("*.py"))
    assert len(files) > 15
    assert not [path for path in files if "alsem.data" in path.read_text()]


# --- rows


def test_geometry_explores_with_a_quarter_of_a_batch():
    candidates = room(2000, invalid=0.0)
    scores = (np.linalg.norm(candidates.x_world, axis=-1) < 1.5).astype(np.float32)
    ids = choose("geometry", candidates, num=40, scores=scores)
    spaced = choose("by spaced", candidates, num=40, scores=scores)
    assert scores[spaced].mean() > 0.9
    explored = np.arange(40) % 4 == 1
    assert scores[ids[explored]].mean() < 0.5  # wherever no label is
    assert scores[ids[~explored]].mean() > 0.9


@pytest.mark.parametrize(
    ("find", "complaint"),
    [
        (lambda: acquisition.find_strategy("geometri"), "did you mean 'geometry'"),
        (lambda: acquisition.find_strategy("zzz"), "random, poisson_disk"),
        (lambda: acquisition.find_strategy("spread"), "now called 'poisson_disk'"),
        (lambda: acquisition.parse_strategy("margin+spread"), "'poisson_disk'"),
        (lambda: acquisition.with_steps(MARGIN, ["top_share"]), "'top_fraction'"),
        (lambda: acquisition.with_steps(MARGIN, ["spcaed"]), "mean 'spaced'"),
    ],
)
def test_unknown_names_get_a_suggestion(find, complaint):
    with pytest.raises(InputError, match=complaint) as error:
        find()
    assert "\n" not in str(error.value)


def test_renamed_names_are_names_of_today():
    for key, table in (("active.strategy", STRATEGIES), ("active.diversity", STEPS)):
        renamed = RENAMED_VALUES[key]
        assert renamed and set(renamed.values()) <= table.keys()
        assert not renamed.keys() & table.keys()


@pytest.mark.parametrize(
    ("name", "without_model", "untrusted"),
    [
        *((name, "random", name) for name in ("margin", "badge", "view_divergence")),
        ("geometry", "poisson_disk", "poisson_disk"),
        *((name, name, name) for name in ("random", "poisson_disk", "coverage")),
    ],
)
def test_strategies_wait_for_a_model_and_for_coverage(name, without_model, untrusted):
    def chosen(**state):
        return acquisition.for_round(STRATEGIES[name], **state)

    first = chosen(has_model=False, was_trusted=False)
    assert first is STRATEGIES[without_model]
    assert chosen(has_model=True, was_trusted=False) is STRATEGIES[untrusted]
    assert chosen(has_model=True, was_trusted=True) is STRATEGIES[name]


def test_a_config_names_the_steps():
    assert acquisition.with_steps(MARGIN, ()) is MARGIN
    row = acquisition.with_steps(MARGIN, ("one_per_voxel", "spaced"))
    assert row.rule == (STEPS["one_per_voxel"], STEPS["spaced"])
    assert row.score is MARGIN.score and row.needs == MARGIN.needs
    # A step that uses predictions needs a model, whatever the score.
    row = acquisition.with_steps(STRATEGIES["random"], ("badge",))
    assert row.needs == {"model"}
