"""A known length gives the metres of a unit, with depth and without."""

import captures
import numpy as np
import pytest
import textured_room
from captures import ImageInMemory
from textured_room import CAMERA

from alsem.core.types import Intrinsics
from alsem.data.capture import Capture, FrameRecord
from alsem.data.checks.known_length import measure, parse_length

UNIT = 0.4  # metres


@pytest.fixture(scope="module")
def room():
    """Poses in units of 40 cm, photographs and depth in metres."""
    poses = textured_room.walk(16)
    rgb, depth = textured_room.shoot(poses)
    poses[:, :3, 3] /= UNIT
    return poses, rgb, depth


def opened(room, *, with_depth):
    poses, rgb, depth = room
    camera = Intrinsics(*rgb.shape[2:0:-1], *CAMERA[[0, 1, 0, 1], [0, 1, 2, 2]])
    frames = [
        FrameRecord(
            f"a/{i}.png",
            ImageInMemory(rgb[i]),
            poses[i].astype(np.float32),
            ImageInMemory(depth[i].astype(np.float32)) if with_depth else None,
        )
        for i in range(len(poses))
    ]
    options = {"depth_scale": UNIT, "classes": ((), ())}
    return frames, Capture(
        "x", ("a",), lambda n: frames, lambda w, h: camera, **options
    )


def point(room, i, row, col):
    """The pixel's surface point, metres."""
    poses, _, depth = room
    ray = np.linalg.inv(CAMERA) @ [col, row, 1]
    return poses[i, :3, :3] @ ray * depth[i, row, col] + poses[i, :3, 3] * UNIT


@pytest.mark.parametrize(("with_depth", "tolerance"), [(True, 1e-3), (False, 0.04)])
@pytest.mark.parametrize(
    "ends", [((6, 40, 50), (6, 70, 110)), ((5, 60, 40), (9, 50, 90))]
)
def test_scale_from_a_length(room, with_depth, tolerance, ends):
    frames, capture = opened(room, with_depth=with_depth)
    metres = np.linalg.norm(point(room, *ends[0]) - point(room, *ends[1]))
    (i, *one), (j, *two) = ends
    text = f"{i}:{one[0]},{one[1]} a/{j}.png:{two[0]},{two[1]} {metres:.4f}"
    measured = measure(capture, frames, parse_length(text))
    assert measured.scale == pytest.approx(UNIT, rel=tolerance)
    assert ("depth" in measured.found) == with_depth


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "write 'FRAME:ROW,COL"),
        ("0:1,2 0:3,4", "write 'FRAME:ROW,COL"),
        ("0:1,2 0:3,4 0", "write 'FRAME:ROW,COL"),
        ("0:1,2 0:3,4 -1", "write 'FRAME:ROW,COL"),
        ("99:1,2 0:3,4 1", "no frame '99'; give a number below 16"),
        ("0:1,2 b:3,4 1", "no frame 'b'"),
        ("0:120,2 0:3,4 1", "120 rows and 160 columns"),
        ("0:40,50 0:40,50 1", "both pixels show one point"),
    ],
)
def test_bad_length(room, text, reason):
    frames, capture = opened(room, with_depth=True)
    error = captures.input_error(lambda: measure(capture, frames, parse_length(text)))
    assert reason in error


def test_places_without_texture_are_refused(room):
    poses, rgb, depth = room
    frames, capture = opened((poses, np.full_like(rgb, 90), depth), with_depth=False)
    length = parse_length("6:40,50 6:70,110 1")
    assert "give a corner" in captures.input_error(measure, capture, frames, length)
