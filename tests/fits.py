"""Steps, states and data of small fits to the room of `tiny`."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import tiny

from alsem import surface, training
from alsem.core.types import SurfacePoints
from alsem.training.optimiser import Optimiser

KEY = jax.random.key(7)
PIXELS = tiny.TRAIN_FRAMES * tiny.WIDTH * tiny.HEIGHT
FEATURES = 7
ADAM = Optimiser(learning_rate=1e-2).build()
SGD = optax.sgd(1.0)


def field_params(experiment):
    return experiment.nerf.init(jax.random.key(0))


def init_grid(experiment):
    made = experiment.geometry
    return experiment.nerf.init_grid(made.low, made.high, made.near)


def head_params(experiment, heads=None):
    heads = heads or experiment.heads[-1]
    return heads.init(jax.random.key(3), surface_points(0.0, 1, 2))


def geometry_runner(experiment, mesh=None, steps_per_call=10):
    mesh = mesh or experiment.mesh
    step = training.make_geometry_step(
        experiment.nerf,
        ADAM,
        weight=experiment.geometry_loss,
        batch_rays=264,  # 33 on each of eight devices: a number of no other axis
        mesh=mesh,
    )
    return training.make_runner(step, steps_per_call=steps_per_call, mesh=mesh)


def geometry_state(experiment, num_steps=100):
    params, grid = field_params(experiment), init_grid(experiment)
    return training.init_state(params, ADAM, num_steps=num_steps, grid=grid)


def semantic_runner(experiment, mesh=None):
    mesh = mesh or experiment.mesh
    step = training.make_semantic_step(
        experiment.heads[-1],
        ADAM,
        decode=surface.decode,
        batch_rays=72,  # nine on each of eight devices
        mesh=mesh,
    )
    return training.make_runner(step, steps_per_call=10, mesh=mesh)


def semantic_state(experiment, num_steps=200):
    params = {"heads": head_params(experiment)}
    return training.init_state(params, ADAM, num_steps=num_steps)


def joint_step(experiment, *, mesh=None, **options):
    """A step whose colour rays have no loss, unless options say otherwise."""
    parts = ("colour", "occupancy", "depth", "distortion", "normal", "shading")
    zero = dataclasses.replace(experiment.geometry_loss, **dict.fromkeys(parts, 0.0))
    defaults = {"weight": zero, "semantic_weight": 1.0, "semantic_gradient": True}
    return training.make_joint_step(
        experiment.nerf,
        experiment.heads,
        SGD,
        batch_rays=8,
        label_rays=72,
        mesh=mesh or experiment.mesh,
        **defaults | options,
    )


def joint_state(experiment, **extra):
    heads = [head_params(experiment)]
    params = {"field": field_params(experiment), "heads": heads, **extra}
    return training.init_state(params, SGD, num_steps=1, grid=init_grid(experiment))


def surface_points(fill, *shape):
    values = jnp.full((*shape, 3), fill)
    return SurfacePoints(values, values, values, jnp.full((*shape, FEATURES), fill))


def cameras(experiment, t_max=5.0):
    """Cameras of a surface cache of the training frames."""
    scene = experiment.scene
    camera = (scene.intrinsics, scene.pixel_offset)
    return surface.SurfaceCache({}, scene.train.world_from_cam, *camera, t_max).cameras


def labelled_surface(experiment, real, padding_label=-1, count=None, size=64):
    """Random samples at random pixels, of which the first ``real`` have a label."""
    draw = np.random.default_rng(2)
    compact = {
        "t": draw.integers(0, 65536, (size, 2)).astype(np.uint16),
        "weight": draw.integers(1, 256, (size, 2)).astype(np.uint8),
        "normal": draw.integers(-127, 128, (size, 2, 3)).astype(np.int8),
        "diffuse": draw.integers(0, 256, (size, 2, 3)).astype(np.uint8),
        "feature": draw.normal(size=(size, 2, FEATURES)).astype(np.float16),
    }
    pixel = draw.permutation(PIXELS)[:size].astype(np.int32)
    data = training.LabelledSurface(
        pixel=jnp.asarray(pixel),
        compact=jax.tree.map(jnp.asarray, compact),
        label=jnp.where(np.arange(size) < real, pixel % 6, padding_label),
        count=jnp.int32(real if count is None else count),
        cameras=cameras(experiment),
    )
    return data, {}


def labelled_pixels(label):
    """The first pixels of the pool, with labels."""
    return training.LabelledPixels(
        pixel=jnp.arange(len(label), dtype=jnp.int32),
        label=jnp.asarray(label, jnp.int32),
        count=jnp.int32(len(label)),
    )


def assert_trees_equal(a, b):
    jax.tree.map(np.testing.assert_array_equal, a, b)
