"""Losses: equal to their definitions, and never NaN."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alsem.nerf import losses

pytestmark = pytest.mark.usefixtures("strict_dtypes")

LARGE = 19_200  # rays; the CPU compiler has gone wrong beyond 32768 numbers


def cross_entropy_np(logits, label):
    """By the definition of the softmax, float64."""
    shifted = logits.astype(float) - logits.max(axis=-1, keepdims=True)
    log_probs = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    chosen = log_probs[np.arange(len(label)), np.maximum(label, 0)]
    return -chosen[label >= 0].mean()


def occupancy_np(density, t_mids, distance, thickness, reach):
    """Opacity of every sample against its side of the surface, float64."""
    behind = t_mids.astype(float) - distance[:, None]
    depth = density.astype(float) * thickness
    full = -np.log(np.maximum(-np.expm1(-depth), 1e-4))
    error = np.where(behind > 0, full, np.minimum(depth, 10.0))
    return error[(distance[:, None] > 0) & (behind < reach)].mean()


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


def test_masked_mean_ignores_masked_values():
    values = jnp.array([[1.0, 2.0], [jnp.inf, 6.0]])
    mask = jnp.array([[True, True], [False, True]])
    assert losses.masked_mean(values, mask) == 3.0
    assert losses.masked_mean(values, jnp.zeros((2, 2), bool)) == 0.0


@pytest.mark.parametrize("rays", [30, LARGE])
def test_means_equal_their_definitions(rays):
    rng = np.random.default_rng(0)
    normal, target = rng.normal(size=(2, rays, 3)).astype(np.float32)
    target[::3] = 0.0
    expected, distance = rng.uniform(-1, 8, (2, rays)).astype(np.float32)

    @jax.jit
    def everything(normal, target, expected, distance):
        # Stacked columns, reduced at once: what the compiler has got wrong.
        turned = jnp.stack([normal[:, 2], normal[:, 0] * 2.0, -normal[:, 1]], axis=-1)
        return (
            losses.colour_error(normal, target),
            losses.direction_error(normal, target),
            losses.direction_error(turned, target),
            losses.depth_error(expected, distance),
        )

    actual = everything(*_float32(normal, target, expected, distance))
    n, t = normal.astype(float), target.astype(float)
    turned = np.stack([n[:, 2], n[:, 0] * 2.0, -n[:, 1]], axis=-1)
    has_target = (t * t).sum(axis=-1) > 0.5
    wanted = [
        ((n - t) ** 2).mean(),
        1 - (n * t).sum(axis=-1)[has_target].mean(),
        1 - (turned * t).sum(axis=-1)[has_target].mean(),
        np.abs(expected - distance)[distance > 0].mean(),
    ]
    np.testing.assert_allclose(actual, wanted, rtol=2e-5)


def test_numbers_of_the_docstrings():
    two = [
        losses.cross_entropy(jnp.array([[0.0, 2.0]]), jnp.array([i])) for i in (1, 0)
    ]
    np.testing.assert_allclose(two, [0.127, 2.127], atol=5e-4)
    density, distance = jnp.array([[5.0]]), jnp.array([1.0])
    sides = [
        losses.occupancy(density, jnp.array([[t]]), distance, thickness=0.02, reach=0.1)
        for t in (0.5, 1.05)
    ]
    np.testing.assert_allclose(sides, [0.1, 2.352], atol=5e-4)
    t_edges, weights = jnp.array([1.0, 2.0, 3.0, 4.0]), jnp.array([0.5, 0.0, 0.5])
    np.testing.assert_allclose(losses.distortion(weights, t_edges), 1.1667, atol=5e-4)


@pytest.mark.parametrize(("rays", "scale"), [(40, 1.0), (40, 100.0), (5 * LARGE, 1.0)])
def test_cross_entropy_equals_the_definition(rays, scale):
    rng = np.random.default_rng(1)
    logits = (scale * rng.normal(size=(rays, 7))).astype(np.float32)
    label = rng.integers(-1, 7, size=rays)
    actual = jax.jit(losses.cross_entropy)(logits, jnp.asarray(label, jnp.int32))
    np.testing.assert_allclose(actual, cross_entropy_np(logits, label), rtol=1e-5)


def test_unlabelled_rays_do_not_change_the_cross_entropy():
    logits = jnp.array([[1.0, 0.0], [5.0, -5.0], [0.3, 0.2]])
    single = losses.cross_entropy(logits[:1], jnp.array([1]))
    among = losses.cross_entropy(logits, jnp.array([1, -1, -1]))
    np.testing.assert_allclose(single, among, rtol=1e-6)
    gradients = jax.grad(losses.cross_entropy)(logits, jnp.array([1, -1, -1]))
    np.testing.assert_array_equal(gradients[1:], 0.0)
    assert (gradients[0] != 0).all()


def test_a_batch_without_labels_has_no_loss_and_no_gradient():
    logits = jnp.array([[1.0, 0.0], [1e4, -1e4]])
    label = jnp.array([-1, -1])
    value, gradients = jax.value_and_grad(losses.cross_entropy)(logits, label)
    assert value == 0.0
    np.testing.assert_array_equal(gradients, 0.0)


@pytest.mark.parametrize("rays", [30, LARGE])
def test_occupancy_equals_the_definition(rays):
    rng = np.random.default_rng(2)
    density = 10.0 ** rng.uniform(-4, 5, (rays, 8)).astype(np.float32)
    t_mids = np.sort(rng.uniform(0, 4, (rays, 8)), axis=-1).astype(np.float32)
    distance = rng.uniform(-1, 4, rays).astype(np.float32)
    distance[:3] = 0.0
    occupancy = jax.jit(lambda *a: losses.occupancy(*a, thickness=0.02, reach=0.5))
    actual = occupancy(*_float32(density, t_mids, distance))
    expected = occupancy_np(density, t_mids, distance, 0.02, 0.5)
    np.testing.assert_allclose(actual, expected, rtol=2e-5)


def test_occupancy_is_least_when_empty_before_and_full_behind():
    t_mids = jnp.array([[0.5, 0.9, 1.01, 1.05, 1.5]])
    distance = jnp.array([1.0])

    def at(*density):
        return losses.occupancy(
            jnp.array([density]), t_mids, distance, thickness=0.02, reach=0.1
        )

    right = at(0.0, 0.0, 1e4, 1e4, 7.0)
    np.testing.assert_allclose(right, 0.0, atol=1e-6)
    assert at(50.0, 0.0, 1e4, 1e4, 7.0) > right  # density before the surface
    assert at(0.0, 0.0, 1.0, 1e4, 7.0) > right  # a transparent surface
    assert at(0.0, 0.0, 1e4, 1e4, 0.0) == right  # out of reach: ignored


@pytest.mark.parametrize("density", [0.0, 1e-8, 1.0, 3e6, 1e8])
def test_occupancy_is_finite_at_extreme_densities(density):
    t_mids = jnp.array([[0.5, 0.99, 1.01, 2.0]])
    for distance in (1.0, 0.0):
        value, gradients = jax.value_and_grad(losses.occupancy)(
            jnp.full((1, 4), density),
            t_mids,
            jnp.array([distance]),
            thickness=0.02,
            reach=0.1,
        )
        assert np.isfinite(value) and value >= 0
        assert np.isfinite(gradients).all()
        if distance == 0.0:
            assert value == 0.0
            np.testing.assert_array_equal(gradients, 0.0)


def test_depth_error_counts_measured_rays_only():
    expected, distance = jnp.array([1.0, 2.0, 9.0]), jnp.array([1.5, 1.75, 0.0])
    actual = losses.depth_error(expected, distance)
    np.testing.assert_allclose(actual, 0.375, rtol=1e-6)
    assert losses.depth_error(expected, jnp.zeros(3)) == 0.0


@pytest.mark.parametrize("rays", [20, LARGE])
def test_distortion_equals_the_double_sum(rays):
    weights, t_edges = _rays(3, rays, 8)
    actual = jax.jit(losses.distortion)(*_float32(weights, t_edges))
    np.testing.assert_allclose(actual, distortion_np(weights, t_edges), rtol=2e-5)


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


def _rays(seed, rays, samples):
    rng = np.random.default_rng(seed)
    t_edges = np.sort(rng.uniform(0.1, 8.0, (rays, samples + 1)), axis=-1)
    weights = rng.dirichlet(np.ones(samples), size=rays)
    return weights.astype(np.float32), t_edges.astype(np.float32)


def _float32(*arrays):
    return [jnp.asarray(a, jnp.float32) for a in arrays]
