"""Class colours: fixed, distinct, the same in every image of every run."""

import functools

import numpy as np

VOID_RGB = (0, 0, 0)
# Muted colours for the first classes of most rooms; the rest are searched.
_FIRST_RGB = (
    (158, 185, 214),
    (170, 129, 92),
    (226, 221, 196),
    (64, 145, 196),
    (240, 166, 74),
    (106, 168, 96),
    (209, 82, 78),
    (140, 108, 190),
    (232, 139, 177),
    (62, 178, 168),
    (201, 196, 62),
    (128, 128, 128),
)
# Linear sRGB to cone responses, and their cube roots to Oklab.
_LMS_FROM_RGB = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_LAB_FROM_ROOTS = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def oklab(rgb: np.ndarray) -> np.ndarray:
    """Converts sRGB to Oklab, in which distance is close to perceived difference.

    Args:
        rgb: uint8 ``[*b 3]``, sRGB.

    Returns:
        float64 ``[*b 3]``: lightness in [0, 1] and two colour axes (B. Ottosson,
        2020).
    """
    srgb = rgb / 255.0
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    return np.cbrt(linear @ _LMS_FROM_RGB.T) @ _LAB_FROM_ROOTS.T


@functools.cache
def _ordered_colours(count: int) -> np.ndarray:
    levels = np.arange(0, 256, 17, dtype=np.uint8)
    grid = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), -1)
    grid = grid.reshape(-1, 3)
    lightness, *axes = np.moveaxis(oklab(grid), -1, 0)
    # Neither close to the black of void nor to the white of the page; saturated colours
    # would gain little distance.
    is_muted = np.hypot(*axes) < 0.17
    grid = grid[(lightness > 0.38) & (lightness < 0.93) & is_muted]
    grid_lab = oklab(grid)
    chosen = [np.array(rgb, np.uint8) for rgb in _FIRST_RGB]
    distance = np.full(len(grid), np.inf)
    for rgb in chosen:
        gap = np.linalg.norm(grid_lab - oklab(rgb), axis=-1)
        distance = np.minimum(distance, gap)
    while len(chosen) < count:
        farthest = int(np.argmax(distance))
        chosen.append(grid[farthest])
        gap = np.linalg.norm(grid_lab - grid_lab[farthest], axis=-1)
        distance = np.minimum(distance, gap)
    return np.stack(chosen)


def class_colours(n: int) -> np.ndarray:
    """Returns a colour for each class; the first stay the same whatever ``n`` is.

    Args:
        n: Number of classes, at most 1000.

    Returns:
        uint8 ``[n 3]``, sRGB, none of them black.

    Raises:
        ValueError: There are more classes than colours that can be told apart.
    """
    if not 0 <= n <= 1000:
        raise ValueError(f"{n} classes; there are distinct colours for 0 to 1000")
    return _ordered_colours(max(n, len(_FIRST_RGB)))[:n].copy()
