"""The geometry stage: a field fitted to the photographs, and its surface caches.

Photographs without depth are matched with each other first (``survey``). The stage
needs no labels, so it runs once and is shared by every run of the same capture and
settings. A fit lives beside the run directories in a folder named by the hash of all
that decides it: the capture's pixels, the settings, the platform. It holds what stereo
measured, the fit's checkpoints and the surface caches of the training and the test
frames. A fit that was killed goes on where it was; two runs that need the same one wait
in turn.
"""

import contextlib
import dataclasses
import fcntl
import functools
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax

from alsem import surface, training
from alsem.active.geometry_check import GeometryVerdict, check_geometry
from alsem.active.geometry_options import GeometryOptions, SurfaceOptions
from alsem.active.grid_refresh import refresh_whole_grid, refresher
from alsem.active.pixel_data import pixel_data
from alsem.active.survey import Survey, survey_photographs
from alsem.core import progress, rng, signals
from alsem.core.files import write_errors
from alsem.data import Scene
from alsem.nerf import Nerf, appearance
from alsem.surface import SurfaceCache
from alsem.training.checkpoint import Checkpoints, PeriodicSaver

FORMAT = 7  # raise it when the meaning of a fit's files changes


@dataclasses.dataclass(frozen=True)
class SceneGeometry:
    """A fitted field and the surfaces it shows.

    Attributes:
        params: The field's parameters.
        grid: The renderer's proposal grid, None where there is none.
        train_cache: Surface cache of the training frames.
        test_cache: Surface cache of the test frames.
        options: How the field was fitted.
        surfaces: How the caches were rendered.
        verdict: Whether the field shows the room.
        seconds: What fitting and caching cost this run; little when reused.
    """

    params: Any
    grid: Any
    train_cache: SurfaceCache
    test_cache: SurfaceCache
    options: GeometryOptions
    surfaces: SurfaceOptions
    verdict: GeometryVerdict
    seconds: dict[str, float]


def fit_scene(
    scene: Scene,
    nerf: Nerf,
    options: GeometryOptions,
    surfaces: SurfaceOptions,
    *,
    mesh: jax.sharding.Mesh,
    cache_dir: Path,
) -> SceneGeometry:
    """Fits geometry and colour and renders the surface caches, or opens finished ones.

    Raises:
        InputError: ``cache_dir`` cannot be written.
        Interrupted: Asked to end; the state is saved.
    """
    folder = cache_dir / address(scene, nerf, options, surfaces)
    watch = progress.Stopwatch("stereo", "fit_geometry", "cache")
    with _lock(folder):
        found = None
        if options.stereo is not None:
            with watch.measure("stereo"):
                found = survey_photographs(scene, options, folder / "stereo")
            options = dataclasses.replace(
                options, low=found.low, high=found.high, near=found.near
            )
            t_max = nerf.longest_ray(found.low, found.high, found.near)
            surfaces = dataclasses.replace(surfaces, t_max=t_max)
        with watch.measure("fit_geometry"):
            state = _fit(scene, nerf, options, found, mesh, folder / "checkpoints")
        with watch.measure("cache"):
            train_cache, test_cache = build_surfaces(
                scene, nerf, state, surfaces, folder, mesh
            )
        with watch.measure("check"):
            verdict = check_geometry(
                scene, nerf, state, surfaces, found, (train_cache, test_cache), mesh
            )
    return SceneGeometry(
        params=state.params,
        grid=state.grid,
        train_cache=train_cache,
        test_cache=test_cache,
        options=options,
        surfaces=surfaces,
        verdict=verdict,
        seconds=dict(watch.seconds),
    )


