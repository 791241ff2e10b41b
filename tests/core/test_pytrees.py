import dataclasses

import jax
import jax.numpy as jnp
import pytest

from alsem.core.pytrees import pytree
from alsem.core.types import Rays


def test_a_pytree_maps_jits_and_vmaps():
    rays = Rays(
        origins=jnp.zeros((4, 3)), directions=jnp.ones((4, 3)), z_scale=jnp.ones(4)
    )
    doubled = jax.jit(jax.vmap(lambda r: dataclasses.replace(r, z_scale=2 * r.z_scale)))
    assert doubled(rays).z_scale.tolist() == [2.0] * 4
    shapes = jax.tree.map(lambda leaf: leaf.shape, rays)  # no array: not checked
    assert shapes.origins == (4, 3)
    paths, _ = jax.tree_util.tree_flatten_with_path(rays)
    assert jax.tree_util.keystr(paths[0][0]) == ".origins"


def test_construction_checks_shapes_and_fields_are_frozen():
    wrong = {"origins": jnp.zeros((4, 2)), "directions": jnp.ones((4, 3))}
    with pytest.raises(TypeError):
        Rays(**wrong, z_scale=jnp.ones(4))
    right = wrong | {"origins": jnp.zeros((4, 3))}
    with pytest.raises(TypeError):
        Rays(**right, z_scale=jnp.ones(5))
    with pytest.raises(dataclasses.FrozenInstanceError):
        Rays(**right, z_scale=jnp.ones(4)).z_scale = 0  # pyright: ignore


def test_none_is_an_empty_subtree():
    @pytree
    class Pair:
        a: object
        b: object = None

    assert jax.tree.leaves(Pair(1)) == [1]
