"""The semantic step on the surface cache: labels, padding, view groups, devices."""

import dataclasses

import fits
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alsem import training
from alsem.core.mesh import make_mesh


def one_call(experiment, labelled, mesh=None):
    run = fits.semantic_runner(experiment, mesh)
    return run(fits.semantic_state(experiment), labelled, fits.KEY)


def test_padding_is_never_drawn(experiment):
    def logits(padding_label, count=None):
        labelled = fits.labelled_surface(experiment, 20, padding_label, count)
        params = one_call(experiment, labelled)[0].params["heads"]["params"]
        return params["head"]["logits"]["kernel"]

    np.testing.assert_array_equal(logits(-1), logits(3))
    assert not np.array_equal(logits(3), logits(3, count=64))


def test_rays_without_a_label_have_no_loss(experiment):
    labelled = fits.labelled_surface(experiment, 0, count=1)
    state, parts = one_call(experiment, labelled)
    assert float(parts["loss"]) == 0.0
    fits.assert_trees_equal(state.params["heads"], fits.head_params(experiment))


def test_a_semantic_fit_is_the_same_on_eight_devices(experiment):
    labelled = fits.labelled_surface(experiment, 20)
    one, parts_1 = one_call(experiment, labelled)
    eight, parts_8 = one_call(experiment, labelled, make_mesh(8))
    # Ten Adam steps carry the rounding of sums in another order; steps are of 1e-2.
    assert float(parts_8["loss"]) == pytest.approx(float(parts_1["loss"]), rel=1e-4)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=2e-3),
        one.params,
        eight.params,
    )


def test_a_view_member_learns_only_from_its_own_frames(experiment):
    heads = dataclasses.replace(experiment.heads[-1], members=3, view_groups=2)
    points = fits.surface_points(1.0, 8, 2)
    weights, label = jnp.full((8, 2), 0.5), jnp.arange(8, dtype=jnp.int32) % 6

    @jax.jit
    @jax.grad
    def gradients(params, frame):
        frames = jnp.full(8, frame, jnp.int32)
        return training.semantic_loss(heads, params, points, weights, label, frames)

    def has_gradient(frame):
        found = gradients(fits.head_params(experiment, heads), frame)
        kernel = found["params"]["head"]["logits"]["kernel"]
        return [float(jnp.max(jnp.abs(member))) > 0 for member in kernel]

    assert has_gradient(frame=4) == [True, True, False]
    assert has_gradient(frame=7) == [True, False, True]
