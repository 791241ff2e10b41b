"""Parts of a run from its config: the unit of a capture."""

import dataclasses

import numpy as np
import pytest
import textured_planes
from textured_planes import CAMERA

from alsem.data import Frames, GroundTruth, Scene
from alsem.data.readers.registry import has_metres
from alsem.runs import build, defaults


@pytest.mark.parametrize("unit", [1.0, 0.02, 40.0])
def test_a_capture_of_unknown_unit_gets_the_metres_of_a_room(
    unit, monkeypatch, tmp_path
):
    frames, _ = textured_planes.frames()
    frames = frames.scaled(unit)
    test = Frames(("t",), frames.rgb[:1], frames.world_from_cam[:1], None)
    scene = Scene("s", CAMERA, (0.0, 0.0), frames, test, ("a",), (1,), is_metric=False)
    truth = GroundTruth(
        None, np.zeros((1, 48, 64), np.int16), np.full((1, 48, 64), unit, np.float32)
    )
    monkeypatch.setattr(build, "open_capture", lambda **_: (scene, truth))
    config = defaults.get_defaults("scale")
    found, scaled = build.open_scene(config, tmp_path)
    # Most pixels show the wall at about 3 m.
    factor = 2.5 / (3.0 * unit)
    places = found.train.world_from_cam[:, :3, 3]
    np.testing.assert_allclose(
        places, frames.world_from_cam[:, :3, 3] * factor, rtol=0.1
    )
    np.testing.assert_allclose(scaled.test_depth_z, 2.5 / 3.0, rtol=0.1)
    assert "--length" in found.doubts[-1] and found.is_metric
    blank = dataclasses.replace(frames, rgb=np.full_like(frames.rgb, 90))
    scene = dataclasses.replace(scene, train=blank)
    same, _ = build.open_scene(config, tmp_path)
    np.testing.assert_array_equal(same.train.world_from_cam, frames.world_from_cam)
    assert "data.scale" in same.doubts[-1]


@pytest.mark.parametrize(
    ("layout", "has_depth", "metres"),
    [
        ("replica", False, True),
        ("nerfstudio", True, True),
        ("nerfstudio", False, False),
        ("colmap", True, False),
    ],
)
def test_units_of_structure_from_motion_are_not_metres(layout, has_depth, metres):
    assert has_metres(layout, has_depth) is metres
