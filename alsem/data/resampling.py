"""Arrays of pixels: how many are read, how they are downscaled, where they look."""

import numpy as np

from alsem.core.types import Intrinsics

MAX_PIXELS = 1 << 26  # of one image: 8192 x 8192


def area_average(rgb: np.ndarray, factor: int) -> np.ndarray:
    """Averages blocks of colour.

    Args:
        rgb: ``[h w 3]`` uint8; ``factor`` divides ``h`` and ``w``.
        factor: Side of a block, pixels.

    Returns:
        ``[h/factor w/factor 3]`` uint8, rounded to nearest, halves up.
    """
    if factor == 1:
        return rgb
    total = np.full(
        (rgb.shape[0] // factor, rgb.shape[1] // factor, 3), factor**2 // 2, np.uint32
    )
    for row in range(factor):
        for col in range(factor):
            total += rgb[row::factor, col::factor]
    return (total // factor**2).astype(np.uint8)


def point_sample(image: np.ndarray, factor: int) -> np.ndarray:
    """Takes one pixel of every block, for what must not be averaged.

    Args:
        image: ``[h w]``; ``factor`` divides ``h`` and ``w``.
        factor: Side of a block, pixels.

    Returns:
        ``[h/factor w/factor]``, pixel ``(factor - 1) // 2`` of each block and axis.
    """
    first = (factor - 1) // 2
    return image[first::factor, first::factor]


def all_of(mask: np.ndarray, factor: int) -> np.ndarray:
    """Which blocks hold nothing but true pixels.

    Args:
        mask: ``[h w]`` bool; ``factor`` divides ``h`` and ``w``.
        factor: Side of a block, pixels.

    Returns:
        ``[h/factor w/factor]`` bool.
    """
    height, width = (side // factor for side in mask.shape)
    blocks = mask.reshape(height, factor, width, factor)
    return np.asarray(blocks.all(axis=(1, 3)))


def point_sample_offset(factor: int) -> float:
    """Where `point_sample` looks: downscaled pixels from the block's centre."""
    return ((factor - 1) // 2 - (factor - 1) / 2) / factor


def directions(camera: Intrinsics, col: np.ndarray, row: np.ndarray) -> np.ndarray:
    """Rays ``[*b 3]`` through pixels, camera axes, of depth one."""
    x, y = (col - camera.cx) / camera.fx, (row - camera.cy) / camera.fy
    return np.stack([x, y, np.ones(x.shape)], axis=-1)


def downscaled(camera: Intrinsics, factor: int) -> Intrinsics:
    """The camera of images shrunk by a whole factor that divides their size."""
    return Intrinsics(
        width=camera.width // factor,
        height=camera.height // factor,
        fx=camera.fx / factor,
        fy=camera.fy / factor,
        cx=(camera.cx + 0.5) / factor - 0.5,
        cy=(camera.cy + 0.5) / factor - 0.5,
    )
