"""Renderers: shapes, gradients, use of sensor depth, and thin surfaces."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alsem.core.types import FieldSamples, Rays, SurfacePoints
from alsem.nerf import GridNerf, HashField, PaperField, PaperNerf, volume_rendering

KEY = jax.random.key(0)
RAYS = 5
CORNERS = ((0.0, 0.0, 0.0), (4.0, 3.0, 2.0))
FIELD = HashField(
    cells=(0.5, 0.25), log2_rows=8, width=16, colour_width=8, feature_dim=7
)
SMALL = {"cell": 0.25, "march_samples": 32, "proposal_samples": 12, "render_samples": 8}
NERFS = {
    sensor: GridNerf(field=FIELD, sensor=sensor, **SMALL)
    for sensor in ("all", "some", "none")
}
NERFS["paper"] = PaperNerf(
    field=PaperField(depth=3, width=16, skip=1), coarse_samples=6, fine_samples=8
)


def some_rays(n=RAYS):
    draw = np.random.default_rng(0)
    directions = draw.normal(size=(n, 3))
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    return Rays(
        origins=jnp.asarray(draw.uniform(0.9, 1.1, (n, 3)), jnp.float32),
        directions=jnp.asarray(directions, jnp.float32),
        z_scale=jnp.full(n, 0.9),
    )


@pytest.mark.parametrize("name", NERFS)
def test_renderings_have_their_shapes_and_finite_gradients(name):
    nerf = NERFS[name]
    params, grid = nerf.init(KEY), nerf.init_grid(*CORNERS)
    distance = jnp.array([0.0, 0.5, 1.0, 0.001, 2.0])  # unknown and too near as well
    if name == "all":
        distance = jnp.maximum(distance, 0.3)

    def loss(params):
        levels = nerf.render_train(params, grid, some_rays(), distance, KEY)
        return sum(jnp.sum(level.rgb) for level in levels), levels

    grads, levels = jax.jit(jax.grad(loss, has_aux=True))(params)
    assert len(levels) == nerf.levels
    samples = [14] if name == "paper" else [16]  # the paper's fine level: all of both
    samples = [6, 6 + 8] if name == "paper" else samples
    last = jax.jit(nerf.render)(params, grid, some_rays())
    samples.append(14 if name == "paper" else 8)
    for level, s in zip([*levels, last], samples, strict=True):
        assert level.rgb.shape == (RAYS, 3)
        assert level.t_edges.shape == (RAYS, s + 1)
        assert level.weights.shape == level.samples.density.shape == (RAYS, s)
        assert level.samples.surface.x_world.shape == (RAYS, s, 3)
        assert np.all(np.diff(level.t_edges) >= 0)
        assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(level))
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(grads))
    assert max(float(jnp.max(jnp.abs(g))) for g in jax.tree.leaves(grads)) > 0


def test_training_samples_follow_sensor_depth_where_known():
    grid, distance = (
        NERFS["some"].init_grid(*CORNERS),
        jnp.array([0.0, 0.5, 1.0, 0.0, 2.0]),
    )

    def edges(sensor):
        nerf = NERFS[sensor]
        params = nerf.init(KEY)
        return nerf.render_train(params, grid, some_rays(), distance, KEY)[0].t_edges

    known = np.asarray(distance > 0)
    np.testing.assert_array_equal(edges("some")[known], edges("all")[known])
    np.testing.assert_array_equal(edges("some")[~known], edges("none")[~known])
    last = np.asarray(edges("some")[:, -1])
    np.testing.assert_allclose(last[known], distance[known] + 0.03, atol=1e-6)
    assert not np.array_equal(edges("some")[known], edges("none")[known])


def test_rendering_does_not_depend_on_the_sensor():
    params, grid = NERFS["all"].init(KEY), NERFS["all"].init_grid(*CORNERS)
    seen = [NERFS[s].render(params, grid, some_rays()) for s in ("all", "some", "none")]
    for other in seen[1:]:
        jax.tree.map(np.testing.assert_array_equal, seen[0], other)


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
    params, grid = nerf.init(KEY), nerf.init_grid(*CORNERS)
    for i in range(4):
        key = jax.random.fold_in(KEY, i)
        grid = nerf.refresh(params, grid, key, fraction=1.0)
    n = 200
    draw = np.random.default_rng(3)
    origins = jnp.asarray(draw.uniform(0.8, 1.2, (n, 3)), jnp.float32)
    target = jnp.asarray(draw.uniform(0.2, 1.8, (n, 3)), jnp.float32).at[:, 0].set(2.6)
    offset = target - origins
    length = jnp.linalg.norm(offset, axis=-1)
    rays = Rays(origins, offset / length[:, None], jnp.ones(n))
    seen = jax.jit(nerf.render)(params, grid, rays)
    found = np.asarray(jnp.sum(seen.weights, axis=-1)) > 0.95
    # Three of five points of a 5 cm cell are in the slab: four miss it in 1 of 39.
    assert np.mean(found) > 0.95
    distance = volume_rendering.median_distance(seen.weights, seen.t_edges)
    # The slab's thickness, seen under up to some 40 degrees.
    np.testing.assert_allclose(distance[found], length[found], atol=0.04)
    # With an empty grid half the rays step over it.
    missed = jax.jit(nerf.render)(params, nerf.init_grid(*CORNERS), rays)
    assert float(jnp.mean(jnp.sum(missed.weights, axis=-1))) < 0.7


class Haze(Slab):
    """White, and thin enough that most of a ray's light comes through."""

    def density(self, x_world, box):
        return jnp.full_like(x_world[..., 0], 0.01)


def test_a_nearly_transparent_ray_has_the_colour_of_what_it_meets():
    nerf = GridNerf(field=Haze(cells=(0.5,), log2_rows=4), **SMALL)
    seen = jax.jit(nerf.render)(nerf.init(KEY), nerf.init_grid(*CORNERS), some_rays())
    assert float(jnp.max(jnp.sum(seen.weights, axis=-1))) < 0.05
    np.testing.assert_allclose(seen.rgb, 1.0, rtol=1e-4)
