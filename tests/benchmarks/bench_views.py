r"""How fast views of one place are compared: against NumPy, PyTorch and pixel pairs.

    python tests/benchmarks/bench_views.py --dir=DIR --scene=NAME [--surface=FOLDER]

Scores a pool by entropy, view entropy, view divergence and visibility, given the
posterior, three times with the same inputs: as alsem does, in plain NumPy, and in
PyTorch if it is installed. What depends on geometry alone (voxels, counts of views,
orders) is given to all three. Then compares with the exact twin, which projects every
candidate into every view, by time and by Spearman's rank correlation.

The geometry is the capture's depth, or what a fit renders if the folder of its
surface cache is given. The posterior is made up: a smooth random function of the
place, and noise of every view's own.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import app, flags
from scipy.stats import spearmanr

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from alsem.acquisition import candidates as pools
from alsem.acquisition.cues import multiview, multiview_exact
from alsem.acquisition.cues.depth_consistency import Cameras
from alsem.acquisition.cues.groups import geometry_cues, view_cues
from alsem.core.mesh import make_mesh
from alsem.core.types import frame_cameras
from alsem.data import open_capture
from alsem.nerf import cameras

try:
    import torch
except ModuleNotFoundError:
    torch = None

_DIR = flags.DEFINE_string("dir", "", "Folder of scenes.")
_SCENE = flags.DEFINE_string("scene", "", "Scene.")
_TRAIN = flags.DEFINE_string("train_split", "Sequence_1[::3]", "The pool.")
_TEST = flags.DEFINE_string("test_split", "Sequence_2[::30]", "Not used.")
_DOWNSCALE = flags.DEFINE_integer("downscale", 2, "Of the capture's images.")
_SURFACE = flags.DEFINE_string("surface", "", "Folder of a surface cache's arrays.")
_VOXEL = flags.DEFINE_float("voxel_size", 0.05, "Metres.")
_CLASSES = flags.DEFINE_integer("classes", 20, "Classes of the made-up posterior.")
_REPEATS = flags.DEFINE_integer("repeats", 15, "Of every measurement but the exact.")

FLOOR = 1e-12
CHUNK = 4  # views scored at once
SORTED = ("order", "start", "count", "pair_voxel")


def open_pool() -> tuple[pools.Candidates, Cameras]:
    """Candidates and cameras of the capture."""
    scene, _ = open_capture(
        dir=_DIR.value,
        scene=_SCENE.value,
        downscale=_DOWNSCALE.value,
        train_split=_TRAIN.value,
        test_split=_TEST.value,
    )
    frames, camera = scene.train, scene.intrinsics
    shape = frames.rgb.shape[:3]
    depth_z, purity = frames.depth_z, np.full(np.prod(shape), 255, np.uint8)
    if _SURFACE.value:
        folder = Path(_SURFACE.value)
        depth_z = np.load(folder / "depth_z.npy", mmap_mode="r").reshape(shape)
        purity = np.load(folder / "weight.npy")[:, 0]
    assert depth_z is not None, "the capture has no depth: give --surface"
    rays_of = jax.jit(cameras.pool_rays)
    x_world = np.empty((*shape, 3), np.float32)
    per_frame = camera.width * camera.height
    poses = frames.world_from_cam
    views = frame_cameras(poses, camera, scene.pixel_offset)
    for i in range(len(poses)):
        pixel = jnp.arange(per_frame, dtype=jnp.int32) + i * per_frame
        rays = rays_of(pixel, views)
        distance = jnp.asarray(depth_z[i]).reshape(-1) / rays.z_scale
        x_world[i] = (rays.origins + rays.directions * distance[:, None]).reshape(
            x_world[i].shape
        )
    candidates = pools.make_candidates(
        x_world.reshape(-1, 3),
        np.zeros((len(purity), 3), np.int8),
        frames.rgb.reshape(-1, 3),
        np.repeat(np.arange(len(poses), dtype=np.int32), per_frame),
        np.where(np.asarray(depth_z).reshape(-1) > 0, purity, 0).astype(np.uint8),
        voxel_size=_VOXEL.value,
        min_purity=0.3,
    )
    return candidates, Cameras(
        frames.world_from_cam, camera, scene.pixel_offset, depth_z
    )


def made_up_probs(candidates: pools.Candidates, num_classes: int) -> np.ndarray:
    """Probabilities float32 ``[n c]``: a function of the place, and views' noise."""
    rng = np.random.default_rng(0)
    where = np.where(candidates.is_valid[:, None], candidates.x_world, 0.0)
    wave = np.sin(where @ rng.normal(0, 3, (3, 64)) + rng.uniform(0, 6.3, 64))
    logits = wave @ rng.normal(0, 0.5, (64, num_classes))
    # What a view gets wrong it gets wrong about a whole region.
    own = rng.normal(0, 1.5, (int(candidates.frame.max()) + 1, 8, num_classes))
    region = np.sin(where @ rng.normal(0, 2, (3, 8)) + rng.uniform(0, 6.3, 8))
    logits += np.einsum("nk,nkc->nc", region, own[candidates.frame])
    logits += rng.normal(0, 0.3, logits.shape)
    raw = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return (raw / raw.sum(axis=-1, keepdims=True)).astype(np.float32)


