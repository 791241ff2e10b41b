"""Sample edges: sorted, in their places, and distributed like the density."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alsem.nerf import ray_sampling

pytestmark = pytest.mark.usefixtures("strict_dtypes")

LARGE = 19_200  # rays; the CPU compiler has gone wrong beyond 32768 numbers
KEY = jax.random.key(0)


def random_histograms(seed, *shape):
    rng = np.random.default_rng(seed)
    widths = rng.uniform(0.02, 0.5, (*shape[:-1], shape[-1] + 1))
    t_edges = np.cumsum(widths, axis=-1)
    weights = rng.dirichlet(np.full(shape[-1], 0.3), size=shape[:-1])
    return t_edges.astype(np.float32), weights.astype(np.float32)


def test_without_a_key_the_edges_split_the_range_evenly():
    near, far = jnp.array([[0.1], [1.0]]), jnp.array([[4.1], [3.0]])
    edges = ray_sampling.stratified_edges(None, near, far, num=4)
    expected = [[[0.1, 1.1, 2.1, 3.1, 4.1]], [[1.0, 1.5, 2.0, 2.5, 3.0]]]
    np.testing.assert_allclose(edges, expected, rtol=1e-6)


def test_jitter_keeps_the_ends_and_fills_the_cells():
    near, far = jnp.full(20_000, 1.0), jnp.full(20_000, 3.0)
    edges = np.asarray(ray_sampling.stratified_edges(KEY, near, far, num=4))
    assert (np.diff(edges, axis=-1) >= 0).all()
    np.testing.assert_allclose(edges[:, 0], 1.0)
    np.testing.assert_allclose(edges[:, -1], 3.0)
    shift = (edges[:, 1:-1] - [1.5, 2.0, 2.5]) / 0.25  # in half intervals
    assert (np.abs(shift) <= 1.0 + 1e-5).all()
    # Uniform on [-1, 1]: every tenth holds a tenth; 4.5 binomial standard deviations
    # of 60,000 draws.
    counts, _ = np.histogram(shift, bins=10, range=(-1, 1))
    sigma = np.sqrt(shift.size * 0.1 * 0.9)
    np.testing.assert_allclose(counts, shift.size / 10, atol=4.5 * sigma)
    # The three inner edges move independently: correlation of n pairs is 1/sqrt(n).
    correlation = np.corrcoef(shift.T) - np.eye(3)
    np.testing.assert_allclose(correlation, 0.0, atol=4.5 / np.sqrt(20_000))


def test_jitter_of_uneven_edges_stays_within_half_of_either_gap():
    edges = np.array([0.0, 1.0, 1.1, 5.0], np.float32)
    moved = ray_sampling._jitter(KEY, jnp.tile(edges, (2000, 1)))
    assert (jnp.diff(moved, axis=-1) >= 0).all()
    inner = np.asarray(moved)[:, 1:-1]
    assert (inner >= [0.5 - 1e-6, 1.05 - 1e-6]).all()
    assert (inner <= [1.05 + 1e-6, 3.05 + 1e-6]).all()
    np.testing.assert_allclose(inner.min(axis=0), [0.5, 1.05], atol=0.01)
    np.testing.assert_allclose(inner.max(axis=0), [1.05, 3.05], atol=0.01)


@pytest.mark.parametrize("floor", [0.0, 0.2])
@pytest.mark.parametrize(("rays", "num"), [(24, 1), (24, 5), (LARGE, 24)])
def test_resampled_edges_split_the_mass_evenly(rays, num, floor):
    t_edges, weights = random_histograms(1, rays, 9)
    resample = jax.jit(
        lambda *a: ray_sampling.resample_edges(None, *a, num=num, floor=floor)
    )
    edges = resample(*_float32(t_edges, weights))
    t = t_edges.astype(float)
    mass = weights + (floor + 1e-5) * np.diff(t) / (t[:, -1:] - t[:, :1])
    cdf = np.cumsum(np.pad(mass, ((0, 0), (1, 0))), axis=-1)
    # Compared in mass, for nearly empty intervals make the inverse steep.
    before = [np.interp(*row) for row in zip(edges, t, cdf / cdf[:, -1:], strict=True)]
    expected = np.tile(np.linspace(0, 1, num + 1), (rays, 1))
    np.testing.assert_allclose(before, expected, atol=1e-4)


def test_resampled_edges_of_the_docstring():
    t_edges, weights = jnp.array([0.0, 1.0, 2.0, 3.0]), jnp.array([0.5, 0.0, 0.5])
    edges = ray_sampling.resample_edges(None, t_edges, weights, num=4)
    np.testing.assert_allclose(edges, [0.0, 0.5, 1.5, 2.5, 3.0], atol=1e-3)


def test_draws_follow_the_density():
    t = np.array([0.0, 1.0, 1.5, 4.0, 6.0], np.float32)
    weights = np.array([0.15, 0.42, 0.13, 0.3], np.float32)
    num, rays = 5, 25_000
    edges = ray_sampling.resample_edges(
        KEY, jnp.tile(t, (rays, 1)), jnp.tile(weights, (rays, 1)), num=num
    )
    draws = np.asarray(edges)[:, 1:-1].ravel()  # 1e5 of them
    counts, _ = np.histogram(draws, bins=t)
    # Inner edges fill the quantiles but for half a quantile at either end.
    low, high = 0.5 / num, 1 - 0.5 / num
    cdf = np.clip(np.append(0.0, np.cumsum(weights)), low, high)
    fraction = np.diff(cdf) / (high - low)
    # Stratified draws vary less than independent ones, so binomial error is a bound;
    # the uniform floor of 1e-5 is far below it.
    sigma = np.sqrt(draws.size * fraction * (1 - fraction))
    assert (
        np.abs(counts - draws.size * fraction) < 4.5 * sigma + 1e-5 * draws.size
    ).all()


def test_without_mass_edges_are_uniform_and_a_floor_samples_empty_space():
    t_edges = jnp.array([0.0, 0.1, 3.0, 4.0])
    edges = ray_sampling.resample_edges(None, t_edges, jnp.zeros(3), num=4)
    np.testing.assert_allclose(edges, [0, 1, 2, 3, 4], atol=1e-5)
    peak = jnp.array([0.0, 0.0, 1.0])
    bare = ray_sampling.resample_edges(None, t_edges, peak, num=8)
    floored = ray_sampling.resample_edges(None, t_edges, peak, num=8, floor=1.0)
    assert jnp.sum(bare < 2.9) == 1  # only the first edge
    assert jnp.sum(floored < 2.9) >= 3


def test_edges_reach_both_ends_of_a_peaked_histogram():
    # 256 empty intervals behind the peak: their floor drowns in float32 rounding.
    t_edges = jnp.linspace(0.0, 8.0, 258)
    weights = jnp.zeros(257).at[0].set(1.0)
    edges = ray_sampling.resample_edges(None, t_edges, weights, num=6)
    assert edges[0] == 0.0 and edges[-1] == 8.0


@pytest.mark.parametrize("peak", [1e-8, 1.0, 1e4])
def test_edges_of_spiky_histograms_stay_sorted(peak):
    t_edges, weights = random_histograms(2, 400, 96)
    weights = np.where(weights > 0.1, peak, 0.0)
    edges = ray_sampling.resample_edges(KEY, *_float32(t_edges, weights), num=48)
    assert np.isfinite(edges).all()
    assert (jnp.diff(edges, axis=-1) >= 0).all()


def test_interpolation_equals_numpy_also_outside_and_at_flat_ends():
    rng = np.random.default_rng(3)
    xp = np.sort(rng.uniform(0, 1, (5, 3, 8)), axis=-1)
    xp[0, 0, -3:] = xp[0, 0, -1]
    fp, x = rng.normal(size=(5, 3, 8)), rng.uniform(-0.2, 1.2, (5, 3, 11))
    x[..., 0], x[..., 1] = xp[..., 0], xp[..., -1]
    expected = np.zeros(x.shape)
    for ray in np.ndindex(5, 3):
        expected[ray] = np.interp(x[ray], xp[ray], fp[ray])
    actual = ray_sampling.interpolate(*_float32(x, xp, fp))
    # Slopes reach 1e3 between close neighbours; 1e-7 of x times that.
    np.testing.assert_allclose(actual, expected, atol=1e-3)


def test_surface_edges_are_free_space_and_a_band():
    near, distance = jnp.array([0.1]), jnp.array([3.0])
    edges = ray_sampling.surface_edges(
        None, near, distance, num_free=2, num_band=3, band=0.4, reach=0.2
    )
    np.testing.assert_allclose(edges, [[0.1, 1.35, 2.6, 2.8, 3.0, 3.2]], rtol=1e-5)


@pytest.mark.parametrize("distance", [0.0, 0.05, 0.1, 0.3, 5.0])
@pytest.mark.parametrize("key", [None, KEY])
def test_surface_edges_are_sorted_for_any_distance(distance, key):
    edges = ray_sampling.surface_edges(
        key,
        jnp.full(100, 0.1),
        jnp.full(100, distance),
        num_free=4,
        num_band=6,
        band=0.1,
        reach=0.05,
    )
    assert edges.shape == (100, 11)
    assert (jnp.diff(edges, axis=-1) >= 0).all()
    np.testing.assert_allclose(edges[:, 0], 0.1, rtol=1e-6)
    if distance >= 0.1:
        np.testing.assert_allclose(edges[:, -1], distance + 0.05, rtol=1e-5)
    if distance > 0.2:
        np.testing.assert_allclose(edges[:, 4], distance - 0.1, rtol=1e-5)


def test_surface_edges_jitter_free_space_and_band_independently():
    edges = ray_sampling.surface_edges(
        KEY,
        jnp.full(20_000, 0.0),
        jnp.full(20_000, 2.0),
        num_free=2,
        num_band=2,
        band=1.0,
        reach=1.0,
    )
    # One inner edge each; drawn with one key they would move together.
    correlation = np.corrcoef(edges[:, 1], edges[:, 3])[0, 1]
    assert abs(correlation) < 4.5 / np.sqrt(20_000)


def test_midpoints_are_in_the_middle():
    mids = ray_sampling.midpoints(jnp.array([[0.0, 1.0, 4.0], [2.0, 2.0, 3.0]]))
    np.testing.assert_allclose(mids, [[0.5, 2.5], [2.0, 2.5]])


def test_large_random_draws_under_jit_equal_those_without():
    t_edges, weights = _float32(*random_histograms(5, LARGE, 4))

    def draw(t_edges, weights):
        return ray_sampling.resample_edges(KEY, t_edges, weights, num=4, floor=0.1)

    with jax.disable_jit():
        expected = draw(t_edges, weights)
    # Steep inverses amplify rounding: half of 1e-7 by up to 1e2.
    np.testing.assert_allclose(jax.jit(draw)(t_edges, weights), expected, atol=1e-3)


def _float32(*arrays):
    return [jnp.asarray(a, jnp.float32) for a in arrays]
