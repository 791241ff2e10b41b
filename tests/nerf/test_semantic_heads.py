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
    params, apply = random_params(head, surface), applied(head)
    logits = apply(params, surface)
    assert logits.shape == (20, 4)
    for name in ("position", "normal", "diffuse", "feature"):
        attribute = {"position": "x_world"}.get(name, name)
        half = {attribute: 0.5 * getattr(surface, attribute)}
        moved = apply(params, dataclasses.replace(surface, **half))
        assert np.any(moved != logits) == (name in inputs), name


def test_a_head_without_hidden_layers_is_linear():
    head = SemanticHead(num_classes=3, inputs=("feature",), depth=0, feature_scale=0.5)
    surface = surface_points(10)
    params = random_params(head, surface)
    layer = jax.tree.map(np.asarray, params["params"]["logits"])
    expected = 0.5 * np.asarray(surface.feature) @ layer["kernel"] + layer["bias"]
    np.testing.assert_allclose(applied(head)(params, surface), expected, atol=1e-5)


def test_a_head_adds_what_the_surface_and_the_photograph_say():
    head = HEAD.clone(sees_evidence=True)
    evidence = jnp.asarray(np.random.default_rng(4).normal(size=(10, 5)), jnp.float32)
    surface = dataclasses.replace(surface_points(10), evidence=evidence)
    params, apply = random_params(head, surface), applied(head)
    both = np.asarray(apply(params, surface))

    def of_rows(rows):
        """Logits of a last layer that hears only some of its inputs."""
        layer = params["params"]["logits"]
        heard = jnp.zeros_like(layer["kernel"]).at[rows].set(layer["kernel"][rows])
        heard = {"params": params["params"] | {"logits": layer | {"kernel": heard}}}
        return np.asarray(apply(heard, surface))

    of_surface, of_photo = of_rows(slice(0, 64)), of_rows(slice(64, 128))
    bias = np.asarray(params["params"]["logits"]["bias"])
    np.testing.assert_allclose(of_surface + of_photo - bias, both, atol=1e-4)
    assert np.abs(of_photo - bias).max() > 0.1
    plain = {name: params["params"][name] for name in ("hidden_0", "hidden_1")}
    plain["logits"] = jax.tree.map(lambda leaf: leaf[:64], params["params"]["logits"])
    plain["logits"]["bias"] = params["params"]["logits"]["bias"]
    alone = applied(HEAD)({"params": plain}, surface)
    np.testing.assert_allclose(of_surface, alone, atol=1e-5)


def test_the_head_s_position_encoding_is_in_wavelengths():
    near = surface_points(10)
    far = dataclasses.replace(near, x_world=2.0 * near.x_world)
    head = SemanticHead(num_classes=3, inputs=("position",), wavelength=1.0)
    params = random_params(head, near)
    doubled = applied(head.clone(wavelength=2.0))(params, far)
    np.testing.assert_allclose(applied(head)(params, near), doubled, atol=1e-5)


def test_members_differ_and_each_equals_a_single_head():
    initial = jax.jit(MEMBERS.init)(jax.random.key(0), surface_points(1))
    surface = surface_points(2, LARGE // 2)
    logits = np.asarray(applied(MEMBERS)(initial, surface))
    assert logits.shape == (3, 2, LARGE // 2, 6)
    rows = np.arange(0, LARGE // 2, 41)  # few enough for the compiler to get right
    some, apply = jax.tree.map(lambda a: a[:, rows], surface), applied(HEAD)
    for k in range(3):
        own = jax.tree.map(lambda leaf, k=k: leaf[k], initial["params"]["head"])
        single = apply({"params": own}, some)
        np.testing.assert_allclose(logits[k][:, rows], single, atol=1e-5)
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert np.abs(logits[a] - logits[b]).max() > 1e-2


@pytest.mark.parametrize("method", [None, "embed"])
def test_bfloat16_heads_are_near_float32(method):
    surface = surface_points(200)
    params = random_params(MEMBERS, surface)
    half = SemanticMembers(head=HEAD.clone(dtype="bfloat16"), members=3)
    whole = applied(MEMBERS, method)(params, surface)
    found = applied(half, method)(params, surface)
    assert found.dtype == jnp.float32 and not np.array_equal(found, whole)
    # Eight bits of mantissa through three layers.
    np.testing.assert_allclose(found, whole, atol=0.03 * np.abs(whole).max())
