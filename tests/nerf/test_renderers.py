"""Renderers: shapes, gradients, use of sensor depth, and thin surfaces."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alsem.core.geometry import ray_box_exit
from alsem.core.types import FieldSamples, Rays, SurfacePoints
from alsem.nerf import (
    GridNerf,
    HashField,
    PaperField,
    PaperNerf,
    ProposalField,
    ProposalNerf,
    volume_rendering,
)

KEY = jax.random.key(0)
RAYS = 5
CORNERS = ((0.0, 0.0, 0.0), (4.0, 3.0, 2.0))
DISTANCE = np.array([0.0, 0.5, 1.0, 0.001, 2.0])  # unknown and too near as well
FIELD = HashField(
    cells=(0.5, 0.25), log2_rows=8, width=16, colour_width=8, feature_dim=7
)
SMALL = {"cell": 0.25, "march_samples": 32, "proposal_samples": 12, "render_samples": 8}
NERFS = {
    sensor: GridNerf(field=FIELD, sensor=sensor, **SMALL) for sensor in ("all", "some")
}
NERFS["proposal"] = ProposalNerf(
    field=FIELD,
    proposal=ProposalField(cells=(0.5,), log2_rows=6),
    proposal_samples=12,
    field_samples=16,
    test_proposal_samples=12,
    test_field_samples=8,
)
NERFS["paper"] = PaperNerf(
    field=PaperField(depth=3, width=16, skip=1), coarse_samples=6, fine_samples=8
)


def rays_towards(directions):
    draw = np.random.default_rng(0)
    length = np.linalg.norm(directions, axis=-1, keepdims=True)
    return Rays(
        origins=jnp.asarray(draw.uniform(0.8, 1.2, directions.shape)),
        directions=jnp.asarray(directions / length),
        z_scale=jnp.full(len(directions), 0.9),
    )


SOME_RAYS = rays_towards(np.random.default_rng(0).normal(size=(RAYS, 3)))


@functools.cache
def trained(name):
    """Gradients of a training batch, and its renderings."""
    nerf = NERFS[name]
    grid = nerf.init_grid(*CORNERS, 0.05)
    distance = np.maximum(DISTANCE, 0.3) if name == "all" else DISTANCE

    def loss(params, distance):
        levels = nerf.render_train(params, grid, SOME_RAYS, distance, KEY)
        return sum(jnp.sum(level.rgb) for level in levels), levels

    return jax.jit(jax.grad(loss, has_aux=True))(nerf.init(KEY), distance)


@functools.cache
def rendered(name):
    nerf = NERFS[name]
    return jax.jit(nerf.render)(
        nerf.init(KEY), nerf.init_grid(*CORNERS, 0.05), SOME_RAYS
    )


@pytest.mark.parametrize("name", NERFS)
def test_renderings_have_their_shapes_and_finite_gradients(name):
    grads, levels = trained(name)
    assert len(levels) == NERFS[name].levels
    # The paper's fine level has all samples of both.
    samples = [6, 14, 14] if name == "paper" else [16, 8]
    for level, s in zip([*levels, rendered(name)], samples, strict=True):
        assert level.rgb.shape == (RAYS, 3)
        assert level.t_edges.shape == (RAYS, s + 1)
        assert level.weights.shape == level.samples.density.shape == (RAYS, s)
        assert level.samples.surface.x_world.shape == (RAYS, s, 3)
        assert np.all(np.diff(level.t_edges) >= 0)
    leaves = jax.tree.leaves((grads, levels, rendered(name)))
    assert all(np.all(np.isfinite(leaf)) for leaf in leaves)
    assert max(np.abs(gradient).max() for gradient in jax.tree.leaves(grads)) > 0


def test_training_samples_follow_sensor_depth_where_known():
    known = DISTANCE > 0.3
    edges = {name: np.asarray(trained(name)[1][0].t_edges) for name in NERFS}
    np.testing.assert_array_equal(edges["some"][known], edges["all"][known])
    rays = SOME_RAYS
    leave = ray_box_exit(rays.origins, rays.directions, *map(jnp.array, CORNERS))
    assert edges["some"][0, -1] == pytest.approx(float(leave[0]))
    np.testing.assert_allclose(edges["proposal"][:, -1], leave, rtol=1e-5)
    last = edges["some"][known, -1]
    np.testing.assert_allclose(last, DISTANCE[known] + 0.03, atol=1e-6)


def test_some_training_samples_lie_about_the_surface_of_stereo():
    edges = np.asarray(trained("proposal")[1][0].t_edges)
    inside = (DISTANCE > 0.3) & (1.06 * DISTANCE < edges[:, -1])
    assert inside.sum() >= 2
    about = np.abs(edges / np.maximum(DISTANCE, 1e-9)[:, None] - 1.0) < 0.061
    assert np.all(about.sum(axis=1)[inside] >= NERFS["proposal"].guided_samples)
    # One too near is no reason for samples before the start of the ray.
    assert np.all(edges[3] >= edges[3, 0]) and edges.shape == (RAYS, 17)


def test_rendering_does_not_depend_on_the_sensor():
    jax.tree.map(np.testing.assert_array_equal, rendered("some"), rendered("all"))


class Slab(HashField):
    """Opaque between x = 2.6 and x = 2.63, empty elsewhere."""

    def density(self, x_world, box):
        return jnp.where(jnp.abs(x_world[..., 0] - 2.615) < 0.015, 2000.0, 0.0)

    def __call__(self, x_world, direction, box, mesh=None):
        zeros = jnp.zeros_like(x_world)
        density = self.density(x_world, box)
        points = SurfacePoints(x_world, zeros, zeros, zeros)
        return FieldSamples(density, zeros + 1.0, points)


def test_a_thin_slab_is_found_through_the_grid():
    nerf = GridNerf(field=Slab(cells=(0.5,), log2_rows=4), cell=0.05)
    params, empty = nerf.init(KEY), nerf.init_grid(*CORNERS, 0.05)
    refresh = jax.jit(functools.partial(nerf.refresh, fraction=1.0))
    grid = empty
    for i in range(4):
        grid = refresh(params, grid, jax.random.fold_in(KEY, i))
    draw = np.random.default_rng(3)
    rays = rays_towards(np.insert(draw.uniform(-0.8, 0.8, (200, 2)), 0, 1.6, axis=1))
    render = jax.jit(nerf.render)
    seen = render(params, grid, rays)
    found = np.asarray(jnp.sum(seen.weights, axis=-1)) > 0.95
    # Three of five points of a 5 cm cell are in the slab: four miss it in 1 of 39.
    assert np.mean(found) > 0.95
    distance = volume_rendering.median_distance(seen.weights, seen.t_edges)
    wanted = (2.6 - rays.origins[:, 0]) / rays.directions[:, 0]
    # The slab's thickness, seen under up to some 40 degrees.
    np.testing.assert_allclose(distance[found], wanted[found], atol=0.04)
    # With an empty grid half the rays step over it.
    missed = render(params, empty, rays)
    assert float(jnp.mean(jnp.sum(missed.weights, axis=-1))) < 0.7


class SlabProposal(ProposalField):
    """The density of `Slab`, ten times as thick."""

    def __call__(self, x_world, box, mesh=None):
        return jnp.where(jnp.abs(x_world[..., 0] - 2.75) < 0.15, 2000.0, 0.0)


def test_samples_of_the_field_lie_where_proposals_are_dense():
    nerf = ProposalNerf(
        field=Slab(cells=(0.5,), log2_rows=4), proposal=SlabProposal(cells=(0.5,))
    )
    # No table: the proposal has no parameters.
    params = {"field": nerf.field.init(KEY, jnp.zeros((1, 3)), jnp.ones((1, 3)), None)}
    params["proposal"] = {}
    draw = np.random.default_rng(3)
    rays = rays_towards(np.insert(draw.uniform(-0.8, 0.8, (200, 2)), 0, 1.6, axis=1))
    seen = jax.jit(nerf.render)(params, nerf.init_grid(*CORNERS, 0.05), rays)
    x = seen.samples.surface.x_world[..., 0]
    assert float(jnp.mean((x > 2.4) & (x < 3.0))) > 0.9
    assert float(jnp.mean(jnp.sum(seen.weights, axis=-1) > 0.95)) > 0.9
    assert seen.proposal is None
    trained = nerf.render_train(
        params, nerf.init_grid(*CORNERS, 0.05), rays, jnp.zeros(200), KEY
    )[0]
    np.testing.assert_allclose(trained.proposal.weights.sum(axis=-1), 1, atol=0.01)


class Haze(Slab):
    """White, and thin enough that most of a ray's light comes through."""

    def density(self, x_world, box):
        return jnp.full_like(x_world[..., 0], 0.01)


def test_a_nearly_transparent_ray_has_the_colour_of_what_it_meets():
    nerf = GridNerf(field=Haze(cells=(0.5,), log2_rows=4), **SMALL)
    seen = jax.jit(nerf.render)(
        nerf.init(KEY), nerf.init_grid(*CORNERS, 0.05), SOME_RAYS
    )
    assert float(jnp.max(jnp.sum(seen.weights, axis=-1))) < 0.05
    np.testing.assert_allclose(seen.rgb, 1.0, rtol=1e-4)
