"""The training loop: transfers, log points, resuming, and few compilations."""

import dataclasses
from contextlib import ExitStack, closing
from types import SimpleNamespace

import fits
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alsem import surface, training
from alsem.core.mesh import put
from alsem.core.types import frame_cameras
from alsem.surface.posterior import make_posterior
from alsem.training.checkpoint import Checkpoints, PeriodicSaver


def saver_to(saved):
    """A saver that is due after every call and remembers its steps."""

    def save(step, state):
        assert int(jax.device_get(state.step)) == step
        saved.append(step)

    return SimpleNamespace(is_due=lambda: True, save=save)


def fit(experiment, state, data, **options):
    runner = fits.geometry_runner(experiment)
    return training.fit(runner, state, data, fits.KEY, **options)


def test_callbacks_receive_steps_and_log_points(experiment, data):
    calls, logged, saved = [], {}, []
    fit(
        experiment,
        fits.geometry_state(experiment, num_steps=50),
        data,
        after_call=calls.append,
        log=lambda step, parts: logged.update({step: parts["loss"]}),
        calls_per_log=2,
        saver=saver_to(saved),
    )
    assert calls == saved == [10, 20, 30, 40, 50]
    assert list(logged) == [20, 40, 50]
    assert all(isinstance(loss, float) for loss in logged.values())


def test_a_fit_transfers_its_data_once(experiment, data, tmp_path):
    """And nothing after that but losses and checkpoints."""
    state = fits.geometry_state(experiment, num_steps=60)
    state, data = jax.device_get((state, data))
    with (
        closing(Checkpoints(tmp_path, interval_s=0.0)) as checkpoints,
        jax.transfer_guard("disallow"),
        ExitStack() as after_the_first_call,
    ):

        def forbid(_):
            guard = jax.transfer_guard_host_to_device("disallow_explicit")
            after_the_first_call.enter_context(guard)

        saver = PeriodicSaver(checkpoints, {})
        fit(experiment, state, data, calls_per_log=2, after_call=forbid, saver=saver)
        checkpoints.wait()
        assert checkpoints.latest() == 60


@pytest.mark.parametrize("has_saver", [False, True])
def test_a_loss_that_is_not_finite_stops_the_fit(experiment, data, has_saver):
    state, saved = fits.geometry_state(experiment, num_steps=30), []
    params = jax.tree.map(lambda x: x * jnp.nan, state.params)
    state = dataclasses.replace(state, params=params)
    saver = saver_to(saved) if has_saver else None
    # At the next log point, or before the state would be saved.
    step = 10 if has_saver else 30
    with pytest.raises(FloatingPointError, match=f"loss is nan at step {step}"):
        fit(experiment, state, data, saver=saver)
    assert saved == []


def study(experiment, data, num_steps, posterior):
    """Geometry, a surface cache, heads and their predictions."""
    mesh, scene = experiment.mesh, experiment.scene
    state = fit(experiment, fits.geometry_state(experiment, num_steps), data)
    cache = surface.build(
        surface.make_encoder(experiment.nerf, samples=2, gap=0.05),
        state.params,
        state.grid,
        scene.train.world_from_cam[:2],
        intrinsics=scene.intrinsics,
        pixel_offset=scene.pixel_offset,
        t_max=experiment.surface.t_max,
        chunk=96,
        mesh=mesh,
    )
    labelled = fits.labelled_surface(experiment, 20)
    runner = fits.semantic_runner(experiment)
    state = fits.semantic_state(experiment, num_steps)
    state = training.fit(runner, state, labelled, fits.KEY)
    ids = np.arange(64, dtype=np.int32)
    chunk = put((cache.cameras, ids, cache.take(ids)), mesh)
    return posterior(put(state.params["heads"], mesh), *chunk)


def test_a_second_scene_and_a_longer_fit_compile_nothing(experiment, data):
    compiled = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda name, seconds, **_: "backend_compile" in name and compiled.append(name)
    )
    posterior = jax.jit(make_posterior(experiment.heads[-1]))
    first = study(experiment, data, 20, posterior)
    assert compiled
    compiled.clear()
    camera = dataclasses.replace(experiment.scene.intrinsics, fx=9.1, cx=7.2)
    offset = (0.25, -0.25)
    scene = dataclasses.replace(
        experiment.scene, intrinsics=camera, pixel_offset=offset
    )
    geometry = dataclasses.replace(
        experiment.geometry, low=(-0.3, -0.2, -0.4), high=(4.1, 3.4, 2.9)
    )
    options = dataclasses.replace(experiment.surface, t_max=7.0)
    changes = {"scene": scene, "geometry": geometry, "surface": options}
    second = SimpleNamespace(**vars(experiment) | changes)
    other = frame_cameras(scene.train.world_from_cam, camera, offset)
    data = dataclasses.replace(data, cameras=other)
    again = study(second, data, 40, posterior)
    assert compiled == []
    assert not np.allclose(first.x_world, again.x_world, atol=1e-4)
