r"""How fast and how well fields train, side by side in one process.

    python tests/benchmarks/bench_training.py --dir=DIR --scene=NAME --minutes=1

Three fields fit the same capture for the same time: the default one with the depth
sensor, the default one without it, and the published MLP. Prints, for each, training
rays a second (median over calls), PSNR and median depth error on a few test frames,
and the ratio of the rays to the published MLP's.
"""

import statistics
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import app, flags

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import tiny

from alsem import training
from alsem.active import geometry_stage
from alsem.active.pixel_data import pixel_data
from alsem.core import rng
from alsem.core.types import frame_cameras
from alsem.nerf import cameras
from alsem.runs import config_files

_CONFIG = flags.DEFINE_string("config", "configs/replica.py", "Config file.")
_DIR = flags.DEFINE_string("dir", "", "Folder of scenes.")
_SCENE = flags.DEFINE_string("scene", "", "Scene.")
_TRAIN = flags.DEFINE_string("train_split", "Sequence_1[::3]", "Training frames.")
_TEST = flags.DEFINE_string("test_split", "Sequence_2[::8]", "Test frames.")
_MINUTES = flags.DEFINE_float("minutes", 1.0, "Training time of every field.")


def parts(field: str, *, use_depth: bool) -> SimpleNamespace:
    """The parts of a run of the config with one of the fields."""
    variant = ":paper" if field == "paper" else ""
    config: Any = config_files.load(_CONFIG.value + variant)
    config.data.dir, config.data.scene = _DIR.value, _SCENE.value
    config.data.train_split, config.data.test_split = _TRAIN.value, _TEST.value
    config.data.use_depth = use_depth
    if field == "paper":
        config.train.geometry.fit.steps_per_call = 1
    return tiny.parts(config, Path("runs/bench"))


def measure(run: SimpleNamespace) -> dict[str, float]:
    """Fits for the time given; rays a second and quality."""
    fit, key = run.geometry.fit, rng.run_key(0, "bench")
    data = pixel_data(run.scene)
    tx = fit.optimiser.build()
    state = training.init_state(
        run.nerf.init(rng.stream(key, "init")),
        tx,
        num_steps=fit.steps,
        grid=run.nerf.init_grid(run.geometry.low, run.geometry.high),
    )
    step = training.make_geometry_step(
        run.nerf,
        tx,
        weight=run.geometry_loss,
        batch_rays=fit.batch_rays,
        mesh=run.mesh,
    )
    call = training.make_runner(
        step,
        steps_per_call=fit.steps_per_call,
        mesh=run.mesh,
        refresh=geometry_stage.refresher(run.nerf, run.geometry.grid_fraction),
    )
    state, _ = jax.block_until_ready(call(state, data, key))  # compiles
    spent: list[float] = []
    while sum(spent) < 60.0 * _MINUTES.value:
        begun = time.perf_counter()
        state, _ = jax.block_until_ready(call(state, data, key))
        spent.append(time.perf_counter() - begun)
    state = geometry_stage.refresh_whole_grid(run.nerf, state, key)
    return {
        "rays_per_second": fit.batch_rays
        * fit.steps_per_call
        / statistics.median(spent),
        **quality(run, state),
    }


def quality(run: SimpleNamespace, state: training.TrainState) -> dict[str, float]:
    """PSNR and median depth error on the test frames."""
    camera, frames = run.scene.intrinsics, run.scene.test
    views = frame_cameras(frames.world_from_cam, camera, run.scene.pixel_offset)
    per_frame = camera.width * camera.height
    chunk = min(run.surface.render_chunk, per_frame)

    @jax.jit
    def render(params, grid, pixel):
        rays = cameras.pool_rays(pixel, views)
        rendered = run.nerf.render(params, grid, rays)
        t_mids = 0.5 * (rendered.t_edges[:, 1:] + rendered.t_edges[:, :-1])
        weights = rendered.weights / jnp.maximum(
            jnp.sum(rendered.weights, axis=-1, keepdims=True), 1e-6
        )
        return rendered.rgb, jnp.sum(weights * t_mids, axis=-1) * rays.z_scale

    total = views.num_rays
    parts = [
        render(
            state.params,
            state.grid,
            jnp.minimum(jnp.arange(start, start + chunk), total - 1).astype(jnp.int32),
        )
        for start in range(0, total, chunk)
    ]
    rgb = np.concatenate([p[0] for p in parts])[:total]
    depth = np.concatenate([p[1] for p in parts])[:total]
    error = rgb - frames.rgb.reshape(-1, 3) / 255.0
    truth = run.truth.test_depth_z
    off = np.nan if truth is None else np.abs(depth - truth.reshape(-1))
    return {
        "psnr": float(-10 * np.log10(np.mean(error**2))),
        "depth_median_m": float(np.median(off)),
    }


def main(argv: list[str]) -> None:
    """Runs the three and prints a table."""
    del argv
    results = {
        "default, depth": measure(parts("hash", use_depth=True)),
        "default, no depth": measure(parts("hash", use_depth=False)),
        "published MLP": measure(parts("paper", use_depth=True)),
    }
    paper = results["published MLP"]["rays_per_second"]
    print(f"{'field':20s} {'rays/s':>10s} {'ratio':>7s} {'PSNR':>6s} {'depth':>8s}")
    for name, row in results.items():
        print(
            f"{name:20s} {row['rays_per_second']:10.0f}"
            f" {row['rays_per_second'] / paper:7.1f} {row['psnr']:6.2f}"
            f" {row['depth_median_m']:7.3f}m"
        )


if __name__ == "__main__":
    app.run(main)
