"""Reads and writes point clouds in PLY files."""

from pathlib import Path

import numpy as np
import plyfile

from alsem.core.errors import InputError


def read_points(path: Path) -> np.ndarray:
    """Reads the points of a PLY file, float64 ``[n 3]``.

    Raises:
        InputError: It is missing, damaged, or has no vertices with finite x, y and z.
    """
    try:
        vertices = plyfile.PlyData.read(path)["vertex"]
        points = np.stack([vertices[axis] for axis in "xyz"], axis=-1)
        points = points.astype(np.float64)
    except FileNotFoundError:
        raise InputError(f"{path}: missing; put the points there") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except (plyfile.PlyParseError, KeyError, ValueError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: no PLY of points ({reason})") from None
    if not np.isfinite(points).all():
        raise InputError(f"{path}: holds a point that is not finite; remove it")
    return points


def write_points(path: Path, points: np.ndarray) -> None:
    """Writes points float32 ``[n 3]`` as a binary PLY file."""
    rows = np.empty(len(points), [(axis, "<f4") for axis in "xyz"])
    for i, axis in enumerate("xyz"):
        rows[axis] = points[:, i]
    plyfile.PlyData([plyfile.PlyElement.describe(rows, "vertex")]).write(str(path))
