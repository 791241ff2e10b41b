"""Downscaling of images and cameras by a whole factor."""

import numpy as np

from alsem.core.types import Intrinsics


def area_average(rgb: np.ndarray, factor: int) -> np.ndarray:
    """Averages blocks of colour.

    Args:
        rgb: ``[h w 3]`` uint8; ``factor`` divides ``h`` and ``w``.
        factor: Side of a block, pixels.

    Returns:
        ``[h/factor w/factor 3]`` uint8, rounded to nearest, halves up: a 2 x 2 block of
        0, 0, 0 and 2 becomes 1.
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
    """Takes one pixel of every block, for depth, labels and ids.

    Args:
        image: ``[h w]``; ``factor`` divides ``h`` and ``w``.
        factor: Side of a block, pixels.

    Returns:
        ``[h/factor w/factor]``, pixel ``(factor - 1) // 2`` of each block and axis.
    """
    first = (factor - 1) // 2
    return image[first::factor, first::factor]


def point_sample_offset(factor: int) -> float:
    """Offset of the sampled pixel from its block's centre, in downscaled pixels.

    Zero for odd factors; -0.25 for a factor of 2, which samples the upper left pixel.
    """
    return ((factor - 1) // 2 - (factor - 1) / 2) / factor


def all_of(mask: np.ndarray, factor: int) -> np.ndarray:
    """Blocks of a mask in which every pixel is true.

    Args:
        mask: ``[h w]`` bool; ``factor`` divides ``h`` and ``w``.
        factor: Side of a block, pixels.

    Returns:
        ``[h/factor w/factor]`` bool.
    """
    height, width = (side // factor for side in mask.shape)
    blocks = mask.reshape(height, factor, width, factor)
    return np.asarray(blocks.all(axis=(1, 3)))


def downscaled(camera: Intrinsics, factor: int) -> Intrinsics:
    """The camera of images downscaled by a whole factor that divides their size."""
    return Intrinsics(
        width=camera.width // factor,
        height=camera.height // factor,
        fx=camera.fx / factor,
        fy=camera.fy / factor,
        cx=(camera.cx + 0.5) / factor - 0.5,
        cy=(camera.cy + 0.5) / factor - 0.5,
    )
