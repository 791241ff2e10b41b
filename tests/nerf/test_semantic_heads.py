"""Semantic heads: inputs, ensemble members, and names of parameters."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from linen_modules import (
    LARGE,
    applied,
    assert_structure_is_kept,
    random_params,
    surface_points,
)

from alsem.nerf import SemanticHead, SemanticMembers

HEAD = SemanticHead(num_classes=6)
MEMBERS = SemanticMembers(head=HEAD, members=3)


@pytest.mark.parametrize(
    ("name", "module"), [("semantic_head", HEAD), ("semantic_members", MEMBERS)]
)
def test_head_parameters_keep_their_names_and_shapes(name, module):
    assert_structure_is_kept(module, name, surface_points(1))


@pytest.mark.parametrize(
    "inputs", [("position",), ("feature", "normal"), ("diffuse", "position", "normal")]
)
def test_a_head_depends_on_its_inputs_only(inputs):
    head = SemanticHead(num_classes=4, inputs=inputs)
    surface = surface_points(20)
    params = random_params(head, surface)
    logits = applied(head)(params, surface)
    assert logits.shape == (20, 4)
    names = {"position": "x_world", "normal": "normal", "diffuse": "diffuse"}
    names["feature"] = "feature"
    for name, attribute in names.items():
        moved = dataclasses.replace(
            surface, **{attribute: 0.5 * getattr(surface, attribute)}
        )
        changed = bool(np.any(applied(head)(params, moved) != logits))
        assert changed == (name in inputs), name


def test_a_head_without_hidden_layers_is_linear():
    head = SemanticHead(num_classes=3, inputs=("feature",), depth=0, feature_scale=0.5)
    surface = surface_points(10)
    params = random_params(head, surface)
    kernel, bias = (params["params"]["logits"][k] for k in ("kernel", "bias"))
    expected = 0.5 * np.asarray(surface.feature, float) @ np.asarray(kernel, float)
    np.testing.assert_allclose(
        applied(head)(params, surface), expected + np.asarray(bias), atol=1e-5
    )


def test_the_head_s_position_encoding_is_in_wavelengths():
    surface = surface_points(10)
    one = SemanticHead(num_classes=3, inputs=("position",), wavelength=1.0)
    two = SemanticHead(num_classes=3, inputs=("position",), wavelength=2.0)
    params = random_params(one, surface)
    far = dataclasses.replace(surface, x_world=2.0 * surface.x_world)
    np.testing.assert_allclose(
        applied(one)(params, surface), applied(two)(params, far), atol=1e-5
    )


def test_members_differ_and_each_equals_a_single_head():
    members = MEMBERS
    surface = surface_points(2, 7)
    params = jax.jit(members.init)(jax.random.key(0), surface)
    logits = applied(members)(params, surface)
    assert logits.shape == (3, 2, 7, 6)
    head = SemanticHead(num_classes=6)
    for k in range(3):
        own = jax.tree.map(lambda leaf, k=k: leaf[k], params["params"]["head"])
        single = applied(head)({"params": own}, surface)
        np.testing.assert_allclose(logits[k], single, atol=1e-5)
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert np.abs(logits[a] - logits[b]).max() > 1e-2


def test_a_member_s_loss_has_no_gradient_in_the_others():
    members = MEMBERS
    surface = surface_points(9)
    params = jax.jit(members.init)(jax.random.key(0), surface)

    def loss_of_one(params):
        return jnp.sum(jnp.square(members.apply(params, surface)[1]))

    gradients = jax.jit(jax.grad(loss_of_one))(params)
    for leaf in jax.tree.leaves(gradients):
        assert np.isfinite(leaf).all()
        assert np.any(leaf[1] != 0)
        np.testing.assert_array_equal(leaf[0], 0.0)
        np.testing.assert_array_equal(leaf[2], 0.0)


def test_members_of_a_large_batch_under_jit():
    members = MEMBERS
    surface = surface_points(LARGE)
    params = jax.jit(members.init)(jax.random.key(0), surface)
    whole = applied(members)(params, surface)
    rows = np.arange(0, LARGE, 41)
    part = applied(members)(params, jax.tree.map(lambda a: a[rows], surface))
    np.testing.assert_allclose(np.asarray(whole)[:, rows], part, atol=1e-4)


def test_bfloat16_heads_are_near_float32():
    surface = surface_points(200)
    params = random_params(MEMBERS, surface)
    half = SemanticMembers(head=HEAD.clone(dtype="bfloat16"), members=3)
    for method in (None, "embed"):
        whole = applied(MEMBERS, method)(params, surface)
        found = applied(half, method)(params, surface)
        assert found.dtype == jnp.float32 and not np.array_equal(found, whole)
        # Eight bits of mantissa through three layers.
        np.testing.assert_allclose(found, whole, atol=0.03 * np.abs(whole).max())
