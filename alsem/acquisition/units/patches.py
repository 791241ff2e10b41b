"""Units of a fixed shape in the image: points, square patches, whole frames.

Each builder returns the unit of every candidate of the pool, int32.
"""

import numpy as np

from alsem.core.arrays import Int


def point_units(num: int) -> Int[np.ndarray, "n"]:
    """Every candidate its own unit."""
    return np.arange(num, dtype=np.int32)


def patch_units(
    frames: int, height: int, width: int, *, side: int
) -> Int[np.ndarray, "n"]:
    """Square tiles of ``side`` pixels, smaller at the right and lower border.

    Raises:
        ValueError: If ``side`` is not at least 1.
    """
    if side < 1:
        raise ValueError(f"a patch of {side} pixels")
    rows, columns = -(-height // side), -(-width // side)
    tile = np.arange(height, dtype=np.int32)[:, None] // side * columns
    tile = tile + np.arange(width, dtype=np.int32) // side
    first = np.arange(frames, dtype=np.int32) * (rows * columns)
    return (first[:, None, None] + tile).reshape(-1)


def frame_units(frames: int, height: int, width: int) -> Int[np.ndarray, "n"]:
    """Every frame one unit."""
    return np.repeat(np.arange(frames, dtype=np.int32), height * width)
