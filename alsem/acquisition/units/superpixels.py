"""Superpixels: regions of an image that follow its edges.

Each builder returns the unit of every candidate of the pool, int32.
"""

import numpy as np
from skimage.segmentation import slic

from alsem.core.arrays import Int
from alsem.core.voxels import compact

MIN_SIZE = 0.25  # of a superpixel's size; small regions are often objects and are kept


def superpixel_units(rgb: np.ndarray, *, size: int) -> Int[np.ndarray, "n"]:
    """SLIC superpixels of every frame (Achanta et al. 2012), in CIELAB, connected.

    Args:
        rgb: uint8 ``[f h w 3]``, the images of the pool.
        size: Approximate number of pixels of a superpixel.

    Returns:
        int32 unit of every pixel of the pool.

    Raises:
        ValueError: If ``size`` is less than 1.
    """
    if size < 1:
        raise ValueError(f"superpixels of {size} pixels")
    frames, height, width = rgb.shape[:3]
    num = max(round(height * width / size), 1)
    unit = np.empty((frames, height, width), np.int32)
    first = 0
    for frame in range(frames):
        label = slic(
            rgb[frame],
            num,
            min_size_factor=MIN_SIZE,
            convert2lab=True,
            start_label=0,
        )
        unit[frame] = label + first
        first += int(label.max()) + 1
    return unit.reshape(-1)


def region_units(regions: np.ndarray) -> Int[np.ndarray, "n"]:
    """Regions from image files, numbered by frame and then by their id.

    Args:
        regions: Integers ``[f h w]``, ids within each image, 0 for no region.
    """
    low = int(regions.min(initial=0))
    span = int(regions.max(initial=0)) - low + 1
    frame = np.arange(len(regions), dtype=np.int64)[:, None, None]
    keys = (frame * span + (regions.astype(np.int64) - low)).reshape(-1)
    inside = regions.reshape(-1) != 0
    unit = np.full(len(keys), -1, np.int32)
    unit[inside] = compact(keys[inside])[0]
    return unit
