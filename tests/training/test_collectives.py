"""Compiled steps on eight devices: each has an eighth of a batch, sums are few."""

import re

import fits
import jax
import pytest

from alsem import training
from alsem.core.mesh import make_mesh, put

COLLECTIVES = "all-reduce|all-gather|all-to-all|collective-permute|reduce-scatter"


def geometry(experiment, data, mesh):
    run = fits.geometry_runner(experiment, mesh, steps_per_call=1)
    return run, fits.geometry_state(experiment), data


def semantic(experiment, data, mesh):
    run, state = fits.semantic_runner(experiment, mesh), fits.semantic_state(experiment)
    return run, state, fits.labelled_surface(experiment, 20)


def joint(experiment, data, mesh):
    step = fits.joint_step(experiment, mesh=mesh, weight=experiment.geometry_loss)
    run = training.make_runner(step, steps_per_call=1, mesh=mesh)
    labelled = fits.labelled_pixels([0, 1, 2])
    return run, fits.joint_state(experiment), (data, labelled, {})


@pytest.mark.parametrize(
    ("fit", "batch"), [(geometry, 264), (semantic, 72), (joint, 72)]
)
def test_a_step_adds_up_its_gradients_once(experiment, data, fit, batch):
    mesh = make_mesh(8)
    runner, *args = fit(experiment, data, mesh)
    args = put((*args, fits.KEY), mesh)
    program = runner.compiled.lower(*args).compile().as_text()
    found = re.findall(rf"= .*\b({COLLECTIVES})\(", program)
    # Of the gradients with the parts of the loss, and of the numbers of rays that a
    # masked mean divides by.
    assert found == ["all-reduce"] * 2
    shapes = re.findall(r"\[([\d,]+)\]", program)
    sizes = {int(n) for shape in shapes for n in shape.split(",")}
    assert batch // 8 in sizes and batch not in sizes
    assert jax.tree.leaves(args)[0].sharding.is_fully_replicated
