"""Sample edges: sorted, in their places, and distributed like the density."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alsem.nerf import ray_sampling

pytestmark = pytest.mark.usefixtures("strict_dtypes")

RAYS = 20_000  # the CPU compiler has gone wrong beyond 32768 numbers
KEY = jax.random.key(0)

resample_edges = jax.jit(ray_sampling.resample_edges, static_argnames=("num", "floor"))
stratified_edges = jax.jit(ray_sampling.stratified_edges, static_argnames="num")


@functools.partial(jax.jit, static_argnames=("num_free", "num_band", "band", "reach"))
def surface_edges(key, near, distance, **options):
    near = jnp.full_like(distance, near)
    return ray_sampling.surface_edges(key, near, distance, **options)


def random_histograms(seed, rays, bins):
    rng = np.random.default_rng(seed)
    t_edges = np.cumsum(rng.uniform(0.02, 0.5, (rays, bins + 1)), axis=-1)
    weights = rng.dirichlet(np.full(bins, 0.3), size=rays)
    return t_edges.astype(np.float32), weights.astype(np.float32)


def test_edges_of_the_docstrings():
    edges = stratified_edges(None, np.array([0.1, 1.0]), np.array([4.1, 3.0]), num=4)
    expected = [[0.1, 1.1, 2.1, 3.1, 4.1], [1.0, 1.5, 2.0, 2.5, 3.0]]
    np.testing.assert_allclose(edges, expected, rtol=1e-6)
    t_edges, weights = jnp.array([0.0, 1.0, 2.0, 3.0]), jnp.array([0.5, 0.0, 0.5])
    edges = resample_edges(None, t_edges, weights, num=4)
    np.testing.assert_allclose(edges, [0.0, 0.5, 1.5, 2.5, 3.0], atol=1e-3)
    options = {"num_free": 2, "num_band": 3, "band": 0.4, "reach": 0.2}
    edges = surface_edges(None, 0.1, np.array([3.0]), **options)
    np.testing.assert_allclose(edges, [[0.1, 1.35, 2.6, 2.8, 3.0, 3.2]], rtol=1e-5)


def test_jitter_keeps_the_ends_and_fills_the_cells():
    near, far = np.full(RAYS, 1.0), np.full(RAYS, 3.0)
    edges = np.asarray(stratified_edges(KEY, near, far, num=4))
    assert (np.diff(edges, axis=-1) >= 0).all()
    np.testing.assert_allclose(edges[:, 0], 1.0)
    np.testing.assert_allclose(edges[:, -1], 3.0)
    shift = (edges[:, 1:-1] - [1.5, 2.0, 2.5]) / 0.25  # in half intervals
    assert (np.abs(shift) <= 1.0 + 1e-5).all()
    # Uniform on [-1, 1]: every tenth holds a tenth; 4.5 binomial standard deviations.
    counts, _ = np.histogram(shift, bins=10, range=(-1, 1))
    sigma = np.sqrt(shift.size * 0.1 * 0.9)
    np.testing.assert_allclose(counts, shift.size / 10, atol=4.5 * sigma)
    # The three inner edges move independently: correlation of n pairs is 1/sqrt(n).
    correlation = np.corrcoef(shift.T) - np.eye(3)
    np.testing.assert_allclose(correlation, 0.0, atol=4.5 / np.sqrt(RAYS))


@pytest.mark.parametrize(("num", "floor"), [(1, 0.2), (5, 0.0), (24, 0.2)])
def test_resampled_edges_split_the_mass_evenly(num, floor):
    t_edges, weights = random_histograms(1, RAYS, 9)
    edges = np.asarray(resample_edges(None, t_edges, weights, num=num, floor=floor))
    t = t_edges.astype(float)
    mass = weights + (floor + 1e-5) * np.diff(t) / (t[:, -1:] - t[:, :1])
    cdf = np.cumsum(np.pad(mass, ((0, 0), (1, 0))), axis=-1)
    # Compared in mass, for nearly empty intervals make the inverse steep.
    before = [np.interp(*row) for row in zip(edges, t, cdf / cdf[:, -1:], strict=True)]
    expected = np.tile(np.linspace(0, 1, num + 1), (RAYS, 1))
    np.testing.assert_allclose(before, expected, atol=1e-4)


def test_draws_follow_the_density():
    t = np.array([0.0, 1.0, 1.5, 4.0, 6.0], np.float32)
    weights = np.array([0.15, 0.42, 0.13, 0.3], np.float32)
    tiled = np.tile(t, (RAYS, 1)), np.tile(weights, (RAYS, 1))
    draws = np.asarray(resample_edges(KEY, *tiled, num=5))[:, 1:-1].ravel()
    counts, _ = np.histogram(draws, bins=t)
    # Inner edges fill the quantiles but for half a quantile at either end.
    cdf = np.clip(np.append(0.0, np.cumsum(weights)), 0.1, 0.9)
    expected = draws.size * np.diff(cdf) / 0.8
    # Stratified draws vary less than independent ones, so binomial error is a bound;
    # the uniform floor of 1e-5 is far below it.
    sigma = np.sqrt(expected * (1 - expected / draws.size))
    assert (np.abs(counts - expected) < 4.5 * sigma + 1e-5 * draws.size).all()


def test_without_mass_edges_are_uniform_and_a_floor_samples_empty_space():
    t_edges = jnp.array([0.0, 0.1, 3.0, 4.0])
    edges = resample_edges(None, t_edges, jnp.zeros(3), num=4)
    np.testing.assert_allclose(edges, [0, 1, 2, 3, 4], atol=1e-5)
    peak = jnp.array([0.0, 0.0, 1.0])
    bare = resample_edges(None, t_edges, peak, num=8)
    floored = resample_edges(None, t_edges, peak, num=8, floor=1.0)
    assert jnp.sum(bare < 2.9) == 1  # only the first edge
    assert jnp.sum(floored < 2.9) >= 3


def test_edges_reach_both_ends_of_a_peaked_histogram():
    # 256 empty intervals behind the peak: their floor drowns in float32 rounding.
    t_edges = jnp.linspace(0.0, 8.0, 258)
    edges = resample_edges(None, t_edges, jnp.zeros(257).at[0].set(1.0), num=6)
    assert edges[0] == 0.0 and edges[-1] == 8.0


@pytest.mark.parametrize("peak", [1e-8, 1.0, 1e4])
def test_edges_of_spiky_histograms_stay_sorted(peak):
    t_edges, weights = random_histograms(2, 400, 96)
    edges = resample_edges(KEY, t_edges, np.where(weights > 0.1, peak, 0.0), num=48)
    assert np.isfinite(edges).all() and (np.diff(edges, axis=-1) >= 0).all()


def test_interpolation_equals_numpy_also_outside_and_at_flat_ends():
    rng = np.random.default_rng(3)
    xp = np.sort(rng.uniform(0, 1, (15, 8)), axis=-1)
    xp[0, -3:] = xp[0, -1]
    fp, x = rng.normal(size=(15, 8)), rng.uniform(-0.2, 1.2, (15, 11))
    x[:, 0], x[:, 1] = xp[:, 0], xp[:, -1]
    expected = [np.interp(*row) for row in zip(x, xp, fp, strict=True)]
    actual = jax.jit(ray_sampling.interpolate)(x, xp, fp)
    # Slopes reach 1e3 between close neighbours; 1e-7 of x times that.
    np.testing.assert_allclose(actual, expected, atol=1e-3)


@pytest.mark.parametrize("key", [None, KEY])
def test_surface_edges_are_sorted_for_any_distance(key):
    distance = np.repeat([0.0, 0.05, 0.1, 0.3, 5.0], 100)
    options = {"num_free": 4, "num_band": 6, "band": 0.1, "reach": 0.05}
    edges = surface_edges(key, 0.1, distance, **options)
    assert edges.shape == (500, 11)
    assert (jnp.diff(edges, axis=-1) >= 0).all()
    np.testing.assert_allclose(edges[:, 0], 0.1, rtol=1e-6)
    np.testing.assert_allclose(edges[200:, -1], distance[200:] + 0.05, rtol=1e-5)
    np.testing.assert_allclose(edges[300:, 4], distance[300:] - 0.1, rtol=1e-5)


def test_surface_edges_jitter_free_space_and_band_independently():
    options = {"num_free": 2, "num_band": 2, "band": 1.0, "reach": 1.0}
    edges = surface_edges(KEY, 0.0, np.full(RAYS, 2.0), **options)
    # One inner edge each; drawn with one key they would move together.
    correlation = np.corrcoef(edges[:, 1], edges[:, 3])[0, 1]
    assert abs(correlation) < 4.5 / np.sqrt(RAYS)
