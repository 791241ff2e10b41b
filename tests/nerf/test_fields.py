"""Fields: shapes, ranges, gradients, and names of parameters."""

import flax.linen as nn
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

FIELDS: dict[str, nn.Module] = {
    "hash_field": HashField(cells=grid_cells(0.5, 0.05, 3), log2_rows=9),
    "paper_field": PaperField(),
}
# The published field is eight layers of 256; fewer are the same code.
SMALL = FIELDS | {"paper_field": PaperField(depth=4, width=32, skip=2)}


@pytest.fixture(params=sorted(SMALL))
def field(request):
    return SMALL[request.param]


@pytest.fixture
def params(field):
    return random_params(field, *points_and_directions(1))


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_field_parameters_keep_their_names_and_shapes(name):
    assert_structure_is_kept(FIELDS[name], name, *points_and_directions(1))


@pytest.mark.parametrize("shape", [(), (5,), (2, 3)])
def test_fields_take_any_leading_axes(field, params, shape):
    x, direction = points_and_directions(*shape)
    out = applied(field)(params, x, direction)
    assert out.density.shape == shape and out.rgb.shape == (*shape, 3)
    surface = out.surface
    assert surface.normal.shape == surface.diffuse.shape == (*shape, 3)
    assert surface.feature.shape[:-1] == shape
    np.testing.assert_array_equal(surface.x_world, x)
    one = applied(field)(params, x.reshape(-1, 3), direction.reshape(-1, 3))
    np.testing.assert_allclose(out.rgb.reshape(-1, 3), one.rgb, atol=1e-5)


def test_values_are_in_their_ranges(field, params):
    out = applied(field)(params, *points_and_directions(500))
    assert (out.density >= 0).all() and (out.density > 0).any()
    for colour in (out.rgb, out.surface.diffuse):
        assert ((colour >= 0) & (colour <= 1)).all()
    length = np.linalg.norm(out.surface.normal, axis=-1)
    assert np.all((np.abs(length - 1) < 1e-5) | (length == 0))
    assert np.std(out.rgb, axis=0).min() > 1e-3


def test_direction_changes_only_the_colour(field, params):
    x, direction = points_and_directions(200)
    one = applied(field)(params, x, direction)
    two = applied(field)(params, x, -direction)
    assert np.abs(one.rgb - two.rgb).max() > 1e-3
    np.testing.assert_array_equal(one.density, two.density)
    for a, b in zip(*map(jax.tree.leaves, (one.surface, two.surface)), strict=True):
        np.testing.assert_array_equal(a, b)


def test_density_method_equals_the_density_of_a_call(field, params):
    x, direction = points_and_directions(300)
    single = applied(field, "density")(params, x)
    np.testing.assert_allclose(
        single, applied(field)(params, x, direction).density, rtol=1e-5
    )


@pytest.mark.parametrize("size", [1e-8, 1.0, 1e4])
def test_gradients_are_finite_for_small_and_large_parameters(field, params, size):
    x, direction = points_and_directions(50)

    def total(params):
        out = applied(field)(params, x, direction)
        surface = jnp.sum(out.surface.normal) + jnp.sum(out.surface.diffuse)
        return jnp.mean(out.density) + jnp.sum(out.rgb) + surface

    scaled = jax.tree.map(lambda p: p * size, params)
    value, gradients = jax.jit(jax.value_and_grad(total))(scaled)
    assert np.isfinite(value)
    assert all(np.isfinite(s).all() for s in jax.tree.leaves(gradients))


def test_every_parameter_has_a_gradient(field, params):
    x, direction = points_and_directions(400)

    def total(params):
        out = applied(field)(params, x, direction)
        normal = jnp.sum(jnp.square(out.surface.normal[:, 0]))
        return jnp.sum(jnp.log1p(out.density)) + jnp.sum(jnp.square(out.rgb)) + normal

    gradients = jax.jit(jax.grad(total))(params)
    for path, gradient in jax.tree.leaves_with_path(gradients):
        assert np.abs(gradient).max() > 0, jax.tree_util.keystr(path)


def test_noise_moves_the_raw_density_of_the_published_field():
    field = SMALL["paper_field"]
    x, direction = points_and_directions(300)
    params = random_params(field, x, direction)
    plain = applied(field)(params, x, direction)
    same = applied(field)(params, x, direction, jnp.zeros(300))
    np.testing.assert_array_equal(plain.density, same.density)
    more = applied(field)(params, x, direction, jnp.full(300, 2.0))
    has_density = plain.density > 0
    assert has_density.any()
    np.testing.assert_allclose(
        more.density[has_density], plain.density[has_density] + 2.0, rtol=1e-5
    )
    less = applied(field)(params, x, direction, jnp.full(300, -1e6))
    np.testing.assert_array_equal(less.density, 0.0)
    np.testing.assert_array_equal(plain.rgb, more.rgb)


def test_the_scene_starts_empty():
    field = FIELDS["hash_field"]
    init = jax.jit(with_box(field, field.init_with_output))
    out, _ = init(jax.random.key(0), *points_and_directions(100))
    # A metre of it stops a third of the light.
    np.testing.assert_allclose(out.density, np.exp(-1.0), rtol=0.02)


def test_the_grid_moves_with_its_box():
    field = FIELDS["hash_field"]
    x, direction = points_and_directions(100)
    params = random_params(field, x, direction)
    density = applied(field, "density")(params, x)
    assert np.std(np.log(density)) > 0.1
    shift = np.array([3.0, 1.0, 2.0])
    moved = {"low": tuple(shift + LOW), "high": tuple(shift + HIGH)}
    x = x + jnp.asarray(shift, jnp.float32)[None]
    again = applied(field, "density", **moved)(params, x)
    np.testing.assert_allclose(again, density, rtol=1e-3)


@pytest.mark.parametrize("name", sorted(SMALL))
def test_bfloat16_is_near_float32_and_returns_float32(name):
    x, direction = points_and_directions(500)
    field = SMALL[name]
    low = field.clone(dtype="bfloat16")
    params = random_params(field, x, direction)
    whole, half = (applied(f)(params, x, direction) for f in (field, low))
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(half))
    # Eight bits of mantissa through at most seven layers.
    np.testing.assert_allclose(half.rgb, whole.rgb, atol=0.05)
    np.testing.assert_allclose(half.density, whole.density, rtol=0.3, atol=0.05)
    assert not np.array_equal(half.rgb, whole.rgb)


def test_a_large_batch_under_jit(field, params):
    x, direction = points_and_directions(LARGE)
    whole = applied(field)(params, x, direction)
    rows = np.arange(0, LARGE, 41)  # small enough for the compiler to get right
    part = applied(field)(params, x[rows], direction[rows])
    for a, b in zip(*map(jax.tree.leaves, (whole, part)), strict=True):
        np.testing.assert_allclose(np.asarray(a)[rows], b, rtol=2e-4, atol=2e-5)