def address(
    scene: Scene, nerf: Nerf, options: GeometryOptions, surfaces: SurfaceOptions
) -> str:
    """Name of the folder that holds a geometry fit."""
    test_poses = hashlib.sha256(scene.test.world_from_cam.tobytes()).hexdigest()
    init = functools.partial(_init_params, scene, nerf, options)
    params = jax.eval_shape(init, jax.random.key(0))
    decides = {
        "format": FORMAT,
        "params": str(jax.tree.map(lambda leaf: (leaf.shape, str(leaf.dtype)), params)),
        "capture": scene.fingerprint(),
        "test_poses": test_poses,
        "renderer": repr(nerf),
        "geometry": repr(options),
        "surface": (surfaces.samples, surfaces.gap, surfaces.t_max),
        "platform": jax.default_backend(),
    }
    text = json.dumps(decides, sort_keys=True)
    return f"{scene.name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


@contextlib.contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Holds a fit's folder for one process; a kill releases it."""
    with write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        handle = (folder / "lock").open("w")
    with handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _init_params(scene: Scene, nerf: Nerf, options: GeometryOptions, key: Any) -> Any:
    """Parameters of geometry and colour before the first step."""
    params = nerf.init(key)
    if not options.appearance:
        return params
    frames = len(scene.geometry_photographs.frames.names)
    return dict(params) | {"appearance": appearance.init_appearance(frames)}


def _fit(
    scene: Scene,
    nerf: Nerf,
    options: GeometryOptions,
    found: Survey | None,
    mesh: jax.sharding.Mesh,
    folder: Path,
) -> training.TrainState:
    """The fitted state, opened or fitted from the last checkpoint on."""
    fit = options.fit
    key = rng.run_key(options.seed, "geometry")
    tx = fit.optimiser.build()
    params = _init_params(scene, nerf, options, rng.stream(key, "init"))
    assert options.low is not None and options.high is not None
    grid = nerf.init_grid(options.low, options.high, options.near)
    state = training.init_state(params, tx, num_steps=fit.steps, grid=grid)
    with contextlib.closing(Checkpoints(folder, keep=1)) as checkpoints:
        latest = checkpoints.latest()
        if latest is not None:
            state = checkpoints.restore(latest, state)
            if checkpoints.meta(latest)["complete"]:
                return state
        step = training.make_geometry_step(
            nerf, tx, weight=options.loss, batch_rays=fit.batch_rays, mesh=mesh
        )
        runner = training.make_runner(
            step,
            steps_per_call=fit.steps_per_call,
            mesh=mesh,
            refresh=refresher(nerf, options.grid_fraction),
        )
        data = pixel_data(scene.geometry_photographs)
        if found is not None:
            data = found.training_data(data)
        done = int(state.step)
        with progress.progress(fit.steps, "geometry", initial=done) as bar:
            state = training.fit(
                runner,
                state,
                data,
                key,
                after_call=lambda step: bar.update(step - bar.n),
                saver=PeriodicSaver(checkpoints, {"complete": False}),
            )
        state = refresh_whole_grid(nerf, state, key)
        # One past the last step: a checkpoint of the last step itself may exist.
        checkpoints.save(int(state.step) + 1, state, {"complete": True})
        return state


def build_surfaces(
    scene: Scene,
    nerf: Nerf,
    state: training.TrainState,
    options: SurfaceOptions,
    folder: Path,
    mesh: jax.sharding.Mesh,
) -> tuple[SurfaceCache, SurfaceCache]:
    """Surface caches of the training and the test frames."""
    camera = scene.intrinsics
    assert options.t_max is not None

    def track(todo: range) -> Iterator[int]:
        for frame in progress.progress(todo, "surface cache"):
            signals.check()
            yield frame

    train, test = (
        surface.build(
            surface.make_encoder(nerf, samples=options.samples, gap=options.gap),
            state.params,
            state.grid,
            frames.world_from_cam,
            intrinsics=camera,
            pixel_offset=scene.pixel_offset,
            t_max=options.t_max,
            chunk=min(options.render_chunk, camera.width * camera.height),
            mesh=mesh,
            folder=folder / name,
            track=track,
        )
        for name, frames in (("train", scene.train), ("test", scene.test))
    )
    return train, test
