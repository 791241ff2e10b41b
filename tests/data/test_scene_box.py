"""The box of a scene holds its surfaces, and no outliers of depth."""

import numpy as np
import pytest
import tiny

from alsem.data import open_capture, scene_box


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    room = tiny.write_box(tmp_path_factory.mktemp("room"))
    splits = {"train_split": "frames[:-1]", "test_split": "frames[-1:]"}
    return open_capture(dir=room, **splits)[0]


def test_wild_depth_leaves_the_box_as_it_is(scene):
    before = scene_box(scene, far=10.0)
    np.testing.assert_allclose(before, [[0, 0, 0], tiny.SIZE], atol=0.35)
    depth_z = scene.train.depth_z
    kept = depth_z[::2, 1, 1].copy()
    depth_z[::2, 1, 1] = 60.0
    wild = scene_box(scene, far=10.0)
    depth_z[::2, 1, 1] = kept
    np.testing.assert_allclose(wild, before, atol=0.05)
