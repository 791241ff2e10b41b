"""Pools of candidates in a box room, and a made-up model's predictions of them.

Predictions are a function of where a candidate lies, not of its row, so that a pool can
be put in another order.
"""

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from alsem.acquisition import CUES, Cues, make_candidates
from alsem.acquisition.candidates import weighted_coordinates
from alsem.core.types import Posterior

KEY = jax.random.key(7)
C, D, K, G = 5, 16, 3, 2  # classes, embedding, members, groups of frames


def candidates_at(
    x_world: ArrayLike,
    *,
    normal: ArrayLike = 0.0,
    diffuse: ArrayLike = 0.5,
    frame: ArrayLike = 0,
    purity: ArrayLike = 1.0,
    voxel_size=0.1,
):
    """Candidates at ``[n 3]`` points; a single value stands for all of them."""
    x_world = np.asarray(x_world, np.float32)
    return make_candidates(
        x_world,
        np.broadcast_to(normal, x_world.shape),
        np.broadcast_to(diffuse, x_world.shape),
        np.broadcast_to(frame, len(x_world)),
        np.broadcast_to(purity, len(x_world)),
        voxel_size=voxel_size,
        min_purity=0.5,
    )


def room(n=1000, *, seed=0, voxel_size=0.1, invalid=0.1):
    """Candidates on the six faces of a box 4 m wide, seen by 12 frames."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(0.0, 4.0, (n, 3))
    axis, side = rng.integers(0, 3, n), rng.integers(0, 2, n)
    x[np.arange(n), axis] = 4.0 * side + rng.normal(0, 0.005, n)
    normal = np.zeros((n, 3), np.float32)
    normal[np.arange(n), axis] = 1.0 - 2.0 * side
    return candidates_at(
        x,
        normal=normal,
        diffuse=rng.random((n, 3), dtype=np.float32),
        frame=rng.integers(0, 12, n),
        purity=np.where(rng.random(n) < invalid, 0.2, 0.6 + 0.4 * rng.random(n)),
        voxel_size=voxel_size,
    )


def rows(candidates, index):
    """The same candidates in another order, or padded with index -1 (not valid)."""
    return candidates_at(
        candidates.x_world[index],
        normal=candidates.normal[index],
        diffuse=candidates.diffuse[index],
        frame=candidates.frame[index],
        purity=np.where(index >= 0, candidates.purity[index], np.uint8(0)),
        voxel_size=candidates.voxel_size,
    )


def model_inputs(candidates):
    """Inputs of the made-up model for all candidates, ``[n 9]``."""
    ids = np.arange(len(candidates))
    x = weighted_coordinates(candidates, ids, normal_metres=1.0, diffuse_metres=1.0)
    return (x - 1.0).astype(np.float32)


_SHAPES = {"embed": (9, D), "members": (K, D, C), "groups": (G, D, C)}
_rng = np.random.default_rng(2)
WEIGHTS = {part: _rng.normal(size=s).astype(np.float32) for part, s in _SHAPES.items()}


def _posterior(probs, view_probs, embedding, gain):
    nowhere = jnp.zeros((*gain.shape, 3))
    return Posterior(
        probs=probs,
        view_probs=view_probs,
        embedding=embedding,
        x_world=nowhere,
        normal=nowhere,
        diffuse=nowhere,
        distance=nowhere[..., 0],
        purity=nowhere[..., 0],
        gain=gain,
    )


def posterior_of(params, inputs):
    """Posterior of model inputs, leading axis ``r``."""
    embedding = jax.nn.relu(inputs @ params["embed"])
    probs, view_probs = (
        jax.nn.softmax(jnp.einsum("rd,kdc->rkc", embedding, params[part]))
        for part in ("members", "groups")
    )
    return _posterior(probs, view_probs, embedding, jnp.asarray(inputs[:, 0]))


_predict = jax.jit(posterior_of)


def predictions_in(candidates):
    """Function of ids to their posterior, as steps are given it."""
    pool = jax.tree.map(np.asarray, _predict(WEIGHTS, model_inputs(candidates)))
    return lambda ids: take(pool, ids)


def one(probs, *, view_probs=(), gain=0.0):
    """Posterior of one candidate."""
    probs = jnp.asarray(probs, jnp.float32)
    views = jnp.asarray(view_probs, jnp.float32).reshape(-1, probs.shape[-1])
    return _posterior(probs, views, jnp.zeros(D), jnp.float32(gain))


NO_PREDICTION = jax.tree.map(lambda _: None, one(np.ones((K, C))))

GROUPS = {
    group: [name for name, cue in CUES.items() if cue.group == group]
    for group in ("views", "classes", "labels")
}


def cues_of(classes=C, *, without=(), **changes):
    """Cues of one candidate, all 0 but for the changes."""
    values = {}
    for name, cue in CUES.items():
        dtype = np.int32 if name in ("frame", "num_views") else np.float32
        shape = (classes,) if cue.per == "class" or name == "view_mean_log" else ()
        value = np.asarray(changes.get(name, 0), dtype)
        values[name] = jnp.asarray(np.broadcast_to(value, shape))
    return Cues({name: value for name, value in values.items() if name not in without})


def all_cues(candidates):
    """Made-up cues ``[n]`` (NumPy) of candidates, each in its range."""
    n, rng = len(candidates), np.random.default_rng(3)
    highest = {"view_distance": 5, "variation": 1 / 3, "label_feature_distance": 30}
    values = {
        name: rng.random((n, C) if cue.per == "class" else n, np.float32)
        * np.float32(highest.get(name, 1))
        for name, cue in CUES.items()
    }
    four_views = rng.dirichlet(np.ones(C), (n, 4))
    values |= {
        "frame": candidates.frame,
        "num_views": rng.integers(1, 9, n).astype(np.int32),
        "purity": candidates.purity / np.float32(255),
        "view_mean_log": np.log(four_views).mean(axis=1).astype(np.float32),
    }
    return Cues(values)


def take(tree, index):
    return jax.tree.map(lambda leaf: leaf[index], tree)
