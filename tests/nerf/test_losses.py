"""Losses: equal to their definitions, and never NaN."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alsem.core.types import RayHistogram
from alsem.nerf import losses

pytestmark = pytest.mark.usefixtures("strict_dtypes")

RAYS = 19_200  # the CPU compiler has gone wrong beyond 32768 numbers


cross_entropy = jax.jit(jax.value_and_grad(losses.cross_entropy))


@jax.jit
def occupancy(*args):
    return jax.value_and_grad(losses.occupancy)(*args, thickness=0.02, reach=0.5)


def test_masked_mean_ignores_masked_values():
    values = jnp.array([[1.0, 2.0], [jnp.inf, 6.0]])
    mask = jnp.array([[True, True], [False, True]])
    assert losses.masked_mean(values, mask) == 3.0
    assert losses.masked_mean(values, jnp.zeros((2, 2), bool)) == 0.0


def test_means_equal_their_definitions():
    rng = np.random.default_rng(0)
    normal, target = rng.normal(size=(2, RAYS, 3)).astype(np.float32)
    target /= np.linalg.norm(target, axis=-1, keepdims=True)
    target[::3] = 0.0
    expected, distance = rng.uniform(-1, 8, (2, RAYS)).astype(np.float32)

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

    actual = everything(normal, target, expected, distance)
    n, t = normal.astype(float), target.astype(float)
    turned = np.stack([n[:, 2], n[:, 0] * 2.0, -n[:, 1]], axis=-1)
    has_target = t.any(axis=-1)
    wanted = [
        np.mean((n - t) ** 2),
        *(1 - np.mean(np.sum(v * t, axis=-1)[has_target]) for v in (n, turned)),
        np.mean(np.abs(expected - distance)[distance > 0]),
    ]
    np.testing.assert_allclose(actual, wanted, rtol=2e-5)


def test_numbers_of_the_docstrings():
    logits, density = jnp.array([[0.0, 2.0]]), jnp.array([[5.0]])
    costs = [cross_entropy(logits, np.array([label]))[0] for label in (1, 0)]
    np.testing.assert_allclose(costs, [0.127, 2.127], atol=5e-4)
    costs = [occupancy(density, np.array([[t]]), np.ones(1))[0] for t in (0.5, 1.05)]
    np.testing.assert_allclose(costs, [0.1, 2.352], atol=5e-4)
    t_edges, weights = jnp.array([1.0, 2.0, 3.0, 4.0]), jnp.array([0.5, 0.0, 0.5])
    np.testing.assert_allclose(losses.distortion(weights, t_edges), 1.1667, atol=5e-4)


@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_cross_entropy_equals_the_definition(scale):
    rng = np.random.default_rng(1)
    logits = (scale * rng.normal(size=(RAYS, 7))).astype(np.float32)
    label = rng.integers(-1, 7, size=RAYS).astype(np.int32)
    actual, gradients = cross_entropy(logits, label)
    shifted = logits.astype(float) - logits.max(axis=-1, keepdims=True)
    log_probs = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    is_labelled = label >= 0
    wanted = -log_probs[is_labelled, label[is_labelled]].mean()
    np.testing.assert_allclose(actual, wanted, rtol=1e-5)
    np.testing.assert_array_equal(gradients[~is_labelled], 0.0)
    if scale == 1.0:
        assert (gradients[is_labelled] != 0).all()


def test_a_batch_without_labels_has_no_loss_and_no_gradient():
    logits = np.array([[1.0, 0.0], [1e4, -1e4]])
    value, gradients = cross_entropy(logits, np.full(2, -1))
    assert value == 0.0
    np.testing.assert_array_equal(gradients, 0.0)


def test_occupancy_equals_the_definition():
    rng = np.random.default_rng(2)
    density = (10.0 ** rng.uniform(-4, 5, (RAYS, 8))).astype(np.float32)
    t_mids = np.sort(rng.uniform(0, 4, (RAYS, 8)), axis=-1).astype(np.float32)
    distance = rng.uniform(-1, 4, RAYS).astype(np.float32)
    actual, _ = occupancy(density, t_mids, distance)
    behind = t_mids.astype(float) - distance[:, None]
    depth = density.astype(float) * 0.02
    full = -np.log(np.maximum(-np.expm1(-depth), 1e-4))
    error = np.where(behind > 0, full, np.minimum(depth, 10.0))
    wanted = error[(distance[:, None] > 0) & (behind < 0.5)].mean()
    np.testing.assert_allclose(actual, wanted, rtol=2e-5)


@pytest.mark.parametrize("distance", [0.0, 1.0])
@pytest.mark.parametrize("density", [0.0, 1e-8, 1.0, 3e6, 1e8])
def test_occupancy_is_finite_at_extreme_densities(density, distance):
    t_mids = np.array([[0.5, 0.99, 1.01, 2.0]])
    value, gradients = occupancy(np.full((1, 4), density), t_mids, np.array([distance]))
    assert np.isfinite(value) and value >= 0
    assert np.isfinite(gradients).all()
    if distance == 0.0:
        assert value == 0.0
        np.testing.assert_array_equal(gradients, 0.0)


def test_distortion_equals_the_double_sum():
    """Over pairs of samples (mip-NeRF 360, eq. 15), in float64."""
    rng = np.random.default_rng(3)
    t_edges = np.sort(rng.uniform(0.1, 8.0, (RAYS, 9)), axis=-1)
    weights = rng.dirichlet(np.ones(8), size=RAYS)
    actual = jax.jit(losses.distortion)(weights, t_edges)
    t_mids = 0.5 * (t_edges[:, 1:] + t_edges[:, :-1])
    apart = np.abs(t_mids[:, :, None] - t_mids[:, None, :])
    between = np.einsum("ri,rj,rij->r", weights, weights, apart)
    within = np.sum(weights**2 * np.diff(t_edges), axis=-1) / 3
    np.testing.assert_allclose(actual, np.mean(between + within), rtol=2e-5)


def test_a_surface_of_stereo_begins_to_grow_in_clear_space():
    surface = (jnp.array([[2.0]]), jnp.array([2.0]), jnp.array([0.2]))

    def error(log_light):
        return losses.light_elsewhere(jnp.exp(log_light)[None, None], *surface)

    # Both falls by the same factor of light cost alike down to `LEAST_LIGHT`.
    dense, clear = (jax.grad(error)(jnp.log(light)) for light in (0.5, 0.01))
    np.testing.assert_allclose(clear, dense, rtol=0.1)
    assert float(error(-100.0)) <= 1.0


def test_terms_of_fits_without_depth_equal_their_examples():
    def row(*values):
        return jnp.array([values], jnp.float32)

    fine = RayHistogram(row(0, 1, 2), row(0.0, 0.6))
    proposal = RayHistogram(row(0, 1.5, 3), row(0.2, 0.1))
    np.testing.assert_allclose(losses.interlevel(fine, proposal), 0.15, rtol=1e-4)
    by_fine, by_proposal = jax.grad(losses.interlevel, (0, 1))(fine, proposal)
    assert not np.any(by_fine.weights) and np.all(np.asarray(by_proposal.weights) < 0)
    # Ignored where no surface is known.
    light = (jnp.array([[0.3, 0.7], [1.0, 0.0]]), jnp.array([[1.0, 2.0], [1.0, 2.0]]))
    surface = (jnp.array([2.0, 0.0]), jnp.array([0.2, 0.2]))
    np.testing.assert_allclose(losses.light_before(*light, *surface), 0.3, rtol=1e-6)
    light = (jnp.array([[0.3, 0.6], [1.0, 0.0]]), light[1])
    np.testing.assert_allclose(losses.light_elsewhere(*light, *surface), 0.07384, 1e-4)
    grey = jnp.full((3, 1, 3), 0.5)
    bent = jnp.array([[2.0], [2.2], [2.0]])
    np.testing.assert_allclose(losses.bending(bent, grey), 0.2, rtol=1e-5)
    plane = 1 / jnp.array([[0.5], [0.4], [0.3]])
    np.testing.assert_allclose(losses.bending(plane, grey), 0.0, atol=1e-6)
    edge = grey.at[2].add(0.03)
    np.testing.assert_allclose(losses.bending(bent, edge), 0.2 / np.e, rtol=1e-4)
    far = jnp.array([[1.0], [9.0], [1.0]])
    np.testing.assert_allclose(losses.bending(far, grey), 0.3, rtol=1e-5)
