"""Volume rendering against the textbook, ray by ray and sample by sample."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alsem.core.types import FieldSamples, Rays, SurfacePoints
from alsem.nerf import volume_rendering
from alsem.nerf.ray_sampling import midpoints

pytestmark = pytest.mark.usefixtures("strict_dtypes")

RAYS = 19_200  # the CPU compiler has gone wrong beyond 32768 numbers


def alpha_weights_np(density, t_edges):
    """Textbook definition, one sample at a time, in float64."""
    alpha = -np.expm1(-density.astype(float) * np.diff(t_edges.astype(float)))
    out = np.zeros(density.shape)
    transmittance = np.ones(density.shape[:-1])
    for i in range(density.shape[-1]):
        out[..., i] = transmittance * alpha[..., i]
        transmittance = transmittance * (1.0 - alpha[..., i])
    return out


def random_rays(seed, samples, low=-3.0, high=3.0):
    """Densities and sorted edges, rounded to float32."""
    rng = np.random.default_rng(seed)
    density = 10.0 ** rng.uniform(low, high, (RAYS, samples))
    t_edges = np.sort(rng.uniform(0.1, 8.0, (RAYS, samples + 1)), axis=-1)
    return density.astype(np.float32), t_edges.astype(np.float32)


def test_weights_and_composites_equal_the_textbook():
    density, t_edges = random_rays(0, 12)
    values = np.random.default_rng(6).normal(size=(RAYS, 12, 3)).astype(np.float32)

    @jax.jit
    def everything(density, t_edges, values):
        weights = volume_rendering.alpha_weights(density, t_edges)
        mean = volume_rendering.expected_distance(weights, midpoints(t_edges))
        return weights, volume_rendering.composite(weights, values), mean

    weights, colour, mean = everything(density, t_edges, values)
    expected = alpha_weights_np(density, t_edges)
    # A float32 optical depth of d loses d * 6e-8 of its own exponential, d up to 1e3
    # where light is left at all: below 20.
    np.testing.assert_allclose(weights, expected, atol=2e-6)
    assert (weights >= 0).all()
    escaping = np.exp(-(density.astype(float) * np.diff(t_edges)).sum(axis=-1))
    np.testing.assert_allclose(weights.sum(axis=-1) + escaping, 1.0, atol=1e-5)
    total = (expected[..., None] * values).sum(axis=1)
    np.testing.assert_allclose(colour, total, atol=2e-5)
    moment = (expected * 0.5 * (t_edges[:, 1:] + t_edges[:, :-1])).sum(axis=-1)
    np.testing.assert_allclose(mean, moment / expected.sum(axis=-1), rtol=1e-4)


def test_numbers_of_the_docstrings():
    weights = volume_rendering.alpha_weights(
        jnp.array([5.0, 50.0]), jnp.array([0.0, 0.1, 0.2])
    )
    np.testing.assert_allclose(weights, [0.393, 0.602], atol=5e-4)
    t_edges, weights = jnp.array([1.0, 1.1, 3.9, 4.0]), jnp.array([0.6, 0.0, 0.4])
    median = volume_rendering.median_distance(weights, t_edges)
    np.testing.assert_allclose(median, 1.083, atol=5e-4)
    mean = volume_rendering.expected_distance(weights, midpoints(t_edges))
    np.testing.assert_allclose(mean, 2.21, atol=5e-4)
    assert volume_rendering.expected_distance(jnp.zeros(3), midpoints(t_edges)) == 0


@pytest.mark.parametrize(
    ("optical_depth", "expected"),
    [
        # Subtracting from an inclusive sum would give 1.39 in all here.
        ([0.5, 1e7], [1 - np.exp(-0.5), np.exp(-0.5)]),
        ([1e7, 0.7], [1.0, 0.0]),  # opaque samples hide what is behind
        ([5e-9, 1.5e-9], [5e-9, 1.5e-9]),  # thin media keep their precision
    ],
)
def test_weights_are_precise_at_extreme_densities(optical_depth, expected):
    density = 10.0 * jnp.array(optical_depth)
    weights = volume_rendering.alpha_weights(density, jnp.array([0.0, 0.1, 0.2]))
    np.testing.assert_allclose(weights, expected, rtol=1e-6)


@jax.jit
def everything_added_up(density, t_edges):
    weights = volume_rendering.alpha_weights(density, t_edges)
    t_mids = midpoints(t_edges)
    return (
        jnp.sum(volume_rendering.composite(weights, t_mids[:, None]))
        + volume_rendering.expected_distance(weights, t_mids)
        + volume_rendering.median_distance(weights, t_edges)
    )


@pytest.mark.parametrize("scale", [0.0, 1e-8, 1.0, 1e8])
def test_values_and_gradients_are_finite_at_extreme_densities(scale):
    t_edges = jnp.array([0.0, 0.2, 0.2, 0.7, 1.0])  # one interval of no width
    density = scale * jnp.array([1.0, 0.3, 0.0, 2.0])
    both = jax.value_and_grad(everything_added_up, argnums=(0, 1))(density, t_edges)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(both))


def test_half_of_the_weight_is_before_the_median():
    density, t_edges = random_rays(3, 9, low=-2.0, high=1.0)
    weights = alpha_weights_np(density, t_edges)
    weights[:20, 0] = weights[:10, -1] = 0.0
    weights[-1], weights[-2] = np.eye(9)[0], np.eye(9)[-1]
    median = np.asarray(jax.jit(volume_rendering.median_distance)(weights, t_edges))
    cdf = np.cumsum(np.pad(weights, ((0, 0), (1, 0))), axis=-1)
    before = [np.interp(*row) for row in zip(median, t_edges, cdf, strict=True)]
    np.testing.assert_allclose(before / cdf[:, -1], 0.5, atol=1e-4)


@pytest.mark.parametrize("weight", [0.0, 1e-9])
def test_the_median_of_hardly_any_light_lies_between_the_edges(weight):
    weights, t_edges = jnp.array([weight, 0.0, weight]), jnp.array([0.5, 1.0, 1.0, 2.0])
    assert 0.5 <= volume_rendering.median_distance(weights, t_edges) <= 2.0


def slab_field(x_world, direction):
    """Density 2 per metre beyond z = 1; colour is the place plus the direction."""
    density = jnp.where(x_world[..., 2] > 1.0, 2.0, 0.0)
    zeros = jnp.zeros_like(x_world)
    surface = SurfacePoints(x_world, normal=zeros, diffuse=zeros, feature=zeros)
    return FieldSamples(density=density, rgb=x_world + direction, surface=surface)


def test_rendered_rays_are_composited_samples_at_midpoints():
    rng = np.random.default_rng(4)
    o, d = rng.uniform(-1, 1, (2, RAYS, 3)).astype(np.float32)
    t = np.sort(rng.uniform(0.1, 5.0, (RAYS, 6)), axis=-1).astype(np.float32)
    rays = Rays(jnp.asarray(o), jnp.asarray(d), z_scale=jnp.ones(RAYS))
    out = jax.jit(lambda r, t: volume_rendering.render_rays(slab_field, r, t))(rays, t)
    np.testing.assert_array_equal(out.t_edges, t)
    t_mids = 0.5 * (t[:, 1:] + t[:, :-1])
    points = o[:, None] + t_mids[..., None] * d[:, None]
    np.testing.assert_allclose(out.samples.surface.x_world, points, atol=1e-5)
    weights = alpha_weights_np(np.asarray(out.samples.density), t)
    np.testing.assert_allclose(out.weights, weights, atol=2e-6)
    rgb = np.sum(weights[..., None] * (points + d[:, None]), axis=1)
    np.testing.assert_allclose(out.rgb, rgb, atol=2e-5)
