"""Inputs and parameters for tests of fields and heads."""

import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from alsem.core.types import SurfacePoints
from alsem.nerf import HashField

GOLDEN = Path(__file__).parent / "nerf" / "golden"
LARGE = 40_000  # points; the CPU compiler has gone wrong beyond 32768 numbers
LOW, HIGH = (-2.0, 0.0, -1.0), (2.0, 3.0, 1.0)


def points_and_directions(*shape):
    rng = np.random.default_rng(0)
    x = rng.uniform(LOW, HIGH, (*shape, 3))
    direction = rng.normal(size=(*shape, 3))
    direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
    return jnp.asarray(x, jnp.float32), jnp.asarray(direction, jnp.float32)


def surface_points(*shape, features=15):
    rng = np.random.default_rng(1)
    x, normal = points_and_directions(*shape)
    return SurfacePoints(
        x_world=x,
        normal=normal,
        diffuse=jnp.asarray(rng.uniform(size=(*shape, 3)), jnp.float32),
        feature=jnp.asarray(rng.normal(size=(*shape, features)), jnp.float32),
    )


def with_box(module, fn, low=LOW, high=HIGH):
    """The function with the box of a field that needs one as its last argument."""
    if not isinstance(module, HashField):
        return fn
    return lambda *args: fn(*args, module.box(low, high))


def shapes_of(module, *args):
    """The parameters' structure, without the seconds that drawing them takes."""
    return jax.eval_shape(with_box(module, module.init), jax.random.key(0), *args)


def random_params(module, *args):
    """Parameters away from their initial zeros, so that every input matters."""
    rng = np.random.default_rng(2)
    return jax.tree.map(
        lambda leaf: jnp.asarray(0.3 * rng.normal(size=leaf.shape), jnp.float32),
        shapes_of(module, *args),
    )


def applied(module, method=None, **box):
    """The module as one compiled function of parameters and inputs."""
    apply = functools.partial(module.apply, method=method)
    return jax.jit(with_box(module, apply, **box))


def structure(params) -> str:
    """One line a parameter: path, shape, dtype."""
    rows = jax.tree.leaves_with_path(params)
    lines = [
        f"{jax.tree_util.keystr(path, simple=True, separator='/')} "
        f"{'x'.join(map(str, leaf.shape))} {leaf.dtype}"
        for path, leaf in rows
    ]
    return "\n".join(lines) + "\n"


def assert_structure_is_kept(module, name, *args):
    # A checkpoint is read by these names: a change of them loses old runs. After a
    # deliberate one, write the new text into the file.
    assert structure(shapes_of(module, *args)) == (GOLDEN / f"{name}.txt").read_text()
