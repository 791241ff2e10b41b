"""Pools of candidates in a box room, and a made-up model's predictions of them.

Predictions are a function of where a candidate lies, not of its row, so that a pool can
be put in another order.
"""

import jax
import jax.numpy as jnp
import numpy as np

from alsem import acquisition
from alsem.acquisition import CUES, Cues
from alsem.acquisition.candidates import weighted_coordinates
from alsem.core.types import Posterior

KEY = jax.random.key(7)
C, D, K, G = 5, 16, 3, 2  # classes, embedding, members, groups of frames
# Differences of float32 probabilities; how they are rounded follows the chunk's size.
ROUNDING = 2e-6


def room(n=3000, *, seed=0, voxel_size=0.1, invalid=0.1):
    """Candidates on the six faces of a box 4 m wide, seen by 12 frames."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(0.0, 4.0, (n, 3))
    axis, side = rng.integers(0, 3, n), rng.integers(0, 2, n)
    x[np.arange(n), axis] = 4.0 * side + rng.normal(0, 0.005, n)
    normal = np.zeros((n, 3), np.float32)
    normal[np.arange(n), axis] = 1.0 - 2.0 * side
    return acquisition.make_candidates(
        x.astype(np.float32),
        normal,
        rng.random((n, 3), dtype=np.float32),
        rng.integers(0, 12, n).astype(np.int32),
        np.where(rng.random(n) < invalid, 0.2, 0.6 + 0.4 * rng.random(n)),
        voxel_size=voxel_size,
        min_purity=0.5,
    )


def rows(candidates, index):
    """The same candidates in another order, or padded with index -1 (not valid)."""
    there = index >= 0
    return acquisition.make_candidates(
        candidates.x_world[index],
        candidates.normal[index],
        candidates.diffuse[index],
        candidates.frame[index],
        np.where(there, candidates.purity[index], 0).astype(np.uint8),
        voxel_size=candidates.voxel_size,
        min_purity=0.5,
    )


def model_inputs(candidates, ids):
    """Inputs of the made-up model for candidates, ``[m 9]``."""
    x = weighted_coordinates(candidates, ids, normal_metres=1.0, diffuse_metres=1.0)
    return (x - x.dtype.type(1.0)).astype(np.float32)


def weights(seed=2):
    rng = np.random.default_rng(seed)
    return {
        "embed": rng.normal(size=(9, D)).astype(np.float32),
        "members": rng.normal(size=(K, D, C)).astype(np.float32),
        "groups": rng.normal(size=(G, D, C)).astype(np.float32),
    }


WEIGHTS = weights()


def posterior_of(params, inputs):
    """Posterior of model inputs, leading axis ``r``."""
    embedding = jax.nn.relu(inputs @ params["embed"])

    def probs(layers):
        return jax.nn.softmax(jnp.einsum("rd,kdc->rkc", embedding, layers), axis=-1)

    zeros = jnp.zeros_like(inputs[:, :3])
    return Posterior(
        probs=probs(params["members"]),
        view_probs=probs(params["groups"]),
        embedding=embedding,
        x_world=zeros,
        normal=zeros,
        diffuse=zeros,
        distance=zeros[:, 0],
        purity=zeros[:, 0],
        gain=jnp.asarray(inputs[:, 0]),
    )


def predictions_in(candidates):
    """Function of ids to their posterior, as steps are given it."""
    return lambda ids: jax.tree.map(
        np.asarray, posterior_of(WEIGHTS, model_inputs(candidates, ids))
    )


def one(probs, *, view_probs=(), gain=0.0):
    """Posterior of one candidate."""
    zero, probs = jnp.zeros(3), jnp.asarray(probs, jnp.float32)
    views = jnp.asarray(view_probs, jnp.float32).reshape(-1, probs.shape[-1])
    return Posterior(
        probs=probs,
        view_probs=views,
        embedding=jnp.zeros(D),
        x_world=zero,
        normal=zero,
        diffuse=zero,
        distance=jnp.zeros(()),
        purity=jnp.zeros(()),
        gain=jnp.float32(gain),
    )


NO_PREDICTION = jax.tree.map(lambda _: None, one(np.ones((K, C))))

GROUPS = {
    group: [name for name, cue in CUES.items() if cue.group == group]
    for group in ("views", "classes", "labels")
}
PER_CLASS = ("view_mean_log", "class_fraction", "class_weight", "label_fraction")
CLEAR = {
    "frame": 0,
    "num_views": 6,
    "coherence": 1.0,
    "purity": 1.0,
    "directions": 0.5,
    "view_distance": 2.0,
    "variation": 0.0,
    "gradient": 0.0,
    "consistency": 1.0,
    "view_entropy": 0.0,
    "view_mean_log": 0.0,
    "class_fraction": 0.2,
    "class_weight": 1.0,
    "label_fraction": 0.2,
    "label_distance": 1.0,
    "label_feature_distance": 1.0,
}


def cues_of(classes=C, *, without=(), **changes):
    """Cues of one candidate that is easy to see, but for the changes."""

    def value_of(name, value):
        if name in ("frame", "num_views"):
            return jnp.int32(value)
        shape = (classes,) if name in PER_CLASS else ()
        return jnp.broadcast_to(jnp.asarray(value, jnp.float32), shape)

    given = {n: v for n, v in (CLEAR | changes).items() if n not in without}
    return Cues({name: value_of(name, value) for name, value in given.items()})


def all_cues(candidates, *, seed=3):
    """Made-up cues ``[n]`` (NumPy) of candidates, each in its range."""
    n, rng = len(candidates), np.random.default_rng(seed)
    views = rng.dirichlet(np.ones(C), (n, 4))  # predictions of four views
    mean = views.mean(axis=1)

    def within(high):
        return rng.uniform(0.0, high, n).astype(np.float32)

    values = dict(
        frame=candidates.frame,
        num_views=rng.integers(1, 9, n).astype(np.int32),
        coherence=within(1),
        purity=candidates.purity / np.float32(255),
        directions=within(1),
        view_distance=within(5),
        variation=within(1 / 3),
        gradient=within(1),
        consistency=within(1),
        view_entropy=-np.sum(mean * np.log(mean), axis=-1).astype(np.float32),
        view_mean_log=np.log(views).mean(axis=1).astype(np.float32),
        class_fraction=np.full((n, C), 1 / C, np.float32),
        class_weight=np.broadcast_to(np.linspace(0.2, 1, C, dtype=np.float32), (n, C)),
        label_fraction=np.full((n, C), 1 / C, np.float32),
        label_distance=within(3),
        label_feature_distance=within(30),
    )
    return Cues(values)


def take(tree, index):
    return jax.tree.map(lambda leaf: leaf[index], tree)
