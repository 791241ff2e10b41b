r"""How fast views of one place are compared: against NumPy, PyTorch and pixel pairs.

    python tests/benchmarks/bench_views.py --dir=DIR --scene=NAME

Scores a pool by entropy, view entropy, view divergence and visibility, given the
posterior, three times with the same inputs: as alsem does, in plain NumPy, and in
PyTorch if it is installed. What depends on geometry alone (voxels, counts of views,
orders) is given to all three. Then compares with the exact twin, which projects every
candidate into every view, by time and by Spearman's rank correlation.

The geometry is the capture's depth. The posterior is made up: a smooth random function
of the place, and noise of every view's own.
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
from bench_scale import depth_cache
from scipy.special import softmax
from scipy.stats import spearmanr

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import tiny
from view_pools import divergence_of, gather_views

from alsem.acquisition import view_cues
from alsem.acquisition.candidates import Candidates
from alsem.acquisition.cues import multiview, multiview_exact
from alsem.active.pool import Pool, open_pool
from alsem.core.mesh import make_mesh
from alsem.runs import config_files

try:
    import torch
except ModuleNotFoundError:
    torch = None

_DIR = flags.DEFINE_string("dir", "", "Folder of scenes.")
_SCENE = flags.DEFINE_string("scene", "", "Scene.")
_TRAIN = flags.DEFINE_string("train_split", "Sequence_1[::3]", "The pool.")
_TEST = flags.DEFINE_string("test_split", "Sequence_2[::30]", "Not used.")
_DOWNSCALE = flags.DEFINE_integer("downscale", 2, "Of the capture's images.")
_CLASSES = flags.DEFINE_integer("classes", 20, "Classes of the made-up posterior.")
_REPEATS = flags.DEFINE_integer("repeats", 15, "Of every measurement but the exact.")

FLOOR = 1e-12
CHUNK = 4  # views scored at once


def pool_of_capture() -> Pool:
    config: Any = config_files.load("configs/replica.py")
    config.data.dir, config.data.scene = _DIR.value, _SCENE.value
    config.data.train_split, config.data.test_split = _TRAIN.value, _TEST.value
    config.data.downscale = _DOWNSCALE.value
    made = tiny.parts(config, Path("runs/bench"))
    return open_pool(depth_cache(made), made.scene.train, made.pool)


def made_up_probs(candidates: Candidates, num_classes: int) -> np.ndarray:
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
    return softmax(logits, axis=-1).astype(np.float32)


def ours(probs: np.ndarray, voxel: np.ndarray, num_views: np.ndarray):
    """As alsem does: views one by one, then scores a few at a time, all in XLA."""
    mesh = make_mesh(1)
    views_per_voxel = jnp.asarray(num_views)
    frames = [
        (jnp.asarray(p), jnp.asarray(v)) for p, v in zip(probs, voxel, strict=True)
    ]
    chunks = [
        jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *frames[i : i + CHUNK])
        for i in range(0, len(frames), CHUNK)
    ]

    @jax.jit
    def score(probs, voxel, means):
        divergence = multiview.divergence(probs, means["view_mean_log"][voxel])
        seen = views_per_voxel[voxel].astype(jnp.float32)
        uncertain = multiview.entropy(probs) + means["view_entropy"][voxel]
        return (uncertain + divergence) * seen / (seen + 2.0)

    def run() -> np.ndarray:
        sums = multiview.init_sums(len(num_views) - 1, probs.shape[-1], mesh=mesh)
        for p, v in frames:
            sums = multiview.accumulate(sums, p, v, mesh=mesh)
        means = view_cues(sums, mesh=mesh)
        parts = [score(p, v, means) for p, v in chunks]
        return np.concatenate([np.asarray(part) for part in parts])

    return run


def voxels_of_views(voxel: np.ndarray) -> list[tuple[np.ndarray, ...]]:
    """Of each view its voxels, how many rays each has, and each ray's voxel."""
    found = (np.unique(v, return_counts=True, return_inverse=True) for v in voxel)
    return [(at, count, rank) for at, rank, count in found]


def with_numpy(probs: np.ndarray, voxel: np.ndarray, num_views: np.ndarray):
    """The same in plain NumPy; rays sorted by voxel once, for ``reduceat``."""
    views = []
    for at, count, rank in voxels_of_views(voxel):
        start = np.cumsum(count) - count
        views.append((at, count, np.argsort(rank, kind="stable"), start))
    num_views = num_views.astype(np.float32)
    fraction = 1.0 / np.maximum(num_views, 1.0)[:, None]

    def run() -> np.ndarray:
        logs = np.zeros((len(num_views), probs.shape[-1]), np.float32)
        means = np.zeros_like(logs)
        for p, (at, count, order, start) in zip(probs, views, strict=True):
            mean = np.add.reduceat(p[order], start, axis=0)
            mean *= (1.0 / count.astype(np.float32))[:, None]
            # A view has a voxel once: no two rows meet.
            means[at] += mean
            logs[at] += np.log(np.maximum(mean, FLOOR, out=mean), out=mean)
        logs *= fraction
        means *= fraction
        logs[-1] = means[-1] = 0.0
        view_entropy = -np.einsum("vc,vc->v", means, np.log(np.maximum(means, FLOOR)))
        parts = []
        for p, v in zip(probs, voxel, strict=True):
            log_p = np.maximum(p, FLOOR)
            own = np.einsum("rc,rc->r", p, np.log(log_p, out=log_p))
            divergence = np.maximum(own - np.einsum("rc,rc->r", p, logs[v]), 0.0)
            uncertain = np.maximum(-own, 0.0) + view_entropy[v]
            seen = num_views[v]
            parts.append((uncertain + divergence) * seen / (seen + 2.0))
        return np.concatenate(parts)

    return run