def ours(probs: np.ndarray, given: dict[str, Any]) -> Callable[[], np.ndarray]:
    """As alsem does: views one by one, then scores a few at a time, all in XLA."""
    mesh = make_mesh(1)
    num_views = jnp.asarray(given["num_views"])
    frames = [
        (jnp.asarray(p), jnp.asarray(voxel))
        for p, voxel in zip(probs, given["voxel"], strict=True)
    ]
    chunks = [
        jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *frames[i : i + CHUNK])
        for i in range(0, len(frames), CHUNK)
    ]

    @jax.jit
    def score(probs, voxel, means):
        divergence = multiview.divergence(probs, means["view_mean_log"][voxel])
        seen = num_views[voxel].astype(jnp.float32)
        uncertain = multiview.entropy(probs) + means["view_entropy"][voxel]
        return (uncertain + divergence) * seen / (seen + 2.0)

    def run() -> np.ndarray:
        sums = multiview.init_sums(len(num_views) - 1, probs.shape[-1], mesh=mesh)
        for p, voxel in frames:
            sums = multiview.accumulate(sums, p, voxel, mesh=mesh)
        means = view_cues(sums, mesh=mesh)
        parts = [score(p, voxel, means) for p, voxel in chunks]
        return np.concatenate([np.asarray(part) for part in parts])

    return run


def with_numpy(probs: np.ndarray, given: dict[str, Any]) -> Callable[[], np.ndarray]:
    """The same in plain NumPy; rays sorted by voxel once, for ``reduceat``."""
    num_views = given["num_views"].astype(np.float32)
    rows, num_classes = len(num_views), probs.shape[-1]

    def run() -> np.ndarray:
        logs = np.zeros((rows, num_classes), np.float32)
        means = np.zeros((rows, num_classes), np.float32)
        for p, order, start, count, pair_voxel in zip(
            probs, *(given[name] for name in SORTED), strict=True
        ):
            mean = np.add.reduceat(p[order], start, axis=0)
            mean *= 1.0 / count[:, None]
            # A view has a voxel once: no two rows meet.
            means[pair_voxel] += mean
            logs[pair_voxel] += np.log(np.maximum(mean, FLOOR, out=mean), out=mean)
        fraction = 1.0 / np.maximum(num_views, 1.0)[:, None]
        logs *= fraction
        means *= fraction
        logs[-1] = means[-1] = 0.0
        view_entropy = -np.einsum("vc,vc->v", means, np.log(np.maximum(means, FLOOR)))
        parts = []
        for p, voxel in zip(probs, given["voxel"], strict=True):
            log_p = np.maximum(p, FLOOR)
            own = np.einsum("rc,rc->r", p, np.log(log_p, out=log_p))
            cross = np.einsum("rc,rc->r", p, logs[voxel])
            divergence = np.maximum(own - cross, 0.0)
            uncertain = np.maximum(-own, 0.0) + view_entropy[voxel]
            seen = num_views[voxel]
            parts.append((uncertain + divergence) * seen / (seen + 2.0))
        return np.concatenate(parts)

    return run


def with_torch(probs: np.ndarray, given: dict[str, Any]) -> Callable[[], np.ndarray]:
    """The same in PyTorch: rays added into their place among the view's voxels."""
    assert torch is not None
    num_views = torch.from_numpy(given["num_views"].astype(np.float32))
    all_probs = torch.from_numpy(probs)
    voxels = torch.from_numpy(given["voxel"]).long() % len(num_views)
    ranks = [torch.from_numpy(rank) for rank in given["rank"]]
    pairs = [torch.from_numpy(pair) for pair in given["pair_voxel"]]
    counts = [torch.from_numpy(count) for count in given["count"]]
    rows, num_classes = len(num_views), probs.shape[-1]

    def run() -> np.ndarray:
        logs = torch.zeros(rows, num_classes)
        means = torch.zeros(rows, num_classes)
        for p, rank, pair, count in zip(all_probs, ranks, pairs, counts, strict=True):
            mean = torch.zeros(len(pair), num_classes).index_add_(0, rank, p)
            mean /= count[:, None]
            means.index_add_(0, pair, mean)
            logs.index_add_(0, pair, mean.clamp_(min=FLOOR).log_())
        fraction = 1.0 / num_views.clamp(min=1.0)[:, None]
        logs *= fraction
        means *= fraction
        logs[-1] = means[-1] = 0.0
        view_entropy = -(means * means.clamp(min=FLOOR).log_()).sum(-1)
        parts = []
        for p, voxel in zip(all_probs, voxels, strict=True):
            own = (p * p.clamp(min=FLOOR).log_()).sum(-1)
            cross = (p * logs[voxel]).sum(-1)
            divergence = (own - cross).clamp_(min=0.0)
            uncertain = (-own).clamp_(min=0.0) + view_entropy[voxel]
            seen = num_views[voxel]
            parts.append((uncertain + divergence) * seen / (seen + 2.0))
        return torch.cat(parts).numpy()

    return run


