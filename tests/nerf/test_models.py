"""Fields and heads: shapes, slopes, what depends on what, and parameter names."""

import functools
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alsem.core.types import SurfacePoints
from alsem.nerf import HashField, PaperField, SemanticHead, SemanticMembers, hash_grid

GOLDEN = Path(__file__).parent / "golden"
LARGE = 40_000  # points; the CPU compiler has gone wrong beyond 32768 numbers

FIELDS: dict[str, nn.Module] = {
    "hash_field": HashField(
        low=(-2.0, 0.0, -1.0),
        extent=(4.0, 3.0, 2.0),
        cells=hash_grid.grid_cells(0.5, 0.05, 3),
        log2_rows=9,
    ),
    "paper_field": PaperField(),
}
# The published field is eight layers of 256; fewer are the same code.
SMALL = FIELDS | {"paper_field": PaperField(depth=4, width=32, skip=2)}
HEADS: dict[str, nn.Module] = {
    "semantic_head": SemanticHead(num_classes=6),
    "semantic_members": SemanticMembers(head=SemanticHead(num_classes=6), members=3),
}


def points_and_directions(*shape):
    rng = np.random.default_rng(0)
    x = rng.uniform([-2, 0, -1], [2, 3, 1], (*shape, 3))
    direction = rng.normal(size=(*shape, 3))
    direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
    return jnp.asarray(x, jnp.float32), jnp.asarray(direction, jnp.float32)


def surface_points(*shape, features=15):
    rng = np.random.default_rng(1)
    x, normal = points_and_directions(*shape)
    return SurfacePoints(
        x_world=x,
        normal=normal,
        diffuse=jnp.asarray(rng.uniform(size=(*shape, 3)), jnp.float32),
        feature=jnp.asarray(rng.normal(size=(*shape, features)), jnp.float32),
    )


def shapes_of(module, *args):
    """The parameters' structure, without the seconds that drawing them takes."""
    return jax.eval_shape(module.init, jax.random.key(0), *args)


def lively(module, *args):
    """Parameters away from their initial zeros, so that every input matters."""
    rng = np.random.default_rng(2)
    return jax.tree.map(
        lambda leaf: jnp.asarray(0.3 * rng.normal(size=leaf.shape), jnp.float32),
        shapes_of(module, *args),
    )


def applied(module, method=None):
    """The module as one compiled function of parameters and inputs."""
    return jax.jit(functools.partial(module.apply, method=method))


def structure(params) -> str:
    """One line a parameter: path, shape, dtype."""
    rows = jax.tree.leaves_with_path(params)
    lines = [
        f"{jax.tree_util.keystr(path, simple=True, separator='/')} "
        f"{'x'.join(map(str, leaf.shape))} {leaf.dtype}"
        for path, leaf in rows
    ]
    return "\n".join(lines) + "\n"


@pytest.fixture(params=sorted(SMALL))
def field(request):
    return SMALL[request.param]


@pytest.fixture
def params(field):
    return lively(field, *points_and_directions(1))


@pytest.mark.parametrize("name", sorted(FIELDS | HEADS))
def test_parameters_keep_their_names_and_shapes(name):
    if name in FIELDS:
        module, args = FIELDS[name], points_and_directions(1)
    else:
        module, args = HEADS[name], (surface_points(1),)
    # A checkpoint is read by these names: a change of them loses old runs. After a
    # deliberate one, write the new text into the file.
    assert structure(shapes_of(module, *args)) == (GOLDEN / f"{name}.txt").read_text()


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
    assert np.std(out.rgb, axis=0).min() > 1e-3  # colour says something


def test_the_direction_changes_the_colour_and_nothing_else(field, params):
    x, direction = points_and_directions(200)
    one = applied(field)(params, x, direction)
    two = applied(field)(params, x, -direction)
    assert np.abs(one.rgb - two.rgb).max() > 1e-3
    np.testing.assert_array_equal(one.density, two.density)
    for a, b in zip(*map(jax.tree.leaves, (one.surface, two.surface)), strict=True):
        np.testing.assert_array_equal(a, b)


def test_density_alone_is_the_density_of_the_whole(field, params):
    x, direction = points_and_directions(300)
    alone = applied(field, "density")(params, x)
    np.testing.assert_allclose(
        alone, applied(field)(params, x, direction).density, rtol=1e-5
    )


@pytest.mark.parametrize("size", [1e-8, 1.0, 1e4])
def test_slopes_are_finite_for_faint_and_huge_parameters(field, params, size):
    x, direction = points_and_directions(50)

    def total(params):
        out = applied(field)(params, x, direction)
        surface = jnp.sum(out.surface.normal) + jnp.sum(out.surface.diffuse)
        return jnp.mean(out.density) + jnp.sum(out.rgb) + surface

    scaled = jax.tree.map(lambda p: p * size, params)
    value, slopes = jax.jit(jax.value_and_grad(total))(scaled)
    assert np.isfinite(value)
    assert all(np.isfinite(s).all() for s in jax.tree.leaves(slopes))


