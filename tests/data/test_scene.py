"""Scenes and ground truth refuse arrays that do not fit together."""

import dataclasses

import numpy as np
import pytest

from alsem.core.types import Intrinsics
from alsem.data import Frames, GroundTruth, Scene

SHAPE = (2, 6, 8)
DEPTH = np.zeros(SHAPE, np.float32)
POSES = np.zeros((2, 4, 4), np.float32)
LABELS = np.zeros(SHAPE, np.int16)
FRAMES = Frames(("a", "b"), np.zeros((*SHAPE, 3), np.uint8), POSES, DEPTH)
CAMERA = Intrinsics(8, 6, 4.0, 4.0, 3.5, 2.5)
BARE = dataclasses.replace(FRAMES, depth_z=None)
SCENE = Scene("room", CAMERA, (0.0, 0.0), FRAMES, BARE, ("wall", "lamp"), (1, 4))
TRUTH = GroundTruth(LABELS, LABELS, DEPTH)


@pytest.mark.parametrize(
    ("whole", "changes"),
    [
        (FRAMES, {"names": ("a",)}),
        (FRAMES, {"names": ("a", "a")}),
        (FRAMES, {"rgb": FRAMES.rgb.astype(np.float32)}),
        (FRAMES, {"world_from_cam": POSES[:, :3]}),
        (FRAMES, {"depth_z": DEPTH[:, 1:]}),
        (FRAMES, {"regions": LABELS.astype(np.int64)}),
        (FRAMES, {"regions": LABELS[:1].astype(np.int32)}),
        (SCENE, {"test": FRAMES}),  # with depth, which is ground truth
        (SCENE, {"class_ids": (1,)}),
        (SCENE, {"class_names": ("wall", "wall")}),
        (SCENE, {"intrinsics": dataclasses.replace(CAMERA, width=4)}),
        (TRUTH, {"train_labels": LABELS.astype(np.int64)}),
        (TRUTH, {"test_depth_z": DEPTH[:1]}),
    ],
)
def test_parts_that_do_not_fit(whole, changes):
    with pytest.raises(ValueError):
        dataclasses.replace(whole, **changes)
