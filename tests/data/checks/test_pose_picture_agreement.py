"""Poses and intrinsics are judged by the photographs alone, and faults are named."""

import functools

import numpy as np
import pytest
import textured_room
from captures import ImageInMemory
from layouts import FLIP
from scipy.spatial.transform import Rotation
from textured_room import CAMERA

from alsem.core.types import Intrinsics
from alsem.data.capture import Capture, FrameRecord, PoseFormat
from alsem.data.checks.picture_matches import find_matches
from alsem.data.checks.pose_picture_agreement import picture_agreement

FRAMES = 12
POSES = textured_room.walk(FRAMES)
NAMES = [str(i) for i in range(FRAMES)]


def read(rgb, poses, camera):
    """The frames, and the capture that they are of."""
    camera = Intrinsics(*rgb.shape[2:0:-1], *camera[[0, 1, 0, 1], [0, 1, 2, 2]])
    frames = [
        FrameRecord(name, ImageInMemory(image), pose)
        for name, image, pose in zip(NAMES, rgb, poses, strict=True)
    ]
    options = {"depth_scale": 1.0, "classes": ((), ())}
    return frames, Capture(
        "room", ("frames",), lambda name: frames, lambda w, h: camera, **options
    )


@functools.cache
def turned(quarters):
    """The photographs turned counterclockwise, and what matches between them."""
    rgb = np.ascontiguousarray(
        np.rot90(textured_room.shoot(POSES)[0], quarters, (1, 2))
    )
    camera = CAMERA.copy()
    camera[:2, 2] = (np.array(rgb.shape[2:0:-1]) - 1) / 2
    frames, capture = read(rgb, POSES, camera)
    return find_matches(capture, [frames])


def judge(poses=POSES, camera=None, quarters=0, documented=None):
    found = turned(quarters)
    if camera is not None:
        scale = found.size[0] / textured_room.WIDTH
        camera = camera * scale
        camera[:2, 2] += (scale - 1) / 2
        camera[2, 2] = 1
        found = type(found)(**vars(found) | {"camera": camera})
    return picture_agreement(
        found, poses, [NAMES], textured_room.WIDTH, documented or PoseFormat()
    )


def intrinsics(focal=1.0, size=1.0, off=(0, 0)):
    camera = CAMERA.copy()
    camera[:2, 2] += off
    camera[:2, :2] *= focal
    camera[:2] *= size
    camera[:2, 2] += (size - 1) / 2
    return camera


def with_rotation(change):
    poses = POSES.copy()
    poses[:, :3, :3] = change(poses[:, :3, :3])
    return poses


def with_positions_of_inverse():
    poses = POSES.copy()
    poses[:, :3, 3] = np.linalg.inv(POSES)[:, :3, 3]
    return poses


def test_right_poses_agree_and_few_matches_are_no_judgement():
    judged = judge()
    assert judged.fraction > 0.95 and judged.error < 0.5
    assert judged.pairs > 10 and judged.remedy is None
    blank = np.zeros((FRAMES, 120, 160, 3), np.uint8)
    frames, capture = read(blank, POSES, CAMERA)
    found = find_matches(capture, [frames])
    judged = picture_agreement(found, POSES, [NAMES], 160, PoseFormat())
    assert np.isnan(judged.fraction) and judged.remedy is None


@pytest.mark.parametrize(
    ("fault", "remedy"),
    [
        ({"poses": POSES @ FLIP}, "in the file have OpenGL's axes"),
        (
            {"poses": POSES @ FLIP, "documented": PoseFormat(opengl=True)},
            "have OpenCV's axes (y down, z forward) where its layout wants OpenGL's",
        ),
        ({"poses": np.linalg.inv(POSES)}, "are world-to-camera where"),
        (
            {"poses": np.linalg.inv(POSES), "documented": PoseFormat(inverse=True)},
            "are camera-to-world where its layout wants world-to-camera: invert",
        ),
        (
            {"poses": np.linalg.inv(POSES @ FLIP)},
            "and have OpenGL's axes (y up, z backward) where its layout wants",
        ),
        (
            # World-to-camera matrices of OpenGL's axes, read as a transforms.json.
            {
                "poses": np.linalg.inv(POSES @ FLIP) @ FLIP,
                "documented": PoseFormat(opengl=True),
            },
            "are world-to-camera where its layout wants camera-to-world: invert every",
        ),
        ({"poses": with_rotation(lambda r: r.swapaxes(1, 2))}, "are transposed"),
        ({"poses": with_positions_of_inverse()}, "write -R t"),
        ({"poses": POSES @ np.eye(4)[:, [2, 0, 1, 3]]}, "take the columns +2, +3, +1"),
        ({"camera": intrinsics(size=2.0)}, "multiply fx, fy, cx and cy by 0.5"),
        ({"camera": intrinsics(size=1 / 3)}, "multiply fx, fy, cx and cy by 3"),
        ({"camera": intrinsics(focal=1.35)}, "about 0.7"),
        (
            {"camera": intrinsics(off=(-79.5, -59.5))},
            "optical axis (cx, cy) is off",
        ),
        ({"camera": intrinsics(off=(25, -15))}, "optical axis (cx, cy) is off"),
        ({"quarters": 1}, "turned by 90 degrees counterclockwise"),
        ({"quarters": 2}, "turned by 180 degrees"),
        ({"quarters": 3}, "turned by 90 degrees clockwise"),
        ({"poses": np.roll(POSES, 1, axis=0)}, "1 place(s) before its own"),
        ({"poses": np.roll(POSES, -2, axis=0)}, "2 place(s) after its own"),
        ({"poses": POSES[::-1]}, "reverse order"),
        ({"poses": POSES[np.argsort(NAMES)]}, "names as text (1, 10, 11, 2)"),
        (
            {"poses": POSES[np.random.default_rng(1).permutation(FRAMES)]},
            "of other frames (shuffled",
        ),
    ],
)
def test_fault_is_named(fault, remedy):
    judged = judge(**fault)
    assert judged.fraction < 0.5
    assert judged.is_fatal and remedy in judged.remedy


def test_imprecise_poses_get_no_remedy():
    draw = np.random.default_rng(0)
    noise = Rotation.from_rotvec(draw.normal(0, 0.03, (FRAMES, 3))).as_matrix()
    judged = judge(with_rotation(lambda rotation: rotation @ noise))
    assert judged.fraction < 0.7 and judged.remedy is None and not judged.is_fatal
    assert 1 < judged.error < 6