def test_every_parameter_learns(field, params):
    x, direction = points_and_directions(400)

    def total(params):
        out = applied(field)(params, x, direction)
        normal = jnp.sum(jnp.square(out.surface.normal[:, 0]))
        return jnp.sum(jnp.log1p(out.density)) + jnp.sum(jnp.square(out.rgb)) + normal

    slopes = jax.jit(jax.grad(total))(params)
    for path, slope in jax.tree.leaves_with_path(slopes):
        assert np.abs(slope).max() > 0, jax.tree_util.keystr(path)


def test_noise_moves_the_raw_density_of_the_published_field():
    field = SMALL["paper_field"]
    x, direction = points_and_directions(300)
    params = lively(field, x, direction)
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
    x, direction = points_and_directions(100)
    out, _ = jax.jit(field.init_with_output)(jax.random.key(0), x, direction)
    # A metre of it stops a third of the light.
    np.testing.assert_allclose(out.density, np.exp(-1.0), rtol=0.02)


def test_the_grid_lies_in_its_box():
    field = FIELDS["hash_field"]
    x, direction = points_and_directions(100)
    params = lively(field, x, direction)
    density = applied(field, "density")(params, x)
    assert np.std(np.log(density)) > 0.1
    moved = field.clone(low=(1.0, 1.0, 1.0))  # by 3, 1 and 2 metres
    shift = jnp.broadcast_to(jnp.array([3.0, 1.0, 2.0]), x.shape)
    again = applied(moved, "density")(params, x + shift)
    np.testing.assert_allclose(again, density, rtol=1e-3)


def test_a_large_batch_under_jit(field, params):
    x, direction = points_and_directions(LARGE)
    whole = applied(field)(params, x, direction)
    rows = np.arange(0, LARGE, 41)  # small enough for the compiler to get right
    part = applied(field)(params, x[rows], direction[rows])
    for a, b in zip(*map(jax.tree.leaves, (whole, part)), strict=True):
        np.testing.assert_allclose(np.asarray(a)[rows], b, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize(
    "inputs", [("position",), ("feature", "normal"), ("diffuse", "position", "normal")]
)
def test_a_head_sees_its_inputs_and_no_other(inputs):
    head = SemanticHead(num_classes=4, inputs=inputs)
    surface = surface_points(20)
    params = lively(head, surface)
    logits = applied(head)(params, surface)
    assert logits.shape == (20, 4)
    names = {"position": "x_world", "normal": "normal", "diffuse": "diffuse"}
    names["feature"] = "feature"
    for name, attribute in names.items():
        moved = surface.replace(**{attribute: 0.5 * getattr(surface, attribute)})
        changed = bool(np.any(applied(head)(params, moved) != logits))
        assert changed == (name in inputs), name


def test_a_head_without_hidden_layers_is_linear():
    head = SemanticHead(num_classes=3, inputs=("feature",), depth=0, feature_scale=0.5)
    surface = surface_points(10)
    params = lively(head, surface)
    kernel, bias = (params["params"]["logits"][k] for k in ("kernel", "bias"))
    expected = 0.5 * np.asarray(surface.feature, float) @ np.asarray(kernel, float)
    np.testing.assert_allclose(
        applied(head)(params, surface), expected + np.asarray(bias), atol=1e-5
    )


def test_the_head_s_position_encoding_is_in_wavelengths():
    surface = surface_points(10)
    one = SemanticHead(num_classes=3, inputs=("position",), wavelength=1.0)
    two = SemanticHead(num_classes=3, inputs=("position",), wavelength=2.0)
    params = lively(one, surface)
    far = surface.replace(x_world=2.0 * surface.x_world)
    np.testing.assert_allclose(
        applied(one)(params, surface), applied(two)(params, far), atol=1e-5
    )


def test_members_differ_and_equal_heads_of_their_own():
    members = HEADS["semantic_members"]
    surface = surface_points(2, 7)
    params = jax.jit(members.init)(jax.random.key(0), surface)
    logits = applied(members)(params, surface)
    assert logits.shape == (3, 2, 7, 6)
    head = SemanticHead(num_classes=6)
    for k in range(3):
        own = jax.tree.map(lambda leaf, k=k: leaf[k], params["params"]["head"])
        alone = applied(head)({"params": own}, surface)
        np.testing.assert_allclose(logits[k], alone, atol=1e-5)
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert np.abs(logits[a] - logits[b]).max() > 1e-2


def test_a_member_s_loss_leaves_the_others_alone():
    members = HEADS["semantic_members"]
    surface = surface_points(9)
    params = jax.jit(members.init)(jax.random.key(0), surface)

    def loss_of_one(params):
        return jnp.sum(jnp.square(members.apply(params, surface)[1]))

    slopes = jax.jit(jax.grad(loss_of_one))(params)
    for leaf in jax.tree.leaves(slopes):
        assert np.isfinite(leaf).all()
        assert np.any(leaf[1] != 0)
        np.testing.assert_array_equal(leaf[0], 0.0)
        np.testing.assert_array_equal(leaf[2], 0.0)


def test_members_of_a_large_batch_under_jit():
    members = HEADS["semantic_members"]
    surface = surface_points(LARGE)
    params = jax.jit(members.init)(jax.random.key(0), surface)
    whole = applied(members)(params, surface)
    rows = np.arange(0, LARGE, 41)
    part = applied(members)(params, jax.tree.map(lambda a: a[rows], surface))
    np.testing.assert_allclose(np.asarray(whole)[:, rows], part, atol=1e-4)
