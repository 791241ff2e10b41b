"""The training loop: transfers, log points, resuming, and few compilations."""

import dataclasses

import fits
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alsem import surface, training
from alsem.core import mesh
from alsem.core.types import frame_cameras
from alsem.surface.posterior import make_posterior
from alsem.training.checkpoint import Checkpoints, PeriodicSaver
from alsem.training.optimizer import Optimiser


class Saves:
    """A saver that is due after every call and remembers."""

    def __init__(self):
        self.steps = []

    def is_due(self):
        return True

    def save(self, step, state):
        assert int(jax.device_get(state.step)) == step
        self.steps.append(step)


def fit(experiment, state, data, **options):
    return training.fit(
        fits.geometry_runner(experiment), state, data, fits.KEY, **options
    )


def test_callbacks_receive_steps_and_log_points(experiment, data):
    calls, logged, saves = [], [], Saves()
    fit(
        experiment,
        fits.geometry_state(experiment, num_steps=50),
        data,
        after_call=calls.append,
        log=lambda step, parts: logged.append((step, parts["loss"])),
        calls_per_log=2,
        saver=saves,
    )
    assert calls == saves.steps == [10, 20, 30, 40, 50]
    assert [step for step, _ in logged] == [20, 40, 50]
    assert all(isinstance(loss, float) for _, loss in logged)


def test_a_fit_transfers_its_data_once(experiment, data, tmp_path):
    """And nothing after that but losses and checkpoints."""
    name = "jax_transfer_guard_host_to_device"
    state = fits.geometry_state(experiment, num_steps=60)
    state, data = jax.device_get((state, data))
    checkpoints = Checkpoints(tmp_path / "c", interval_s=0.0)

    def forbid(_):
        jax.config.update(name, "disallow_explicit")

    try:
        with jax.transfer_guard("disallow"):
            fit(
                experiment,
                state,
                data,
                after_call=forbid,
                calls_per_log=2,
                saver=PeriodicSaver(checkpoints, {}),
            )
    finally:
        jax.config.update(name, None)
        checkpoints.close()
    assert checkpoints.latest() == 60


def test_two_calls_and_two_after_a_restore_are_four_calls(experiment, data, tmp_path):
    def start():
        return fits.geometry_state(experiment)

    whole = fit(experiment, start(), data, num_steps=40)
    half = fit(experiment, start(), data, num_steps=20)
    checkpoints = Checkpoints(tmp_path / "c")
    checkpoints.save(20, half, {})
    checkpoints.close()
    checkpoints = Checkpoints(tmp_path / "c")
    restored = checkpoints.restore(20, start())
    checkpoints.close()
    assert int(restored.step) == 20
    fits.assert_trees_equal(fit(experiment, restored, data, num_steps=40), whole)


@pytest.mark.parametrize("saver", [None, Saves()])
def test_a_loss_that_is_not_finite_stops_the_fit(experiment, data, saver):
    state = fits.geometry_state(experiment, num_steps=30)
    params = jax.tree.map(lambda x: x * jnp.nan, state.params)
    state = dataclasses.replace(state, params=params)
    # At the next log point, or before the state would be saved.
    step = 30 if saver is None else 10
    with pytest.raises(FloatingPointError, match=f"loss is nan at step {step}"):
        fit(experiment, state, data, saver=saver)
    assert saver is None or saver.steps == []


def test_a_second_scene_and_a_longer_fit_compile_nothing(experiment, data):
    compiled = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda name, seconds, **_: "backend_compile" in name and compiled.append(name)
    )
    tx = Optimiser(learning_rate=1e-2).build()

    def study(experiment, data, num_steps):
        """Geometry, a surface cache, heads and their predictions."""
        one, scene = experiment.mesh, experiment.scene
        runner = fits.geometry_runner(experiment, tx=tx)
        state = fits.geometry_state(experiment, num_steps=num_steps, tx=tx)
        state = training.fit(runner, state, data, fits.KEY)
        cache = surface.build(
            surface.make_encoder(experiment.nerf, samples=2, gap=0.05),
            state.params,
            state.grid,
            scene.train.world_from_cam[:2],
            intrinsics=scene.intrinsics,
            pixel_offset=scene.pixel_offset,
            t_max=experiment.surface.t_max,
            chunk=96,
            mesh=one,
        )
        labelled = fits.labelled_surface(experiment, 20)
        state = training.fit(
            fits.semantic_runner(experiment),
            fits.semantic_state(experiment, num_steps),
            labelled,
            fits.KEY,
        )
        ids = np.arange(64, dtype=np.int32)
        chunk = mesh.put((cache.cameras, ids, cache.take(ids)), one)
        return posterior(mesh.put(state.params["heads"], one), *chunk)

    posterior = jax.jit(make_posterior(experiment.heads[-1]))
    first = study(experiment, data, 20)
    assert compiled
    compiled.clear()
    camera = dataclasses.replace(experiment.scene.intrinsics, fx=9.1, cx=7.2)
    scene = dataclasses.replace(
        experiment.scene, intrinsics=camera, pixel_offset=(0.25, -0.25)
    )
    moved = dataclasses.replace(
        experiment.geometry, low=(-0.3, -0.2, -0.4), high=(4.1, 3.4, 2.9)
    )
    second = type(experiment)(**vars(experiment) | {"scene": scene, "geometry": moved})
    second.surface = dataclasses.replace(experiment.surface, t_max=7.0)
    other = frame_cameras(scene.train.world_from_cam, camera, scene.pixel_offset)
    data = dataclasses.replace(data, cameras=other)
    again = study(second, data, 40)
    assert compiled == []
    assert not np.allclose(first.x_world, again.x_world, atol=1e-4)
