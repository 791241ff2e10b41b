import numpy as np
import pytest
from room_rays import SEED, is_inside

from alsem.rooms import furnish
from alsem.rooms.camera_paths import camera_paths


@pytest.mark.parametrize("seed", [SEED, 40, 41])
def test_cameras_are_upright_and_clear_of_furniture_and_walls(seed):
    room = furnish(seed)
    directions = np.random.default_rng(0).normal(size=(200, 3))
    sphere = 0.34 * directions / np.linalg.norm(directions, axis=-1, keepdims=True)
    for world_from_cam in camera_paths(room, seed, 40, 20):
        centre = world_from_cam[:, :3, 3]
        assert np.all(centre > 0.34) and np.all(centre < room.size - 0.34)
        rotation = world_from_cam[:, :3, :3]
        eye = np.broadcast_to(np.eye(3), rotation.shape)
        np.testing.assert_allclose(rotation.swapaxes(1, 2) @ rotation, eye, atol=1e-9)
        np.testing.assert_allclose(np.linalg.det(rotation), 1.0)
        assert np.all(rotation[:, 2, 1] < 0)  # the image's y axis points down
        around = np.concatenate([centre[:, None], centre[:, None] + sphere], axis=1)
        assert not any(is_inside(solid, around).any() for solid in room.solids)


def test_the_training_path_is_closed_and_turns_slowly(room):
    world_from_cam, _ = camera_paths(room, SEED, 240, 10)
    step = np.linalg.norm(np.diff(world_from_cam[:, :3, 3], axis=0), axis=-1)
    last = np.linalg.norm(world_from_cam[0, :3, 3] - world_from_cam[-1, :3, 3])
    assert last <= 1.2 * step.max()
    rotation = world_from_cam[:, :3, :3]
    trace = np.einsum("nij,nij->n", rotation[1:], rotation[:-1])
    assert np.all(trace > 1 + 2 * np.cos(np.deg2rad(20)))
