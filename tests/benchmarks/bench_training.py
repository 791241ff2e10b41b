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
from absl import app, flags

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import tiny

from alsem import surface, training
from alsem.active.pixel_data import pixel_data
from alsem.core import rng
from alsem.evaluation import image_quality
from alsem.runs import config_files

_CONFIG = flags.DEFINE_string("config", "configs/replica.py", "Config file.")
_DIR = flags.DEFINE_string("dir", "", "Folder of scenes.")
_SCENE = flags.DEFINE_string("scene", "", "Scene.")
_TRAIN = flags.DEFINE_string("train_split", "Sequence_1[::3]", "Training frames.")
_TEST = flags.DEFINE_string("test_split", "Sequence_2[::8]", "Test frames.")
_MINUTES = flags.DEFINE_float("minutes", 1.0, "Training time of every field.")


def parts(variant: str = "", *, use_depth: bool = True) -> SimpleNamespace:
    """The parts of a run of a variant of the config."""
    config: Any = config_files.load(f"{_CONFIG.value}:{variant}")
    config.data.dir, config.data.scene = _DIR.value, _SCENE.value
    config.data.train_split, config.data.test_split = _TRAIN.value, _TEST.value
    config.data.use_depth = use_depth
    if variant == "paper":
        config.train.geometry.fit.steps_per_call = 1
    return tiny.parts(config, Path("runs/bench"))


def measure(run: SimpleNamespace) -> dict[str, float]:
    """Fits for the time given; rays a second and quality."""
    fit, key = run.geometry.fit, rng.run_key(0, "bench")
    data = pixel_data(run.scene.pool)
    tx = fit.optimiser.build()
    state = training.init_state(
        run.nerf.init(rng.stream(key, "init")),
        tx,
        num_steps=fit.steps,
        grid=run.nerf.init_grid(run.geometry.low, run.geometry.high, run.geometry.near),
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
        refresh=grid_refresh.refresher(run.nerf, run.geometry.grid_fraction),
    )
    state, _ = jax.block_until_ready(call(state, data, key))  # compiles
    spent: list[float] = []
    while sum(spent) < 60.0 * _MINUTES.value:
        begun = time.perf_counter()
        state, _ = jax.block_until_ready(call(state, data, key))
        spent.append(time.perf_counter() - begun)
    state = grid_refresh.refresh_whole_grid(run.nerf, state, key)
    rays_per_call = fit.batch_rays * fit.steps_per_call
    return quality(run, state) | {"rays/s": rays_per_call / statistics.median(spent)}


def quality(run: SimpleNamespace, state: training.TrainState) -> dict[str, float]:
    """PSNR and depth errors on the test frames, as in the rows of a run."""
    camera, frames = run.scene.intrinsics, run.scene.test
    shown = surface.build(
        surface.make_encoder(run.nerf, samples=1, gap=run.surface.gap),
        state.params,
        state.grid,
        frames.world_from_cam,
        intrinsics=camera,
        pixel_offset=run.scene.pixel_offset,
        t_max=run.surface.t_max,
        chunk=min(run.surface.render_chunk, camera.width * camera.height),
        mesh=run.mesh,
    )
    return image_quality.geometry_metrics(
        shown.arrays["rgb"].reshape(frames.rgb.shape),
        frames.rgb,
        shown.arrays["depth_z"].reshape(frames.rgb.shape[:3]),
        run.truth.test_depth_z,
    )


def main(argv: list[str]) -> None:
    """Runs the three and prints a table."""
    del argv
    results = {
        "default, depth": measure(parts()),
        "default, no depth": measure(parts(use_depth=False)),
        "published MLP": measure(parts("paper")),
    }
    paper = results["published MLP"]["rays/s"]
    print(f"{'field':20s} {'rays/s':>10s} {'ratio':>7s} {'PSNR':>6s} {'depth':>8s}")
    for name, row in results.items():
        print(
            f"{name:20s} {row['rays/s']:10.0f} {row['rays/s'] / paper:7.1f}"
            f" {row['psnr']:6.2f} {row['depth_median_m']:7.3f}m"
        )


if __name__ == "__main__":
    app.run(main)
