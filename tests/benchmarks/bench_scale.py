"""Scores and selects from a pool as large as a full Replica training set.

Run: python tests/benchmarks/bench_scale.py --folder=DIR [--frames=180] [--members=1]

A procedural room is rendered at 320 x 240; its surface cache is written from the
frames' own colour and depth, so that no field has to be fitted first. Then one round is
done with random heads: pool and geometric cues, the cues of the strategy, a score for
every ray, and the selection of the queries. Prints seconds and peak memory of each.
"""

import argparse
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import tiny

from alsem import surface
from alsem.acquisition import STRATEGIES
from alsem.active.labelled_rays import LabelledRays, RoundLabels
from alsem.active.model import Model
from alsem.active.pixel_data import depth_normals
from alsem.active.pool import open_pool
from alsem.active.predict import Predictor
from alsem.active.score_pool import PoolScorer
from alsem.annotation import Totals
from alsem.core import progress, rng
from alsem.core.types import frame_cameras
from alsem.data import Scene
from alsem.nerf.cameras import pool_rays
from alsem.runs import config_files

FEATURES = 15


def write_cache(scene: Scene, t_max: float, folder: Path) -> surface.SurfaceCache:
    """The surface that the depth images show, in a cache's compact types."""
    frames, camera = scene.train, scene.intrinsics
    views = frame_cameras(frames.world_from_cam, camera, scene.pixel_offset)
    rays_of = jax.jit(lambda ids: pool_rays(ids, views))
    draw = np.random.default_rng(0)
    waves = draw.normal(0, 2.0, (3, FEATURES)).astype(np.float32)

    def encode(frame: int) -> dict[str, np.ndarray]:
        per_frame = camera.width * camera.height
        rays = rays_of(jnp.arange(per_frame, dtype=jnp.int32) + frame * per_frame)
        depth_z = frames.depth_z[frame].reshape(-1)
        t = depth_z / np.asarray(rays.z_scale)
        x = np.asarray(rays.origins) + np.asarray(rays.directions) * t[:, None]
        normal = depth_normals(
            frames.depth_z[frame], frames.world_from_cam[frame], scene
        )

        def twice(values):  # the second place of a ray, of no weight
            return np.stack([values, values], axis=1)

        return {
            "t": twice(np.round(t / t_max * 65535).astype(np.uint16)),
            "weight": np.tile(np.array([255, 0], np.uint8), (len(t), 1)),
            "normal": twice(normal.reshape(-1, 3)),
            "diffuse": twice(frames.rgb[frame].reshape(-1, 3)),
            "feature": twice(np.sin(x @ waves).astype(np.float16)),
            "rgb": frames.rgb[frame].reshape(-1, 3),
            "depth_z": depth_z.astype(np.float32),
        }

    folder.mkdir(parents=True, exist_ok=True)
    count, per_frame = len(frames.names), camera.width * camera.height
    arrays: dict[str, np.ndarray] = {}
    for frame in range(count):
        for name, value in encode(frame).items():
            if name not in arrays:
                arrays[name] = np.lib.format.open_memmap(
                    folder / f"{name}.npy",
                    mode="w+",
                    dtype=value.dtype,
                    shape=(count * per_frame, *value.shape[1:]),
                )
            arrays[name][frame * per_frame : (frame + 1) * per_frame] = value
    return surface.SurfaceCache(
        arrays, frames.world_from_cam, camera, scene.pixel_offset, t_max
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--frames", type=int, default=180)
    parser.add_argument("--members", type=int, default=1)
    parser.add_argument("--queries", type=int, default=10_000)
    parser.add_argument("--strategies", default="entropy,view_divergence,geometry")
    args = parser.parse_args()
    for name in args.strategies.split(","):
        run(args, name)


def run(args, name: str) -> None:
    config = config_files.load("configs/room.py")
    config.data.room.width, config.data.room.height = 320, 240
    config.data.room.train_frames, config.data.room.test_frames = args.frames, 2
    config.active.strategy = name
    config.model.members, config.model.view_members = args.members, 0
    made = tiny.parts(config, args.folder / "run")
    heads, num_classes = made.heads[-1], len(made.scene.class_names)
    cache = write_cache(made.scene, made.surface.t_max, args.folder / "surface")
    predictor = Predictor(
        heads, feature_dim=FEATURES, mesh=made.mesh, chunk=config.surface.score_chunk
    )
    params = jax.tree.map(
        lambda leaf: 0.3 * jax.random.normal(jax.random.key(leaf.size), leaf.shape),
        predictor.zero_heads(),
    )
    model = Model(
        state=None, heads=params, policy=None, train_cache=cache, test_cache=cache
    )  # pyright: ignore[reportArgumentType]
    scorer = PoolScorer(predictor, num_classes=num_classes)
    queried = np.random.default_rng(1).integers(0, cache.num_rays, 2000)
    ones, none = np.ones(num_classes, np.int64), np.zeros(0, np.int32)
    labels = RoundLabels(
        all=LabelledRays(none, none),
        new=LabelledRays(none, none),
        queried_units=queried,
        queried_pixels=queried,
        pixels_per_class=ones,
        answers_per_class=ones,
        totals=Totals(0, 0, 0, 0.0),
    )
    strategy = STRATEGIES[name]
    key = rng.run_key(0, "bench")

    def stage(what, work):
        begun = time.perf_counter()
        result = work()
        seconds = time.perf_counter() - begun
        rate = cache.num_rays / seconds / 1e6
        memory = progress.peak_rss_mb() / 1024
        print(
            f"{name:16s} {what:8s} {seconds:7.2f} s  {rate:6.2f} M/s"
            f"  peak {memory:.2f} GiB",
            flush=True,
        )
        return result

    print(f"{cache.num_rays / 1e6:.1f} million candidates, {name}")
    pool = stage("pool", lambda: open_pool(cache, made.scene.train, made.pool))
    cues = stage("cues", lambda: scorer.cues(strategy.needs, model, pool, labels))
    scores = stage("score", lambda: scorer.score(strategy, key, model, pool, cues))
    stage(
        "select",
        lambda: strategy.select(
            key,
            strategy.combined(scores.values, pool.candidates),
            pool.table,
            queried,
            num=args.queries,
        ),
    )


if __name__ == "__main__":
    main()
