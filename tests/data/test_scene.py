"""Scenes and ground truth refuse arrays that do not fit together."""

import dataclasses

import numpy as np
import pytest

from alsem.core.types import Intrinsics
from alsem.data import Frames, GroundTruth, Scene

SHAPE = (2, 6, 8)
FRAMES = Frames(
    ("a", "b"),
    np.zeros((*SHAPE, 3), np.uint8),
    np.zeros((2, 4, 4), np.float32),
    np.zeros(SHAPE, np.float32),
)
SCENE = Scene(
    name="room",
    intrinsics=Intrinsics(8, 6, 4.0, 4.0, 3.5, 2.5),
    pixel_offset=(0.0, 0.0),
    train=FRAMES,
    test=dataclasses.replace(FRAMES, depth_z=None),
    class_names=("wall", "lamp"),
    class_ids=(1, 4),
)


@pytest.mark.parametrize(
    "changes",
    [
        {"names": ("a",)},
        {"names": ("a", "a")},
        {"rgb": FRAMES.rgb.astype(np.float32)},
        {"world_from_cam": FRAMES.world_from_cam[:, :3]},
        {"depth_z": FRAMES.depth_z[:, 1:]},
        {"regions": np.zeros(SHAPE, np.int64)},
        {"regions": np.zeros((1, 6, 8), np.int32)},
    ],
)
def test_frames(changes):
    with pytest.raises(ValueError):
        dataclasses.replace(FRAMES, **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"test": FRAMES},  # with depth, which is ground truth
        {"class_ids": (1,)},
        {"class_names": ("wall", "wall")},
        {"intrinsics": dataclasses.replace(SCENE.intrinsics, width=4)},
    ],
)
def test_scene(changes):
    with pytest.raises(ValueError):
        dataclasses.replace(SCENE, **changes)


@pytest.mark.parametrize(
    "arrays",
    [
        (np.zeros(SHAPE, np.int64), None, None),
        (None, np.zeros(SHAPE, np.int16), np.zeros((1, 6, 8), np.float32)),
    ],
)
def test_ground_truth(arrays):
    with pytest.raises(ValueError):
        GroundTruth(*arrays)
