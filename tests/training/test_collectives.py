"""Compiled steps on eight devices: each has an eighth of a batch, sums are few."""

import re

import fits
import jax
import pytest

from alsem import training
from alsem.core.mesh import make_mesh, put

COLLECTIVE = (
    r"= .*\b(all-reduce|all-gather|all-to-all|collective-permute|reduce-scatter)\("
)


def geometry(experiment, data, mesh):
    run = fits.geometry_runner(experiment, mesh, steps_per_call=3)
    return run, fits.geometry_state(experiment), data


def semantic(experiment, data, mesh):
    labelled = fits.labelled_surface(experiment, 20)
    return (
        fits.semantic_runner(experiment, mesh),
        fits.semantic_state(experiment),
        labelled,
    )


def joint(experiment, data, mesh):
    step = fits.joint_step(experiment, mesh=mesh, weight=experiment.geometry_loss)
    run = training.make_runner(step, steps_per_call=3, mesh=mesh)
    labelled = fits.labelled_pixels([0, 1, 2])
    return run, fits.joint_state(experiment), (data, labelled, {})


# Of the gradients with the parts of the loss, and of the numbers of rays that a masked
# mean divides by.
@pytest.mark.parametrize(
    ("fit", "all_reduces", "batch"),
    [(geometry, 2, 264), (semantic, 2, 72), (joint, 2, 72)],
)
def test_a_step_adds_up_its_gradients_once(experiment, data, fit, all_reduces, batch):
    mesh = make_mesh(8)
    runner, *args = fit(experiment, data, mesh)
    args = put((*args, fits.KEY), mesh)
    program = runner.compiled.lower(*args).compile().as_text()
    found = re.findall(COLLECTIVE, program)
    assert found == ["all-reduce"] * all_reduces
    sizes = {
        int(n)
        for shape in re.findall(r"\[([\d,]+)\]", program)
        for n in shape.split(",")
    }
    assert batch // 8 in sizes and batch not in sizes
    assert jax.tree.leaves(args)[0].sharding.is_fully_replicated
