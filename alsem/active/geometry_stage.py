"""A scene with its geometry fitted: made once, shared by every run that asks the same.

A fit lives beside the run directories in a folder named by the hash of all that
decides it: the capture's pixels, the geometry settings, the platform. It holds the
fit's checkpoints and the surface caches of the training and the test frames. A fit
that was killed goes on where it was; two runs that want the same one wait in turn.
"""

import contextlib
import dataclasses
import fcntl
import functools
import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax

from alsem import surface, training
from alsem.active import labelled_rays
from alsem.active.experiment import Experiment
from alsem.core import progress, rng, signals
from alsem.core.errors import InputError
from alsem.nerf import Nerf, appearance
from alsem.surface import SurfaceCache
from alsem.training.checkpoint import Checkpoints

Encoder = Callable[..., dict[str, jax.Array]]

FORMAT = 2  # raise it when what a fit holds changes its meaning


@dataclasses.dataclass(frozen=True)
class FittedScene:
    """Fitted geometry and what it sees.

    Attributes:
        params: The field's parameters.
        grid: The renderer's proposal grid, None where there is none.
        pool: Surface cache of the training frames.
        test: Surface cache of the test frames.
        seconds: What fitting and caching cost this run; little when reused.
    """

    params: Any
    grid: Any
    pool: SurfaceCache
    test: SurfaceCache
    seconds: dict[str, float]


@dataclasses.dataclass(frozen=True)
class Model:
    """What a round has learnt, and the caches it looks through.

    Attributes:
        state: The train state; kept for warm starts and checkpoints.
        heads: Parameters of the semantic members of the finest level.
        policy: Parameters of the query policy, None where there is none.
        pool: Surface cache of the training frames.
        test: Surface cache of the test frames.
    """

    state: training.TrainState
    heads: Any
    policy: Any
    pool: SurfaceCache
    test: SurfaceCache


def fit_scene(experiment: Experiment) -> FittedScene:
    """Fits geometry and colour and builds the surface caches, or opens them."""
    folder = experiment.cache_dir / address(experiment)
    watch = progress.Stopwatch("fit_geometry", "cache")
    with _lock(folder):
        with watch.measure("fit_geometry"):
            state = _fit_geometry(experiment, folder / "checkpoints")
        with watch.measure("cache"):
            pool, test = build_surfaces(
                experiment, make_encoder(experiment), state, folder
            )
    return FittedScene(
        params=state.params,
        grid=state.grid,
        pool=pool,
        test=test,
        seconds=dict(watch.seconds),
    )


def address(experiment: Experiment) -> str:
    """Name of the folder that holds the experiment's geometry."""
    scene = experiment.scene
    test_poses = hashlib.sha256(scene.test.world_from_cam.tobytes()).hexdigest()
    params = jax.eval_shape(lambda: _init_params(experiment, jax.random.key(0)))
    decides = {
        "format": FORMAT,
        "params": str(jax.tree.map(lambda leaf: (leaf.shape, str(leaf.dtype)), params)),
        "capture": scene.fingerprint(),
        "test_poses": test_poses,
        "settings": experiment.geometry_config,
        "platform": jax.default_backend(),
    }
    text = json.dumps(decides, sort_keys=True)
    return f"{scene.name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


@contextlib.contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Holds a fit's folder for one process; the system lets go of it on a kill."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = (folder / "lock").open("w")
    except OSError as error:
        raise InputError(
            f"{folder}: {error.strerror}; free some space or give another --workdir"
        ) from None
    with handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _init_params(experiment: Experiment, key: Any) -> Any:
    """Parameters of geometry and colour before the first step."""
    params = experiment.nerf.init(key)
    if not experiment.appearance:
        return params
    frames = len(experiment.scene.train.names)
    return dict(params) | {"appearance": appearance.init_appearance(frames)}