def with_torch(probs: np.ndarray, voxel: np.ndarray, num_views: np.ndarray):
    """The same in PyTorch: rays added into their place among the view's voxels."""
    assert torch is not None
    views_per_voxel = torch.from_numpy(num_views.astype(np.float32))
    all_probs, voxels = torch.from_numpy(probs), torch.from_numpy(voxel).long()
    views = [
        [torch.from_numpy(array) for array in view] for view in voxels_of_views(voxel)
    ]
    fraction = 1.0 / views_per_voxel.clamp(min=1.0)[:, None]

    def run() -> np.ndarray:
        logs = torch.zeros(len(num_views), probs.shape[-1])
        means = torch.zeros_like(logs)
        for p, (at, count, rank) in zip(all_probs, views, strict=True):
            mean = torch.zeros(len(at), p.shape[-1]).index_add_(0, rank, p)
            mean /= count[:, None]
            means.index_add_(0, at, mean)
            logs.index_add_(0, at, mean.clamp_(min=FLOOR).log_())
        logs *= fraction
        means *= fraction
        logs[-1] = means[-1] = 0.0
        view_entropy = -(means * means.clamp(min=FLOOR).log_()).sum(-1)
        parts = []
        for p, v in zip(all_probs, voxels, strict=True):
            own = (p * p.clamp(min=FLOOR).log_()).sum(-1)
            divergence = (own - (p * logs[v]).sum(-1)).clamp_(min=0.0)
            uncertain = (-own).clamp_(min=0.0) + view_entropy[v]
            seen = views_per_voxel[v]
            parts.append((uncertain + divergence) * seen / (seen + 2.0))
        return torch.cat(parts).numpy()

    return run


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
    pool = pool_of_capture()
    candidates, num_views = pool.candidates, pool.cues["num_views"]
    probs = made_up_probs(candidates, _CLASSES.value)
    by_frame = (len(pool.cameras), -1)
    views = probs.reshape(*by_frame, probs.shape[-1])
    voxel = candidates.voxel.reshape(by_frame) % len(num_views)  # -1: the last row
    ways = {"alsem": ours, "NumPy": with_numpy}
    if torch is not None:
        ways["PyTorch"] = with_torch
    print(
        f"{len(candidates)} candidates of {len(pool.cameras)} views in"
        f" {candidates.num_voxels} voxels, {probs.shape[-1]} classes"
    )
    expected = with_numpy(views, voxel, num_views)()
    spent = {}
    for name, way in ways.items():
        run = way(views, voxel, num_views)
        np.testing.assert_allclose(run(), expected, rtol=1e-3, atol=1e-4)
        spent[name] = shortest(run, repeats=_REPEATS.value)
        print(
            f"{name:8s} {spent[name]:7.3f} s {len(candidates) / spent[name]:12.0f}"
            f" candidates/s  alsem is {spent[name] / spent['alsem']:.2f}x as fast"
        )
    compare_with_pairs(pool, probs, fast=spent["alsem"])


def compare_with_pairs(pool: Pool, probs: np.ndarray, *, fast: float) -> None:
    """Prints time and rank correlation of the exact twin's statistics."""
    candidates, by_frame = pool.candidates, (len(pool.cameras), -1)

    def exact() -> multiview_exact.ExactViews:
        found = multiview_exact.exact_views(candidates, pool.cameras, probs)
        return jax.block_until_ready(found)

    slow = shortest(exact, repeats=2)
    print(f"exact    {slow:7.3f} s: {slow / fast:.0f} times as long")
    means = gather_views(
        probs.reshape(*by_frame, probs.shape[-1]),
        candidates.voxel.reshape(by_frame),
        num_voxels=candidates.num_voxels,
    )
    ids = np.flatnonzero(candidates.is_valid)
    voxel, exact_cues = candidates.voxel[ids], exact()
    rows, pairs = exact_cues.cues, {}
    for name in ("num_views", "consistency"):
        pairs[name] = pool.cues[name][voxel], getattr(exact_cues, name)[ids]
    pairs["view entropy"] = means["view_entropy"][voxel], rows["view_entropy"][ids]
    pairs["view divergence"] = [
        divergence_of(probs[ids], mean_log)
        for mean_log in (means["view_mean_log"][voxel], rows["view_mean_log"][ids])
    ]
    for name, (by_voxel, by_pixel) in pairs.items():
        rho = spearmanr(by_voxel, np.asarray(by_pixel)).statistic
        print(f"{name:16s} rank correlation {rho:.3f}")


if __name__ == "__main__":
    app.run(main)
