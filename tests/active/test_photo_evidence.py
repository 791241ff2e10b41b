"""Evidence of photographs where geometry is poor: when it is used, and the vote."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import tiny
from hypothesis import given, strategies

from alsem import training
from alsem.active import photo_evidence
from alsem.active.model import Model
from alsem.active.predict import Predictor
from alsem.active.superpixel_vote import SuperpixelVote, make_vote, superpixel_means
from alsem.nerf import SemanticHead, SemanticMembers
from alsem.reporting.json_records import read_jsonl
from alsem.runs import runner

HEADS = SemanticMembers(head=SemanticHead(6, width=8, sees_evidence=True), members=2)


def with_depth(cache, depth_z):
    """The cache as if its rays ended at other depths, on one surface."""
    camera, (height, width) = cache.intrinsics, depth_z.shape[1:]
    row, col = np.mgrid[:height, :width] + np.reshape(cache.pixel_offset, (2, 1, 1))
    x, y = (col - camera.cx) / camera.fx, (row - camera.cy) / camera.fy
    t = depth_z * np.sqrt(1 + x**2 + y**2)
    steps = np.stack([t, t], axis=-1).reshape(-1, 2) / cache.t_max * 65535
    arrays = {
        "t": steps.astype(np.uint16),
        "depth_z": depth_z.astype(np.float32).ravel(),
    }
    return dataclasses.replace(cache, arrays=cache.arrays | arrays)


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    """The capture, and geometry as its depth has it."""
    folder = tmp_path_factory.mktemp("evidence")
    tiny.write_box(folder)
    made = tiny.parts(tiny.config(folder), folder / "run")
    fitted = tiny.fit_geometry(tiny.config(folder), folder / "run")
    truth = (made.scene.train.depth_z, made.truth.test_depth_z)
    train, test = (
        with_depth(cache, depth)
        for cache, depth in zip(
            (fitted.train_cache, fitted.test_cache), truth, strict=True
        )
    )
    exact = dataclasses.replace(fitted, train_cache=train, test_cache=test)
    return made.scene, exact, truth, folder


def off_by(room, error, *, sensor=True):
    """The geometry with the training frames as test frames, there off by metres."""
    scene, exact, truth, _ = room
    test = with_depth(exact.train_cache, truth[0] + error)
    photos = dataclasses.replace(scene.train, depth_z=None)
    train = scene.train if sensor else photos
    scene = dataclasses.replace(scene, train=train, test=photos)
    return scene, dataclasses.replace(exact, test_cache=test)


@pytest.mark.parametrize(
    ("error", "least", "most"), [(0, 0.99, 1), (0.02, 0.99, 1), (-0.5, 0, 0.4)]
)
def test_views_agree_on_surfaces_that_are_right(room, error, least, most):
    _, given = off_by(room, error)
    agreement = photo_evidence.view_agreement(given.train_cache, given.test_cache)
    assert least <= agreement <= most


@pytest.mark.parametrize(
    ("when", "sensor", "error", "used"),
    [
        ("off", False, -0.5, False),
        ("auto", True, 0, False),
        ("auto", True, -0.5, True),
        ("auto", False, 0, True),
        ("on", True, 0, True),
    ],
)
def test_evidence_is_used_where_geometry_needs_it(room, when, sensor, error, used):
    scene, given = off_by(room, error, sensor=sensor)
    found, vote = photo_evidence.add_photo_evidence(given, scene, when)
    assert found.train_cache.has_evidence == found.test_cache.has_evidence == used
    assert (vote is not None) == used


def test_a_superpixel_s_mean_is_over_its_own_pixels():
    unit = np.array([1, 0, 1, 3])
    values = np.array([[1.0, 0.0], [5.0, 2.0], [2.0, 4.0], [7.0, 8.0]])
    expected = [[1.5, 2.0], [5.0, 2.0], [1.5, 2.0], [7.0, 8.0]]
    np.testing.assert_array_equal(superpixel_means(unit, values), expected)


@given(
    weight=strategies.floats(0, 1),
    units=strategies.lists(
        strategies.lists(strategies.integers(0, 3), min_size=20, max_size=20),
        min_size=1,
        max_size=3,
    ),
    seed=strategies.integers(0, 9),
)
def test_a_vote_keeps_probabilities_and_their_sums(weight, units, seed):
    probs = np.random.default_rng(seed).dirichlet(np.ones(3), 20)
    segments = tuple(np.array(unit)[None] for unit in units)
    voted = SuperpixelVote(segments, weight)(0, probs)
    np.testing.assert_allclose(voted.sum(axis=1), 1)  # a convex combination
    np.testing.assert_allclose(voted.mean(axis=0), probs.mean(axis=0))
    limits = np.abs(voted - probs).max() <= weight + 1e-9
    assert limits and voted.min() >= 0


def test_no_weight_is_no_vote(room):
    assert make_vote(room[0].test.rgb, 0.0) is None


def test_test_labels_are_those_of_the_vote(room):
    scene, exact, _, _ = room
    found, _ = photo_evidence.add_photo_evidence(exact, scene, "on")
    size = exact.test_cache.rays_per_frame
    # Other superpixels in every frame, each of many pixels.
    unit = np.random.default_rng(0).integers(0, 9, (tiny.TEST_FRAMES, size))
    vote = SuperpixelVote((unit,), 0.5)
    caches = (found.train_cache, found.test_cache)
    mesh = tiny.mesh.make_mesh(4)  # three test frames: the last is padding
    predictor = Predictor(HEADS, cache=caches[0], mesh=mesh, chunk=100, vote=vote)
    leaves = predictor.zero_heads()
    heads = jax.tree.map(
        lambda leaf: np.random.default_rng(leaf.size).normal(size=leaf.shape), leaves
    )
    state: Any = training.init_state({}, optax.sgd(0.1), num_steps=1)
    model = Model(state, heads, None, *caches)
    prediction = predictor.predict_test(model)
    for frame in range(tiny.TEST_FRAMES):
        own = slice(frame * size, (frame + 1) * size)
        ids = np.arange(caches[1].num_rays, dtype=np.int32)[own]
        compact = jax.tree.map(jnp.asarray, caches[1].take(own))
        cameras, ids = caches[1].cameras, jnp.asarray(ids)
        raw = predictor.posterior(heads, cameras, ids, compact).probs
        voted = vote(frame, np.asarray(raw).mean(axis=1))
        np.testing.assert_allclose(prediction.confidence[own], voted.max(1), atol=1e-5)
        assert np.mean(prediction.label[own] == voted.argmax(axis=1)) > 0.99
    assert 0 <= prediction.uncertainty.min() <= prediction.uncertainty.max() <= 1


def test_a_run_with_evidence_resumes_with_its_heads(room):
    folder = room[3]
    for rounds in (1, 2):
        config = tiny.config(folder, active__rounds=rounds, model__evidence="on")
        runner.start_run(config, folder / "on")
    rows = read_jsonl(folder / "on" / "rounds.jsonl")
    assert [row["round"] for row in rows] == [0, 1] and rows[1]["chosen_by"]