def _fit_geometry(experiment: Experiment, folder: Path) -> training.TrainState:
    """The fitted state, opened or fitted from wherever a kill left it."""
    fit, nerf = experiment.geometry, experiment.nerf
    key = rng.run_key(experiment.geometry_seed, "geometry")
    tx = fit.optimiser.build(fit.steps)
    params = _init_params(experiment, rng.stream(key, "init"))
    state = training.init_state(params, tx, grid=nerf.init_grid())
    checkpoints = Checkpoints(folder, keep=1)
    latest = checkpoints.latest()
    if latest is not None:
        state = checkpoints.restore(latest, state)
        if checkpoints.meta(latest)["complete"]:
            checkpoints.close()
            return state
    step = training.make_geometry_step(
        nerf,
        tx,
        weight=experiment.geometry_loss,
        batch_rays=fit.batch_rays,
        intrinsics=experiment.scene.intrinsics,
        pixel_offset=experiment.scene.pixel_offset,
        mesh=experiment.mesh,
    )
    run = training.make_runner(
        step,
        steps_per_call=fit.steps_per_call,
        mesh=experiment.mesh,
        refresh=refresher(experiment),
    )
    with progress.progress(fit.steps, "geometry") as bar:
        bar.update(int(state.step))

        def after_call(state: training.TrainState, parts: dict) -> None:
            bar.update(fit.steps_per_call)
            if signals.requested():
                checkpoints.save(int(state.step), state, {"complete": False})
                checkpoints.close()
                signals.check()
            checkpoints.save_if_due(int(state.step), state, {"complete": False})

        state = training.fit(
            run,
            state,
            labelled_rays.pixel_data(experiment.scene),
            key,
            num_steps=fit.steps,
            steps_per_call=fit.steps_per_call,
            after_call=after_call,
        )
    state = refresh_whole_grid(experiment, state, key)
    # One past the last step: a checkpoint saved on the last step itself may exist.
    checkpoints.save(int(state.step) + 1, state, {"complete": True})
    checkpoints.close()
    return state


def refresher(experiment: Experiment):
    """What keeps the proposal grid up to date in training; None without one."""
    if experiment.nerf.init_grid() is None or experiment.grid_fraction <= 0:
        return None

    def refresh(state: training.TrainState, key):
        grid = experiment.nerf.refresh(
            state.params, state.grid, key, fraction=experiment.grid_fraction
        )
        return state.replace(grid=grid)  # pyright: ignore[reportAttributeAccessIssue]

    return refresh


def refresh_whole_grid(
    experiment: Experiment, state: training.TrainState, key: Any, *, passes: int = 4
) -> training.TrainState:
    """Looks at every cell of an emptied proposal grid several times."""
    if state.grid is None:
        return state
    grid = experiment.nerf.init_grid()
    for i in range(passes):
        pass_key = rng.stream(key, "grid", i)
        grid = _refresh_all(experiment.nerf, state.params, grid, pass_key)
    return state.replace(grid=grid)  # pyright: ignore[reportAttributeAccessIssue]


@functools.partial(jax.jit, static_argnums=0)
def _refresh_all(nerf: Nerf, params: Any, grid: Any, key: Any):
    return nerf.refresh(params, grid, key, fraction=1.0)


def make_encoder(experiment: Experiment) -> Encoder:
    """The compiled encoder of the experiment's surface caches; make it once."""
    options, scene = experiment.surface, experiment.scene
    return surface.make_encoder(
        lambda held, rays: experiment.nerf.render(held[0], held[1], rays),
        intrinsics=scene.intrinsics,
        pixel_offset=scene.pixel_offset,
        samples=options.samples,
        gap=options.gap,
        t_max=options.t_max,
    )


def build_surfaces(
    experiment: Experiment, encode: Encoder, state: training.TrainState, folder: Path
) -> tuple[SurfaceCache, SurfaceCache]:
    """Caches of the training and the test frames through the field as it stands."""
    options, scene = experiment.surface, experiment.scene
    camera = scene.intrinsics

    def track(todo: range) -> Iterator[int]:
        for frame in progress.progress(todo, "surface cache"):
            signals.check()
            yield frame

    pool, test = (
        surface.build(
            encode,
            (state.params, state.grid),
            frames.world_from_cam,
            intrinsics=camera,
            pixel_offset=scene.pixel_offset,
            t_max=options.t_max,
            chunk=min(options.render_chunk, camera.width * camera.height),
            folder=folder / name,
            track=track,
        )
        for name, frames in (("train", scene.train), ("test", scene.test))
    )
    return pool, test
