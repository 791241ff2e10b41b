"""Matches between photographs of a textured room, whose poses and depth are known."""

import numpy as np
import pytest
import textured_room
from textured_room import CAMERA

from alsem.data import matching


@pytest.fixture(scope="module")
def room():
    """Poses, photographs and depth of 8 frames."""
    poses = textured_room.walk(8)
    return poses, *textured_room.shoot(poses)


def matched(rgb, i, j):
    (xy_a, a), (xy_b, b) = (matching.keypoints(rgb[k]) for k in (i, j))
    pairs = matching.match(a, b)
    return xy_a[pairs[:, 0]], xy_b[pairs[:, 1]]


def test_matches_lie_on_their_epipolar_lines_and_triangulate_to_the_depth(room):
    poses, rgb, depth = room
    for i, j in ((0, 1), (3, 4), (6, 7)):
        xy_a, xy_b = matched(rgb, i, j)
        assert len(xy_a) > 30
        b_from_a = np.linalg.inv(poses[j]) @ poses[i]
        geometry = (xy_a, xy_b, CAMERA, CAMERA, b_from_a)
        good = matching.epipolar_error(*geometry) < 1
        assert good.mean() > 0.9
        z = matching.triangulate(*geometry)[good, 2]
        col, row = np.round(xy_a[good]).astype(int).T
        assert np.median(np.abs(z / depth[i][row, col] - 1)) < 0.03
        wrong = (xy_a, xy_b, CAMERA, CAMERA, np.linalg.inv(b_from_a))
        assert (matching.epipolar_error(*wrong) < 1).mean() < 0.5


def test_epipolar_error_is_the_distance_to_exact_matches():
    draw = np.random.default_rng(0)
    b_from_a = np.linalg.inv(textured_room.walk(8)[3]) @ textured_room.walk(8)[0]
    points = draw.uniform([-1, -1, 2], [1, 1, 4], (50, 3))
    there = points @ b_from_a[:3, :3].T + b_from_a[:3, 3]
    xy_a, xy_b = ((p @ CAMERA.T)[:, :2] / p[:, 2:] for p in (points, there))
    geometry = (CAMERA, CAMERA, b_from_a)
    assert matching.epipolar_error(xy_a, xy_b, *geometry).max() < 1e-9
    np.testing.assert_allclose(matching.triangulate(xy_a, xy_b, *geometry), points)
    # Both moved by a pixel across the line: root of two pixels in four dimensions.
    line_b = np.c_[xy_a, np.ones(50)] @ _fundamental(b_from_a).T
    line_a = np.c_[xy_b, np.ones(50)] @ _fundamental(b_from_a)
    step = np.c_[line_a[:, :2], line_b[:, :2]]
    step /= np.linalg.norm(step, axis=1, keepdims=True)
    moved = (xy_a + step[:, :2], xy_b + step[:, 2:])
    error = matching.epipolar_error(*moved, *geometry)
    np.testing.assert_allclose(error, 1, rtol=0.02)  # of first order
    still = np.eye(4)
    assert np.isnan(matching.epipolar_error(xy_a, xy_b, CAMERA, CAMERA, still)).all()
    b_from_a[:3, 3] *= -1  # has the same epipolar lines
    behind = matching.triangulate(xy_a, xy_b, *geometry)
    np.testing.assert_allclose(behind, -points)


def _fundamental(b_from_a):
    inverse = np.linalg.inv(CAMERA)
    return inverse.T @ matching.essential_matrix(b_from_a) @ inverse


def test_match_is_mutual_and_unambiguous():
    a = np.eye(4, dtype=np.float32)
    b = np.eye(4, dtype=np.float32)[[2, 0, 1, 1]]  # the 1st has two equal partners
    assert matching.match(a, b).tolist() == [[0, 1], [2, 0]]
    assert matching.match(a[:1], b).shape == (0, 2)
    assert matching.match(
        *2 * [matching.keypoints(np.zeros((9, 9), np.uint8))[1]]
    ).shape == (0, 2)


def test_pairs_look_the_same_way_from_different_places():
    poses = np.tile(np.eye(4), (6, 1, 1))
    poses[:, 0, 3] = [0, 1, 1.001, 2, 9, 9.5]
    poses[3, :3, :3] = np.diag([-1, 1, -1])  # looks back
    assert matching.neighbour_pairs(poses, per_frame=1) == [(0, 1), (0, 2), (4, 5)]
    assert (1, 2) in matching.neighbour_pairs(poses, per_frame=1, min_baseline=0.0)
    assert matching.neighbour_pairs(poses[:1]) == []
    assert matching.neighbour_pairs(poses[[0, 0]]) == []
