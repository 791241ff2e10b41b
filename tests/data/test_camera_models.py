"""Lenses are undistorted to one pinhole camera."""

import cv2
import numpy as np
import pytest
from captures import ImageInMemory

from alsem.core.types import Intrinsics
from alsem.data.camera_models import (
    FieldOfViewMask,
    Lens,
    UndistortedImage,
    shared_camera,
)

WIDE = Intrinsics(160, 120, 90.0, 88.0, 81.0, 58.0)
SMALL = Intrinsics(80, 60, 47.0, 45.0, 41.0, 28.0)


def smooth_world(lens):
    """A photograph whose colour is a smooth function of the ray direction."""
    camera = lens.camera
    row, col = np.mgrid[: camera.height, : camera.width]
    points = np.stack([col, row], -1).reshape(-1, 1, 2).astype(np.float64)
    matrix = np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]])
    undo = cv2.fisheye if lens.is_fisheye else cv2
    coefficients = np.array(lens.distortion or (0.0,) * 4)
    x, y = undo.undistortPoints(points, matrix, coefficients).reshape(-1, 2).T
    waves = np.stack([np.sin(3 * x), np.sin(3 * y), np.cos(2 * (x + y))], -1)
    rgb = np.round(127 + 120 * waves).astype(np.uint8)
    return ImageInMemory(rgb.reshape(*row.shape, 3))


@pytest.mark.parametrize(
    "lens",
    [
        Lens(WIDE, (-0.2, 0.05, 0.004, -0.003)),
        Lens(WIDE, (0.1, 0.0, 0.0, 0.0, 0.02, 0.01, 0.0, 0.0)),
        Lens(WIDE, (-0.05, 0.01, 0.0, 0.0), is_fisheye=True),
        Lens(SMALL),
    ],
    ids=["four coefficients", "eight coefficients", "fisheye", "another size"],
)
def test_undistorted_colours_are_those_of_the_pinhole_camera(lens):
    camera = Intrinsics(160, 120, 100.0, 100.0, 79.5, 59.5)
    expected = smooth_world(Lens(camera)).read().astype(int)
    image = UndistortedImage(smooth_world(lens), lens, camera, is_colour=True).read()
    in_view = FieldOfViewMask(lens, camera).read().astype(bool)
    assert in_view.mean() > 0.6
    off = np.abs(image - expected)[in_view]
    assert np.median(off) <= 1 and off.max() <= 8


def test_shared_camera_is_the_median_of_the_most_common_size():
    common = [Intrinsics(160, 120, f, f, 79.5, 59.5) for f in (99.1, 101.3, 100.7)]
    assert shared_camera([Lens(SMALL), *map(Lens, common)]) == common[2]
    assert shared_camera([Lens(SMALL)]) == SMALL
