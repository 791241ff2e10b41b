"""Pose files are read, or refused with the file and the line."""

import captures
import numpy as np
import pytest

from alsem.data.poses import read_trajectory

POSES = np.stack([captures.random_pose(np.random.default_rng(i)) for i in range(6)])
SHEAR, STRETCH = np.eye(4), np.diag([1.01, 1.01, 1.01, 1.0])
SHEAR[0, 1] = 1.0


def put(index, value):
    """Pose 4 with another number in one place."""
    pose = POSES[4].copy()
    pose[index] = value
    return pose


@pytest.fixture
def path(tmp_path):
    return tmp_path / "traj_w_c.txt"


@pytest.mark.parametrize(
    ("pose", "reason"),
    [
        (np.ones(3), "3 numbers"),
        (put((0, 3), np.nan), "finite"),
        (put((0, 0), np.inf), "finite"),
        (put((0, 3), 1e300), "finite"),
        (STRETCH @ POSES[4], "not a rotation"),
        (SHEAR @ POSES[4], "not a rotation"),
        (put(np.s_[:, 0], -POSES[4][:, 0]), "a reflection"),
        (put((3, 0), 0.5), "0 0 0 1"),
        (POSES[4].T, "0 0 0 1"),  # column-major
    ],
)
def test_bad_pose(path, pose, reason):
    rows = [*POSES[:4], pose, POSES[5]]
    path.write_text("\n".join(" ".join(map(str, np.ravel(row))) for row in rows))
    error = captures.input_error(read_trajectory, path)
    assert error.startswith(f"{path} line 5: ")
    assert reason in error


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\n\n", ": holds no pose"),
        (b"\xff\xfe\x00", ": cannot be read as text"),
        (b"one" + b" 1" * 15, " line 1: holds a word that is not a number"),
        (None, ": missing"),
    ],
)
def test_bad_file(path, data, reason):
    if data is not None:
        path.write_bytes(data)
    error = captures.input_error(read_trajectory, path)
    assert error.startswith(f"{path}{reason}")


def test_poses_of_four_decimals_and_blank_lines_are_read(path):
    rows = [" ".join(f"{x:.4f}" for x in pose.ravel()) for pose in POSES]
    path.write_text("\n\n".join(rows))
    np.testing.assert_allclose(read_trajectory(path), POSES, atol=1e-4)
