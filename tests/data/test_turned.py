"""Turned images, cameras and poses see one point at one place of the picture."""

import captures
import numpy as np
import pytest
from PIL import Image, ImageOps

from alsem.core.types import Intrinsics
from alsem.data.capture import FrameRecord
from alsem.data.turned import TurnedImage, turned_camera, turned_record

CAMERA = Intrinsics(width=7, height=5, fx=6.0, fy=5.0, cx=3.4, cy=1.8)


@pytest.mark.parametrize("note", range(1, 9))
def test_image_is_turned_as_pillow_turns_it(note):
    pixels = np.random.default_rng(note).integers(0, 256, (5, 7, 3), np.uint8)
    image, exif = Image.fromarray(pixels), Image.Exif()
    exif[0x0112] = note
    image.info["exif"] = exif.tobytes()
    shown = np.asarray(ImageOps.exif_transpose(image))
    turned = TurnedImage(captures.ImageInMemory(pixels), note)
    np.testing.assert_array_equal(turned.read(), shown)
    assert turned.size() == shown.shape[1::-1]


def place(camera, pose, point):
    x, y, z = np.linalg.inv(pose)[:3] @ [*point, 1]
    return camera.fx * x / z + camera.cx, camera.fy * y / z + camera.cy


@pytest.mark.parametrize("note", [3, 6, 8])
def test_a_point_is_where_the_turned_picture_shows_it(note):
    pose = captures.random_pose(np.random.default_rng(0)).astype(np.float32)
    row, col = np.mgrid[:5, :7]
    rgb = captures.ImageInMemory(np.stack([row, col, 0 * col], -1).astype(np.uint8))
    record = turned_record(FrameRecord("0", rgb, pose), note)
    camera = turned_camera(CAMERA, note)
    for v, u in ((0, 0), (4, 6), (1, 5)):
        in_cam = [(u - CAMERA.cx) / CAMERA.fx, (v - CAMERA.cy) / CAMERA.fy, 1]
        point = pose[:3, :3] @ in_cam + pose[:3, 3]
        x, y = place(camera, record.world_from_cam, point)
        found = record.rgb.read()[round(y), round(x)]
        assert found.tolist() == [v, u, 0]
        np.testing.assert_allclose([x, y], np.round([x, y]), atol=1e-4)
