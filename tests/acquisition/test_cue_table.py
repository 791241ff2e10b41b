"""The table of cues: what a new row needs, and how candidates get their cues."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from pools import GROUPS, KEY, WEIGHTS, C, model_inputs, posterior_of, room

from alsem.acquisition import (
    CUES,
    Cue,
    Plot,
    gather_cues,
    geometry_cues,
    label_cues,
    ray_cues,
)
from alsem.acquisition.cues.gather import Cues
from alsem.acquisition.cues.table import documentation
from alsem.policy.features import policy_cues, policy_names
from alsem.policy.head import PolicyHead
from alsem.policy.weights import SHIPPED, init_params, load_weights
from alsem.runs import cue_maps


def gathered(candidates, tables, **options):
    rays = ray_cues(candidates, np.arange(len(candidates)))
    return gather_cues(tables, rays, candidates.voxel, **options)


def test_rows_are_complete():
    for name, cue in CUES.items():
        assert cue.group in ("", *GROUPS) and cue.doc and cue.doc[-1] != "."
        assert cue.per != "ray" or not cue.group
        assert f"`{name}`" in documentation()
    assert documentation() in Cues.__doc__


def test_cues_of_candidates_are_those_of_their_voxels():
    candidates = room(400, invalid=0.3)
    tables = geometry_cues(candidates)
    cues = jax.jit(lambda: gathered(candidates, tables))()
    for name, table in tables.items():
        expected = np.where(candidates.is_valid, table[candidates.voxel], 0)
        np.testing.assert_array_equal(getattr(cues, name), expected)
    np.testing.assert_array_equal(cues.frame, candidates.frame)
    np.testing.assert_allclose(cues.purity, candidates.purity / 255, rtol=1e-6)
    assert cues.purity.dtype == cues.consistency.dtype == jnp.float32
    assert cues.num_views.dtype == cues.frame.dtype == jnp.int32
    with pytest.raises(AttributeError, match="no cue 'colour'"):
        _ = cues.colour


def test_cues_per_class_are_the_same_for_all_candidates():
    candidates = room(9)
    cues = gathered(candidates, label_cues(candidates, np.array([2]), np.arange(C)))
    expected = np.tile(np.arange(C) / 10, (9, 1))
    np.testing.assert_allclose(cues.label_fraction, expected, rtol=1e-6)


def test_multiview_cues_have_a_row_per_voxel_or_per_candidate():
    candidates = room(300, invalid=0.3)
    num = candidates.num_voxels + 1
    tables = {"view_mean_log": np.arange(3.0 * num).reshape(num, 3)}
    of_voxel = np.where(candidates.is_valid, candidates.voxel, num - 1)
    own = np.arange(300) % num
    for row, given in ((of_voxel, None), (own, own)):
        cues = gathered(candidates, tables, view_row=given)
        np.testing.assert_array_equal(cues.view_mean_log[:, 2], 3 * row + 2)


@pytest.fixture
def height(monkeypatch):
    """A new cue, as its author adds it: a function and a row."""
    row = Cue(
        doc="height above the floor, in rooms of 4 m",
        per="voxel",
        group="",
        build=lambda surface: surface.points[:, 2] / 4.0,
        policy=lambda value: 2.0 * value - 1.0,
        plot=Plot("height", "rooms", low=0.0, high=1.0),
    )
    monkeypatch.setitem(CUES, "height", row)


def test_a_new_cue_is_one_row(height):
    candidates = room(60, invalid=0.0, voxel_size=1e-3)
    tables = geometry_cues(candidates)
    expected = candidates.x_world[:, 2] / 4.0
    np.testing.assert_allclose(gathered(candidates, tables).height, expected, rtol=1e-6)
    assert "height above the floor" in documentation()
    maps = cue_maps.frame_cues(
        tables, candidates, np.arange(9), np.zeros(9, int), False
    )
    np.testing.assert_allclose(maps["height"], expected[:9], rtol=1e-6)
    # The policy sees it, with the names of all features in order.
    tables |= label_cues(candidates, np.array([3]), np.ones(C))
    tables |= {"class_fraction": np.full(C, 0.2, np.float32)}
    posterior = posterior_of(WEIGHTS, model_inputs(candidates))
    features = jax.jit(jax.vmap(policy_cues))(posterior, gathered(candidates, tables))
    assert features.shape == (60, len(policy_names()))
    at = policy_names().index("height")
    np.testing.assert_allclose(features[:, at], 2.0 * expected - 1.0, atol=1e-6)


def test_a_policy_trained_without_a_new_cue_ignores_it(request):
    head = PolicyHead()

    def gain(cues):
        params = init_params(head, KEY, 3, load_weights(SHIPPED, head))
        return head.apply(params, jnp.asarray(cues), jnp.zeros((5, 3))).gain

    cues = np.random.default_rng(0).random((5, len(policy_names())), np.float32)
    expected = gain(cues)
    request.getfixturevalue("height")
    at = policy_names().index("height")
    found = gain(np.insert(cues, at, 7.0, axis=1))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
