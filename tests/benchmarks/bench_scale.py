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
from alsem.active.pixel_data import pixel_data
from alsem.active.pool import open_pool
from alsem.active.predict import Predictor
from alsem.active.score_pool import PoolScorer
from alsem.annotation import Totals
from alsem.core import progress, rng
from alsem.nerf.cameras import pool_rays
from alsem.runs import config_files

FEATURES = 15


def depth_cache(made, folder: Path | None = None) -> surface.SurfaceCache:
    """The surface that the training frames' depth shows, of parts of a run."""
    waves = np.random.default_rng(0).normal(0, 2.0, (3, FEATURES)).astype(np.float32)

    @jax.jit
    def encode(params, pixel):
        images, _, cameras = params
        rays = pool_rays(pixel, cameras.frames)
        rgb, normal = (x.reshape(-1, 3)[pixel] for x in (images.rgb, images.normal))
        depth_z = images.depth_z.reshape(-1)[pixel]
        t = depth_z / rays.z_scale
        x_world = rays.origins + rays.directions * t[:, None]
        samples = {
            "t": jnp.round(t / cameras.t_max * 65535).astype(jnp.uint16),
            "normal": normal.astype(jnp.int8),
            "diffuse": rgb,
            "feature": jnp.sin(x_world @ waves).astype(jnp.float16),
        }
        twice = {name: jnp.stack([x, x], axis=1) for name, x in samples.items()}
        weight = jnp.tile(jnp.array([255, 0], jnp.uint8), (len(pixel), 1))
        return twice | {"weight": weight, "rgb": rgb, "depth_z": depth_z}

    camera = made.scene.intrinsics
    return surface.build(
        encode,
        pixel_data(made.scene.pool),
        None,
        made.scene.train.world_from_cam,
        intrinsics=camera,
        pixel_offset=made.scene.pixel_offset,
        t_max=made.surface.t_max,
        chunk=camera.width * camera.height,
        mesh=made.mesh,
        folder=folder,
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
    cache = depth_cache(made, args.folder / f"surface_{args.frames}")
    num_classes = len(made.scene.class_names)
    predictor = Predictor(
        made.heads[-1],
        cache=cache,
        mesh=made.mesh,
        chunk=config.surface.score_chunk,
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
    no_rays = LabelledRays(np.zeros(0, np.int32), np.zeros(0, np.int32))
    labels = RoundLabels(
        all=no_rays,
        new=no_rays,
        queried_units=queried,
        queried_pixels=queried,
        pixels_per_class=np.ones(num_classes, np.int64),
        answers_per_class=np.ones(num_classes, np.int64),
        totals=Totals(0, 0, 0, 0.0),
    )
    strategy, key = STRATEGIES[name], rng.run_key(0, "bench")

    def stage(what, function, *inputs, **options):
        begun = time.perf_counter()
        result = function(*inputs, **options)
        seconds = time.perf_counter() - begun
        print(
            f"{name:16s} {what:8s} {seconds:7.2f} s"
            f"  {cache.num_rays / seconds / 1e6:6.2f} M/s"
            f"  peak {progress.peak_rss_mb() / 1024:.2f} GiB",
            flush=True,
        )
        return result

    print(f"{cache.num_rays / 1e6:.1f} million candidates, {name}")
    pool = stage("pool", open_pool, cache, made.scene.train, made.pool)
    cues = stage("cues", scorer.cues, strategy.needs, model, pool, labels)
    scores = stage("score", scorer.score, strategy, key, model, pool, cues)
    combined = strategy.combined(scores.values, pool.candidates)
    inputs = (key, combined, pool.table, queried)
    stage("select", strategy.select, *inputs, num=args.queries)


if __name__ == "__main__":
    main()
