"""Fields: shapes, ranges, gradients, and names of parameters."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from linen_modules import (
    HIGH,
    LARGE,
    LOW,
    applied,
    assert_structure_is_kept,
    points_and_directions,
    random_params,
    with_box,
)

from alsem.nerf import HashField, PaperField
from alsem.nerf.hash_grid import grid_cells

HASH_FIELD = HashField(cells=grid_cells(0.5, 0.05, 3), log2_rows=9)
# The published field is eight layers of 256; fewer are the same code.
SMALL_PAPER_FIELD = PaperField(depth=4, width=32, skip=2)
X, DIRECTION = points_and_directions(LARGE)
FEW = (1000,)  # points, which the compiler gets right


@pytest.fixture(scope="module", params=[HASH_FIELD, SMALL_PAPER_FIELD], ids=["h", "p"])
def field(request):
    return request.param


@pytest.fixture(scope="module")
def params(field):
    return random_params(field, X, DIRECTION)


@pytest.fixture(scope="module")
def samples_at(field, params):
    """The compiled field."""
    return functools.partial(applied(field), params)


@pytest.fixture(scope="module")
def out(samples_at):
    return samples_at(X, DIRECTION)


@pytest.mark.parametrize(
    ("name", "field"), [("hash_field", HASH_FIELD), ("paper_field", PaperField())]
)
def test_field_parameters_keep_their_names_and_shapes(name, field):
    assert_structure_is_kept(field, name, *points_and_directions(1))


@pytest.mark.parametrize("shape", [(), (2, 3), FEW])
def test_fields_take_any_leading_axes_and_large_batches(samples_at, out, shape):
    n = int(np.prod(shape))
    few = samples_at(*(a[:n].reshape(*shape, 3) for a in (X, DIRECTION)))
    for a, b in zip(*map(jax.tree.leaves, (few, out)), strict=True):
        b = b[:n].reshape(*shape, *b.shape[1:])
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5)


def test_values_are_in_their_ranges(out):
    assert (out.density >= 0).all() and (out.density > 0).any()
    for colour in (out.rgb, out.surface.diffuse):
        assert ((colour >= 0) & (colour <= 1)).all()
    length = np.linalg.norm(out.surface.normal, axis=-1)
    assert np.all((np.abs(length - 1) < 1e-5) | (length == 0))
    assert np.std(out.rgb, axis=0).min() > 1e-3
    np.testing.assert_array_equal(out.surface.x_world, X)


def test_direction_changes_only_the_colour(samples_at, out):
    turned = samples_at(X, -DIRECTION)
    assert np.abs(turned.rgb - out.rgb).max() > 1e-3
    np.testing.assert_array_equal(turned.density, out.density)
    jax.tree.map(np.testing.assert_array_equal, turned.surface, out.surface)


def test_density_method_equals_the_density_of_a_call(field, params, out):
    density = applied(field, "density")(params, X)
    np.testing.assert_allclose(density, out.density, rtol=1e-5)


@pytest.fixture(scope="module")
def gradients_of(field):
    def total(params):
        out = applied(field)(params, X[:400], DIRECTION[:400])
        surface = jnp.sum(out.surface.normal[:, 0]) + jnp.sum(out.surface.diffuse)
        return jnp.mean(out.density) + jnp.sum(out.rgb) + surface

    return jax.jit(jax.value_and_grad(total))


@pytest.mark.parametrize("size", [1e-8, 1.0, 1e4])
def test_gradients_are_finite_for_small_and_large_parameters(
    gradients_of, params, size
):
    both = gradients_of(jax.tree.map(lambda p: p * size, params))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(both))


def test_every_parameter_has_a_gradient(gradients_of, params):
    _, gradients = gradients_of(params)
    for path, gradient in jax.tree.leaves_with_path(gradients):
        assert np.abs(gradient).max() > 0, jax.tree_util.keystr(path)


def test_bfloat16_is_near_float32_and_returns_float32(field, params, samples_at):
    x, direction = X[: FEW[0]], DIRECTION[: FEW[0]]
    half = applied(field.clone(dtype="bfloat16"))(params, x, direction)
    whole = samples_at(x, direction)
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(half))
    # Eight bits of mantissa through at most seven layers.
    np.testing.assert_allclose(half.rgb, whole.rgb, atol=0.05)
    np.testing.assert_allclose(half.density, whole.density, rtol=0.3, atol=0.05)
    assert not np.array_equal(half.rgb, whole.rgb)


def test_noise_moves_the_raw_density_of_the_published_field():
    x, direction = X[:300], DIRECTION[:300]
    params = random_params(SMALL_PAPER_FIELD, x, direction)
    noisy = functools.partial(applied(SMALL_PAPER_FIELD), params, x, direction)
    plain = noisy()
    none, more, less = (noisy(jnp.full(300, noise)) for noise in (0.0, 2.0, -1e6))
    np.testing.assert_array_equal(none.density, plain.density)
    dense = np.asarray(plain.density > 0)
    assert dense.any()
    raised = plain.density[dense] + 2.0
    np.testing.assert_allclose(more.density[dense], raised, rtol=1e-5)
    np.testing.assert_array_equal(less.density, 0.0)
    np.testing.assert_array_equal(more.rgb, plain.rgb)


def test_the_scene_starts_empty():
    init = jax.jit(with_box(HASH_FIELD, HASH_FIELD.init_with_output))
    out, _ = init(jax.random.key(0), X[:100], DIRECTION[:100])
    # A metre of it stops a third of the light.
    np.testing.assert_allclose(out.density, np.exp(-1.0), rtol=0.02)


def test_the_grid_moves_with_its_box():
    x = X[:100]
    params = random_params(HASH_FIELD, x, DIRECTION[:100])
    density = applied(HASH_FIELD, "density")(params, x)
    assert np.std(np.log(density)) > 0.1
    shift = np.array([3.0, 1.0, 2.0])
    moved = {"low": tuple(shift + LOW), "high": tuple(shift + HIGH)}
    x = x + jnp.asarray(shift, jnp.float32)[None]
    again = applied(HASH_FIELD, "density", **moved)(params, x)
    np.testing.assert_allclose(again, density, rtol=1e-3)
