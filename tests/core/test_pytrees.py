"""Checked pytree dataclasses."""

import dataclasses

import jax
import jax.numpy as jnp
import pytest

from alsem.core.pytrees import pytree
from alsem.core.types import Intrinsics, Rays


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
    right = {"origins": jnp.zeros((4, 3)), "directions": jnp.ones((4, 3))}
    for wrong in (
        right | {"origins": jnp.zeros((4, 2)), "z_scale": jnp.ones(4)},
        right | {"z_scale": jnp.ones(5)},
    ):
        with pytest.raises(TypeError):
            Rays(**wrong)
    with pytest.raises(dataclasses.FrozenInstanceError):
        Rays(**right, z_scale=jnp.ones(4)).z_scale = 0  # pyright: ignore


def test_static_fields_are_structure_and_others_are_traced():
    camera = Intrinsics(width=4, height=3, fx=1.0, fy=2.0, cx=3.0, cy=4.0)
    assert jax.tree.leaves(camera) == [1.0, 2.0, 3.0, 4.0]
    area = jax.jit(lambda c: jnp.zeros((c.height, c.width)) + c.fx)
    assert area(camera).shape == (3, 4)
    assert float(area(dataclasses.replace(camera, fx=5.0))[0, 0]) == 5.0
    assert area._cache_size() == 1
    area(dataclasses.replace(camera, width=5))
    assert area._cache_size() == 2
    assert hash(camera) == hash(dataclasses.replace(camera))


def test_none_is_an_empty_subtree():
    @pytree
    class Pair:
        a: object
        b: object = None

    assert jax.tree.leaves(Pair(1)) == [1]
