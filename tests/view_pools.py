"""Made-up predictions of views, and their multi-view cues."""

import jax
import jax.numpy as jnp
import numpy as np

from alsem.acquisition import view_cues
from alsem.acquisition.cues import multiview
from alsem.core.mesh import batched, make_mesh

C = 5  # classes


def predictions_of(num, *, classes=C, seed=0):
    draw = np.random.default_rng(seed).normal(0, 2, (num, classes))
    raw = np.exp(draw - draw.max(axis=-1, keepdims=True))
    return (raw / raw.sum(axis=-1, keepdims=True)).astype(np.float32)


def gather_views(probs, voxel, *, num_voxels, devices=1):
    """Multi-view cues (NumPy) of views; ``probs`` [f r c], ``voxel`` [f r]."""
    mesh = make_mesh(devices)
    extra = -len(probs) % devices  # missing views are padding
    probs = np.pad(probs, ((0, extra), (0, 0), (0, 0)), constant_values=7.0)
    voxel = np.pad(voxel, ((0, extra), (0, 0)), constant_values=-1)
    sums = multiview.init_sums(num_voxels, probs.shape[-1], mesh=mesh)
    for i in range(0, len(probs), devices):
        together = probs[i : i + devices], voxel[i : i + devices]
        flat = (a.reshape(-1, *a.shape[2:]) for a in together)
        on_devices = jax.device_put(tuple(flat), batched(mesh))
        sums = multiview.accumulate(sums, *on_devices, mesh=mesh)
    return jax.tree.map(np.asarray, view_cues(sums, mesh=mesh))


def divergence_of(probs, mean_log):
    return np.asarray(multiview.divergence(jnp.asarray(probs), jnp.asarray(mean_log)))
