"""Volume rendering against the textbook, ray by ray and sample by sample."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alsem.core.types import FieldSamples, Rays, SurfacePoints
from alsem.nerf import volume_rendering

pytestmark = pytest.mark.usefixtures("strict_dtypes")

LARGE = 19_200  # rays; the CPU compiler has gone wrong beyond 32768 numbers


def alpha_weights_np(density, t_edges):
    """Textbook definition, one sample at a time, in float64."""
    density, t_edges = np.asarray(density, float), np.asarray(t_edges, float)
    out = np.zeros(density.shape)
    transmittance = np.ones(density.shape[:-1])
    for i in range(density.shape[-1]):
        width = t_edges[..., i + 1] - t_edges[..., i]
        alpha = 1.0 - np.exp(-density[..., i] * width)
        out[..., i] = transmittance * alpha
        transmittance = transmittance * (1.0 - alpha)
    return out


def random_rays(seed, rays, samples, low=-3.0, high=3.0):
    rng = np.random.default_rng(seed)
    density = 10.0 ** rng.uniform(low, high, (rays, samples))
    t_edges = np.sort(rng.uniform(0.1, 8.0, (rays, samples + 1)), axis=-1)
    return density.astype(np.float32), t_edges.astype(np.float32)


@pytest.mark.parametrize("rays", [40, LARGE])
def test_weights_and_composites_equal_the_textbook(rays):
    density, t_edges = random_rays(0, rays, 12)
    values = np.random.default_rng(6).normal(size=(rays, 12, 3)).astype(np.float32)

    @jax.jit
    def everything(density, t_edges, values):
        weights = volume_rendering.alpha_weights(density, t_edges)
        t_mids = 0.5 * (t_edges[:, 1:] + t_edges[:, :-1])
        return (
            weights,
            volume_rendering.composite(weights, values),
            volume_rendering.expected_distance(weights, t_mids),
        )

    weights, colour, mean = everything(*_float32(density, t_edges, values))
    expected = alpha_weights_np(density, t_edges)
    # A float32 optical depth of d loses d * 6e-8 of its own exponential, d up to 1e3
    # where light is left at all: below 20.
    np.testing.assert_allclose(weights, expected, atol=2e-6)
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
    t_mids = 0.5 * (t_edges[1:] + t_edges[:-1])
    mean = volume_rendering.expected_distance(weights, t_mids)
    np.testing.assert_allclose(mean, 2.21, atol=5e-4)


def test_weights_and_escaping_light_add_up_to_one():
    density, t_edges = random_rays(1, 500, 32)
    weights = volume_rendering.alpha_weights(jnp.asarray(density), jnp.asarray(t_edges))
    escaping = np.exp(-(density.astype(float) * np.diff(t_edges)).sum(axis=-1))
    np.testing.assert_allclose(weights.sum(axis=-1) + escaping, 1.0, atol=1e-5)
    assert (weights >= 0).all()


def test_opaque_samples_hide_what_is_behind():
    # Subtracting from an inclusive sum would give 1.39 in all here.
    weights = volume_rendering.alpha_weights(
        jnp.array([5.0, 1e8]), jnp.array([0.0, 0.1, 0.2])
    )
    np.testing.assert_allclose(weights, [1 - np.exp(-0.5), np.exp(-0.5)], rtol=1e-6)
    weights = volume_rendering.alpha_weights(
        jnp.array([1e8, 7.0]), jnp.array([0.0, 0.1, 0.2])
    )
    np.testing.assert_allclose(weights, [1.0, 0.0], atol=1e-7)


def test_thin_media_keep_their_relative_precision():
    t_edges = jnp.array([0.0, 0.5, 1.0])
    weights = volume_rendering.alpha_weights(jnp.array([1e-8, 3e-9]), t_edges)
    np.testing.assert_allclose(weights, [5e-9, 1.5e-9], rtol=1e-6)


def test_splitting_a_bin_does_not_change_the_light():
    fine = volume_rendering.alpha_weights(
        jnp.array([0.7, 0.7, 1.3]), jnp.array([0.0, 0.4, 1.0, 2.0])
    )
    coarse = volume_rendering.alpha_weights(
        jnp.array([0.7, 1.3]), jnp.array([0.0, 1.0, 2.0])
    )
    np.testing.assert_allclose(fine[0] + fine[1], coarse[0], rtol=1e-6)
    np.testing.assert_allclose(fine[2], coarse[1], rtol=1e-6)


@pytest.mark.parametrize("scale", [0.0, 1e-8, 1.0, 1e8])
def test_values_and_gradients_are_finite_at_extreme_densities(scale):
    t_edges = jnp.array([0.0, 0.2, 0.2, 0.7, 1.0])  # one interval of no width

    def everything(density, t_edges):
        weights = volume_rendering.alpha_weights(density, t_edges)
        t_mids = 0.5 * (t_edges[1:] + t_edges[:-1])
        return (
            jnp.sum(volume_rendering.composite(weights, t_mids[:, None]))
            + volume_rendering.expected_distance(weights, t_mids)
            + volume_rendering.median_distance(weights, t_edges)
        )

    density = scale * jnp.array([1.0, 0.3, 0.0, 2.0])
    value, gradients = jax.value_and_grad(everything, argnums=(0, 1))(density, t_edges)
    assert np.isfinite(value)
    assert all(np.isfinite(g).all() for g in gradients)


def test_expected_distance_is_the_mean_of_the_light_that_ends():
    weights, t_mids = jnp.array([0.1, 0.0, 0.3]), jnp.array([1.0, 2.0, 3.0])
    actual = volume_rendering.expected_distance(weights, t_mids)
    np.testing.assert_allclose(actual, (0.1 * 1 + 0.3 * 3) / 0.4, rtol=1e-6)
    assert volume_rendering.expected_distance(jnp.zeros(3), t_mids) == 0.0


@pytest.mark.parametrize("rays", [60, LARGE])
def test_half_of_the_weight_is_before_the_median(rays):
    density, t_edges = random_rays(3, rays, 9, low=-2.0, high=1.0)
    weights = alpha_weights_np(density, t_edges)
    weights[:20, 0] = weights[:10, -1] = 0.0
    median = jax.jit(volume_rendering.median_distance)(*_float32(weights, t_edges))
    cdf = np.cumsum(np.pad(weights, ((0, 0), (1, 0))), axis=-1)
    before = [np.interp(*row) for row in zip(median, t_edges, cdf, strict=True)]
    np.testing.assert_allclose(before / cdf[:, -1], 0.5, atol=1e-4)


@pytest.mark.parametrize(
    "weights",
    [[0, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1], [1e-9, 0, 1e-9, 0], [0, 0.5, 0.5, 0]],
)
def test_the_median_lies_between_the_edges(weights):
    t_edges = jnp.array([0.5, 1.0, 1.0, 2.0, 4.0])
    median = volume_rendering.median_distance(jnp.array(weights, jnp.float32), t_edges)
    assert 0.5 <= median <= 4.0


def slab_field(x_world, direction):
    """Density 2 per metre beyond z = 1; colour is the place plus the direction."""
    return FieldSamples(
        density=jnp.where(x_world[..., 2] > 1.0, 2.0, 0.0),
        rgb=x_world + direction,
        surface=SurfacePoints(
            x_world=x_world,
            normal=jnp.zeros_like(x_world),
            diffuse=jnp.zeros_like(x_world),
            feature=jnp.zeros_like(x_world),
        ),
    )


@pytest.mark.parametrize("count", [7, LARGE])
def test_rendered_rays_equal_the_loop_over_samples(count):
    rng = np.random.default_rng(4)
    origins = rng.uniform(-1, 1, (count, 3))
    directions = rng.normal(size=(count, 3))
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    t_edges = np.sort(rng.uniform(0.1, 5.0, (count, 6)), axis=-1)
    origins, directions, t_edges = _float32(origins, directions, t_edges)
    rays = Rays(origins=origins, directions=directions, z_scale=jnp.ones(count))
    out = jax.jit(lambda r, t: volume_rendering.render_rays(slab_field, r, t))(
        rays, t_edges
    )

    o, d, t = (np.asarray(a, float) for a in (origins, directions, t_edges))
    mids = 0.5 * (t[:, 1:] + t[:, :-1])
    points = o[:, None] + mids[..., None] * d[:, None]
    np.testing.assert_allclose(out.samples.surface.x_world, points, atol=1e-5)
    # Points within rounding of the slab's face may fall on either side of it.
    clear = (np.abs(points[..., 2] - 1.0) > 1e-5).all(axis=-1)
    assert clear.mean() > 0.99
    weights = alpha_weights_np(np.where(points[..., 2] > 1.0, 2.0, 0.0), t)
    np.testing.assert_allclose(out.weights[clear], weights[clear], atol=2e-6)
    rgb = sum(weights[:, i, None] * (points[:, i] + d) for i in range(5))
    np.testing.assert_allclose(out.rgb[clear], rgb[clear], atol=2e-5)
    np.testing.assert_array_equal(out.t_edges, t_edges)


def _float32(*arrays):
    return [jnp.asarray(a, jnp.float32) for a in arrays]
