"""Pose files are read, or refused with the file and the line."""

import captures
import numpy as np
import pytest

from alsem.data.poses import read_trajectory

POSES = np.stack([captures.random_pose(np.random.default_rng(i)) for i in range(6)])


@pytest.fixture
def path(tmp_path):
    captures.write_poses(tmp_path / "traj_w_c.txt", POSES)
    return tmp_path / "traj_w_c.txt"


def edit_line(path, change):
    lines = path.read_text().splitlines()
    lines[4] = change(lines[4])
    path.write_text("\n".join(lines))


def edit_pose(change):
    def edited(line):
        pose = np.array(line.split(), float).reshape(4, 4)
        change(pose)
        return " ".join(map(str, pose.ravel()))

    return edited


def put(index, value):
    return edit_pose(lambda pose: pose.__setitem__(index, value))


BAD_LINES = {
    "few numbers": (lambda line: "1 2 3", "3 numbers"),
    "word": (lambda line: line.replace(line.split()[0], "one", 1), "not a number"),
    "NaN": (put((0, 3), np.nan), "finite"),
    "infinite": (put((0, 0), np.inf), "finite"),
    "too large": (put((0, 3), 1e300), "finite"),
    "scaled": (edit_pose(lambda pose: pose[:3].__imul__(1.01)), "not a rotation"),
    "sheared": (edit_pose(lambda pose: pose[0].__iadd__(pose[1])), "not a rotation"),
    "reflected": (edit_pose(lambda pose: pose[:, 0].__imul__(-1)), "a reflection"),
    "last row": (put((3, 0), 0.5), "0 0 0 1"),
    "column-major": (
        edit_pose(lambda pose: pose.__setitem__(..., pose.T.copy())),
        "0 0 0 1",
    ),
}


@pytest.mark.parametrize("case", BAD_LINES)
def test_bad_line(path, case):
    change, reason = BAD_LINES[case]
    edit_line(path, change)
    error = captures.input_error(read_trajectory, path)
    assert error.startswith(f"{path} line 5: ")
    assert reason in error


def test_bad_file(path):
    path.write_text("\n\n")
    assert "no pose" in captures.input_error(read_trajectory, path)
    path.write_bytes(b"\xff\xfe\x00")
    error = captures.input_error(read_trajectory, path)
    assert error.startswith(f"{path}: cannot be read as text")
    path.unlink()
    error = captures.input_error(read_trajectory, path)
    assert error.startswith(f"{path}: missing")


def test_poses_of_four_decimals_and_blank_lines_are_read(path):
    rows = [" ".join(f"{x:.4f}" for x in pose.ravel()) for pose in POSES]
    path.write_text("\n\n".join(rows))
    np.testing.assert_allclose(read_trajectory(path), POSES, atol=1e-4)
