"""Camera poses in text files: row-major 4x4 camera-to-world matrices."""

from pathlib import Path

import numpy as np

from alsem.core.errors import ErrorCollector, InputError
from alsem.data.text_files import read_text

# Ten times what files with four decimals lose; a scale or a shear is far more.
_TOLERANCE = 1e-3


def read_trajectory(path: Path) -> np.ndarray:
    """Reads and checks a file of one pose a line.

    Args:
        path: Text file, 16 numbers a line; blank lines are skipped.

    Returns:
        ``[n 4 4]`` float32 world-from-camera matrices, metres, OpenCV axes; all NaN
        where tracking was lost.

    Raises:
        InputError: The file cannot be read, a line is not 16 finite numbers, or a
            matrix is not a rigid motion.
    """
    lines = read_text(path, "it holds one camera-to-world matrix a line").splitlines()
    poses, errors = [], ErrorCollector()
    for number, line in enumerate(lines, start=1):
        if line.strip():
            with errors.catch():
                where = f"{path} line {number}"
                pose = _parse_matrix(line, where)
                lost = is_lost(pose[:3, :3], pose[:3, 3])
                unknown = np.full((4, 4), np.nan, np.float32)
                poses.append(unknown if lost else checked_pose(pose, where))
    errors.raise_any()
    if not poses:
        raise InputError(f"{path}: holds no pose; write one matrix a line")
    return np.stack(poses)


def read_matrix(path: Path) -> np.ndarray:
    """Reads a file of one 4x4 matrix.

    Returns:
        ``[4 4]`` float64, perhaps not finite.

    Raises:
        InputError: The file cannot be read, or holds anything but 16 numbers.
    """
    text = read_text(path, "it holds a camera-to-world matrix")
    return _parse_matrix(text, str(path))


def _parse_matrix(text: str, where: str) -> np.ndarray:
    words = text.split()
    if len(words) != 16:
        raise InputError(
            f"{where}: {len(words)} numbers; write the 16 of a row-major "
            "4x4 camera-to-world matrix"
        )
    try:
        values = [float(word) for word in words]
    except ValueError:
        raise InputError(f"{where}: holds a word that is not a number") from None
    return np.array(values, np.float64).reshape(4, 4)


def is_lost(rotation: np.ndarray, translation: np.ndarray) -> bool:
    """Whether a pose says that tracking was lost, as trackers write it.

    Args:
        rotation: Matrix or quaternion.
        translation: ``[3]``.

    Returns:
        Whether either has no finite number, or the rotation is all zeros.
    """
    none_finite = not all(np.isfinite(x).any() for x in (rotation, translation))
    return bool(none_finite or not np.any(rotation))


def checked_pose(matrix: np.ndarray, where: str) -> np.ndarray:
    """Checks that a matrix is a rigid motion.

    Args:
        matrix: ``[4 4]`` float64, camera to world, OpenCV axes.
        where: Its place in a file, for messages.

    Returns:
        The matrix as float32.

    Raises:
        InputError: It is not finite, or no rigid motion.
    """
    with np.errstate(over="ignore"):
        pose = matrix.astype(np.float32)
    if not np.isfinite(pose).all():
        raise InputError(
            f"{where}: holds a number that is not finite; remove the frame and its line"
        )
    rotation = pose[:3, :3].astype(np.float64)
    if np.abs(pose[3] - [0, 0, 0, 1]).max() > _TOLERANCE:
        raise InputError(
            f"{where}: the last four numbers are not 0 0 0 1; "
            "write row-major 4x4 camera-to-world matrices"
        )
    if np.abs(rotation @ rotation.T - np.eye(3)).max() > _TOLERANCE:
        raise InputError(
            f"{where}: not a rotation (rows not orthonormal within {_TOLERANCE:g}); "
            "remove scale and shear from the pose"
        )
    if np.linalg.det(rotation) < 0:
        raise InputError(
            f"{where}: not a rotation but a reflection (determinant -1); "
            "write OpenCV axes: x right, y down, z forward"
        )
    return pose