def what_geometry_gives(voxel: np.ndarray, num_views: np.ndarray) -> dict[str, Any]:
    """Orders and counts of every frame's voxels ``[f r]``."""
    given: dict[str, Any] = {"voxel": voxel, "num_views": num_views, "rank": []}
    given |= {name: [] for name in SORTED}
    for row in voxel % len(num_views):
        order = np.argsort(row, kind="stable")
        pair, start, rank, count = np.unique(
            row[order], return_index=True, return_inverse=True, return_counts=True
        )
        back = np.empty_like(rank)
        back[order] = rank
        parts = (order, start, count.astype(np.float32), pair.astype(np.int64))
        for name, part in zip(SORTED, parts, strict=True):
            given[name].append(part)
        given["rank"].append(back)
    return given


def shortest(run: Callable[[], Any], *, repeats: int) -> float:
    """Seconds of the least disturbed of some calls; the first is not counted."""
    run()
    spent = []
    for _ in range(repeats):
        begun = time.perf_counter()
        run()
        spent.append(time.perf_counter() - begun)
    return min(spent)


def main(argv: list[str]) -> None:
    """Measures all and prints a table."""
    del argv
    candidates, views_of_pool = open_pool()
    probs = made_up_probs(candidates, _CLASSES.value)
    by_frame = (len(views_of_pool), -1)
    begun = time.perf_counter()
    tables = geometry_cues(candidates, views_of_pool)
    static = time.perf_counter() - begun
    given = what_geometry_gives(candidates.voxel.reshape(by_frame), tables["num_views"])
    split = probs.reshape(*by_frame, probs.shape[-1])
    runs = {"alsem": ours(split, given), "NumPy": with_numpy(split, given)}
    if torch is not None:
        runs["PyTorch"] = with_torch(split, given)
    print(
        f"{len(candidates)} candidates of {len(views_of_pool)} views in"
        f" {candidates.num_voxels} voxels, {probs.shape[-1]} classes;"
        f" geometric cues, once: {static:.2f} s"
    )
    expected = runs["NumPy"]()
    spent = {}
    for name, run in runs.items():
        np.testing.assert_allclose(run(), expected, rtol=1e-3, atol=1e-4)
        spent[name] = shortest(run, repeats=_REPEATS.value)
        print(
            f"{name:8s} {spent[name]:7.3f} s {len(candidates) / spent[name]:12.0f}"
            f" candidates/s  alsem is {spent[name] / spent['alsem']:.2f}x as fast"
        )
    compare_with_pairs(candidates, views_of_pool, probs, given, spent["alsem"])


def compare_with_pairs(
    candidates: pools.Candidates,
    views_of_pool: Cameras,
    probs: np.ndarray,
    given: dict[str, Any],
    fast: float,
) -> None:
    """Prints time and rank correlation of the exact twin's statistics."""
    mesh = make_mesh(1)
    found = multiview_exact.exact_views(candidates, views_of_pool, probs)
    slow = shortest(
        lambda: multiview_exact.exact_views(candidates, views_of_pool, probs), repeats=2
    )
    print(f"exact    {slow:7.3f} s: {slow / fast:.0f} times as long")
    sums = multiview.init_sums(candidates.num_voxels, probs.shape[-1], mesh=mesh)
    for p, voxel in zip(
        probs.reshape(len(views_of_pool), -1, probs.shape[-1]),
        given["voxel"],
        strict=True,
    ):
        sums = multiview.accumulate(sums, p, voxel, mesh=mesh)
    means = jax.tree.map(np.asarray, view_cues(sums, mesh=mesh))
    tables = geometry_cues(candidates, views_of_pool)
    valid = candidates.is_valid
    voxel = candidates.voxel[valid]
    pairs = {
        "view entropy": (means["view_entropy"][voxel], found.cues["view_entropy"]),
        "view divergence": (
            multiview.divergence(
                jnp.asarray(probs[valid]), jnp.asarray(means["view_mean_log"][voxel])
            ),
            multiview.divergence(
                jnp.asarray(probs), jnp.asarray(found.cues["view_mean_log"][:-1])
            ),
        ),
        "views": (tables["num_views"][voxel], found.num_views),
        "consistency": (tables["consistency"][voxel], found.consistency),
    }
    for name, (ours_here, theirs) in pairs.items():
        theirs = np.asarray(theirs)[: len(valid)][valid]
        rho = spearmanr(np.asarray(ours_here), theirs).statistic
        print(f"{name:16s} rank correlation {rho:.3f}")


if __name__ == "__main__":
    app.run(main)
