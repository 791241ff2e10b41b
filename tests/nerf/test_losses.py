"""Losses: equal to their sums written out, and never NaN."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alsem.nerf import losses

pytestmark = pytest.mark.usefixtures("strict_dtypes")

LARGE = 19_200  # rays; the CPU compiler has gone wrong beyond 32768 numbers


def cross_entropy_np(logits, label):
    """Row by row, float64."""
    total, count = 0.0, 0
    for row, index in zip(logits, label, strict=True):
        if index >= 0:
            top = row.max()
            total += top + np.log(np.exp(row - top).sum()) - row[index]
            count += 1
    return total / max(count, 1)


def occupancy_np(density, t_mids, distance, thickness, reach):
    """Sample by sample, float64."""
    total, count = 0.0, 0
    for ray, sample in np.ndindex(density.shape):
        behind = float(t_mids[ray, sample]) - float(distance[ray])
        if distance[ray] <= 0 or behind >= reach:
            continue
        optical_depth = float(density[ray, sample]) * thickness
        if behind > 0:
            total -= np.log(max(1.0 - np.exp(-optical_depth), 1e-4))
        else:
            total += min(optical_depth, 10.0)
        count += 1
    return total / max(count, 1)


def distortion_np(weights, t_edges):
    """The double sum over pairs of samples (mip-NeRF 360, eq. 15), float64."""
    weights, t_edges = weights.astype(float), t_edges.astype(float)
    t_mids = 0.5 * (t_edges[:, 1:] + t_edges[:, :-1])
    total = np.zeros(len(weights))
    for i in range(weights.shape[1]):
        for j in range(weights.shape[1]):
            apart = np.abs(t_mids[:, i] - t_mids[:, j])
            total += weights[:, i] * weights[:, j] * apart
        total += weights[:, i] ** 2 * (t_edges[:, i + 1] - t_edges[:, i]) / 3
    return total.mean()


def test_masked_mean_counts_what_is_masked_in():
    values = jnp.array([[1.0, 2.0], [jnp.inf, 6.0]])
    mask = jnp.array([[True, True], [False, True]])
    assert losses.masked_mean(values, mask) == 3.0
    assert losses.masked_mean(values, jnp.zeros((2, 2), bool)) == 0.0


def test_colour_error_is_the_mean_square():
    rng = np.random.default_rng(0)
    rgb, target = rng.uniform(size=(2, 6, 4, 3))
    expected = np.mean([(rgb[i] - target[i]) ** 2 for i in np.ndindex(6, 4, 3)])
    np.testing.assert_allclose(
        losses.colour_error(*_float32(rgb, target)), expected, rtol=1e-6
    )


@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_cross_entropy_equals_the_definition(scale):
    rng = np.random.default_rng(1)
    logits = scale * rng.normal(size=(40, 7))
    label = rng.integers(-1, 7, size=40)
    actual = losses.cross_entropy(*_float32(logits), jnp.asarray(label, jnp.int32))
    np.testing.assert_allclose(actual, cross_entropy_np(logits, label), rtol=1e-5)


def test_unlabelled_rays_do_not_change_the_cross_entropy():
    logits = jnp.array([[1.0, 0.0], [5.0, -5.0], [0.3, 0.2]])
    alone = losses.cross_entropy(logits[:1], jnp.array([1]))
    among = losses.cross_entropy(logits, jnp.array([1, -1, -1]))
    np.testing.assert_allclose(alone, among, rtol=1e-6)
    slopes = jax.grad(losses.cross_entropy)(logits, jnp.array([1, -1, -1]))
    np.testing.assert_array_equal(slopes[1:], 0.0)
    assert (slopes[0] != 0).all()


def test_no_label_at_all_costs_nothing_and_has_no_slope():
    logits = jnp.array([[1.0, 0.0], [1e4, -1e4]])
    label = jnp.array([-1, -1])
    value, slopes = jax.value_and_grad(losses.cross_entropy)(logits, label)
    assert value == 0.0
    np.testing.assert_array_equal(slopes, 0.0)


def test_occupancy_equals_the_definition():
    rng = np.random.default_rng(2)
    density = 10.0 ** rng.uniform(-4, 5, (30, 8)).astype(np.float32)
    t_mids = np.sort(rng.uniform(0, 4, (30, 8)), axis=-1).astype(np.float32)
    distance = rng.uniform(-1, 4, 30).astype(np.float32)
    distance[:3] = 0.0
    actual = losses.occupancy(
        *_float32(density, t_mids, distance), thickness=0.02, reach=0.5
    )
    expected = occupancy_np(density, t_mids, distance, 0.02, 0.5)
    np.testing.assert_allclose(actual, expected, rtol=1e-5)


def test_occupancy_is_least_when_empty_before_and_full_behind():
    t_mids = jnp.array([[0.5, 0.9, 1.01, 1.05, 1.5]])
    distance = jnp.array([1.0])

    def at(*density):
        return losses.occupancy(
            jnp.array([density]), t_mids, distance, thickness=0.02, reach=0.1
        )

    right = at(0.0, 0.0, 1e4, 1e4, 7.0)
    np.testing.assert_allclose(right, 0.0, atol=1e-6)
    assert at(50.0, 0.0, 1e4, 1e4, 7.0) > right  # haze before the surface
    assert at(0.0, 0.0, 1.0, 1e4, 7.0) > right  # a surface one can see through
    assert at(0.0, 0.0, 1e4, 1e4, 0.0) == right  # out of reach: not decided


@pytest.mark.parametrize("density", [0.0, 1e-8, 1.0, 3e6, 1e8])
def test_occupancy_is_finite_at_extreme_densities(density):
    t_mids = jnp.array([[0.5, 0.99, 1.01, 2.0]])
    for distance in (1.0, 0.0):
        value, slopes = jax.value_and_grad(losses.occupancy)(
            jnp.full((1, 4), density),
            t_mids,
            jnp.array([distance]),
            thickness=0.02,
            reach=0.1,
        )
        assert np.isfinite(value) and value >= 0
        assert np.isfinite(slopes).all()
        if distance == 0.0:
            assert value == 0.0
            np.testing.assert_array_equal(slopes, 0.0)


def test_depth_error_counts_measured_rays_only():
    expected, distance = jnp.array([1.0, 2.0, 9.0]), jnp.array([1.5, 1.75, 0.0])
    actual = losses.depth_error(expected, distance)
    np.testing.assert_allclose(actual, 0.375, rtol=1e-6)
    assert losses.depth_error(expected, jnp.zeros(3)) == 0.0


def test_distortion_equals_the_double_sum():
    weights, t_edges = _rays(3, 20, 11)
    actual = losses.distortion(*_float32(weights, t_edges))
    np.testing.assert_allclose(actual, distortion_np(weights, t_edges), rtol=1e-5)


def test_distortion_is_least_for_one_thin_surface():
    t_edges = jnp.array([1.0, 1.1, 2.0, 3.0])
    surface = losses.distortion(jnp.array([1.0, 0.0, 0.0]), t_edges)
    np.testing.assert_allclose(surface, 0.1 / 3, rtol=1e-5)
    assert losses.distortion(jnp.array([0.5, 0.0, 0.5]), t_edges) > 5 * surface


def test_direction_error_is_one_minus_the_cosine_of_rows_that_count():
    normal = jnp.array([[1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0], [0, 0, 1.0]])
    target = jnp.array([[1.0, 0, 0], [0, -1.0, 0], [0, 1.0, 0], [0.0, 0, 0]])
    actual = losses.direction_error(normal, target)
    np.testing.assert_allclose(actual, (0 + 2 + 1) / 3, rtol=1e-6)
    assert losses.direction_error(normal, jnp.zeros((4, 3))) == 0.0


def test_a_large_batch_under_jit():
    rng = np.random.default_rng(4)
    weights, t_edges = _rays(5, LARGE, 8)
    density = 10.0 ** rng.uniform(-4, 5, (LARGE, 8)).astype(np.float32)
    distance = rng.uniform(-1, 8, LARGE).astype(np.float32)
    logits = rng.normal(size=(LARGE * 5, 7)).astype(np.float32)
    label = rng.integers(-1, 7, LARGE * 5).astype(np.int32)
    normal, target = rng.normal(size=(2, LARGE * 5, 3)).astype(np.float32)
    target[::3] = 0.0

    @jax.jit
    def everything(weights, t_edges, density, distance, logits, label, normal, target):
        t_mids = 0.5 * (t_edges[:, 1:] + t_edges[:, :-1])
        stacked = jnp.stack([normal[:, 2], normal[:, 0] * 2.0, -normal[:, 1]], axis=-1)
        return (
            losses.distortion(weights, t_edges),
            losses.occupancy(density, t_mids, distance, thickness=0.02, reach=0.5),
            losses.cross_entropy(logits, label),
            losses.colour_error(normal, target),
            losses.direction_error(normal, target),
            losses.direction_error(stacked, target),
            losses.depth_error(t_mids[:, 0], distance),
        )

    actual = everything(
        *_float32(weights, t_edges, density, distance, logits),
        jnp.asarray(label),
        *_float32(normal, target),
    )
    t_mids = 0.5 * (t_edges[:, 1:] + t_edges[:, :-1])
    behind = t_mids - distance[:, None]
    depth = density.astype(float) * 0.02
    error = np.where(
        behind > 0,
        -np.log(np.maximum(-np.expm1(-depth), 1e-4)),
        np.minimum(depth, 10.0),
    )
    counts = (distance[:, None] > 0) & (behind < 0.5)
    shifted = logits.astype(float)
    log_probs = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    chosen = log_probs[np.arange(LARGE * 5), np.maximum(label, 0)]
    n, t = normal.astype(float), target.astype(float)
    has_target = np.arange(LARGE * 5) % 3 != 0
    has_target &= (t * t).sum(axis=-1) > 0.5
    turned = np.stack([n[:, 2], n[:, 0] * 2.0, -n[:, 1]], axis=-1)
    expected = [
        distortion_np(weights, t_edges),
        error[counts].mean(),
        -chosen[label >= 0].mean(),
        ((n - t) ** 2).mean(),
        1 - (n * t).sum(axis=-1)[has_target].mean(),
        1 - (turned * t).sum(axis=-1)[has_target].mean(),
        np.abs(t_mids[:, 0] - distance)[distance > 0].mean(),
    ]
    np.testing.assert_allclose(actual, expected, rtol=2e-5)


def _rays(seed, rays, samples):
    rng = np.random.default_rng(seed)
    t_edges = np.sort(rng.uniform(0.1, 8.0, (rays, samples + 1)), axis=-1)
    weights = rng.dirichlet(np.ones(samples), size=rays)
    return weights.astype(np.float32), t_edges.astype(np.float32)


def _float32(*arrays):
    return [jnp.asarray(a, jnp.float32) for a in arrays]
