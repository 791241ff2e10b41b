"""Plane sweep: how well a photograph matches its neighbours at every depth.

After Collins, *A space-sweep approach to true multi-image matching* (CVPR 1996).
"""

from collections.abc import Sequence

import cv2
import numpy as np

OUTSIDE = -1e3  # grey value of pixels that a neighbour does not see
FLAT = 2.0  # grey levels squared: noise below which an area has no texture
WORST = 2.0  # cost of a pixel that a neighbour does not see


def matching_cost(
    reference: np.ndarray,
    neighbours: Sequence[np.ndarray],
    camera: np.ndarray,
    neighbours_from_reference: Sequence[np.ndarray],
    inverse_depths: np.ndarray,
    *,
    window: int = 5,
) -> np.ndarray:
    """Matching cost of every pixel at every plane parallel to the image.

    The cost is one minus the normalised cross correlation of the windows around the
    pixel and its image in a neighbour, which does not depend on their exposures; the
    mean of the better half of the neighbours, for a surface may be hidden from others.

    Args:
        reference: Grey values, float32 ``[h w]``.
        neighbours: Grey values of other photographs, float32 ``[h w]`` each.
        camera: Matrix of all of them, ``[3 3]``.
        neighbours_from_reference: Relative poses, ``[4 4]`` each.
        inverse_depths: Of the planes, 1/metre, ``[d]``.
        window: Width of the windows, pixels.

    Returns:
        Costs in [0, 2], float32 ``[d h w]``.
    """
    height, width = reference.shape
    inverse_camera = np.linalg.inv(camera)
    mean, spread = _moments(reference, window)
    whole_window = np.ones((window, window), np.uint8)
    kept = max(1, len(neighbours) // 2)
    cost = np.empty((len(inverse_depths), height, width), np.float32)
    each = np.empty((len(neighbours), height, width), np.float32)
    for plane, inverse_depth in enumerate(inverse_depths):
        for k, (grey, pose) in enumerate(
            zip(neighbours, neighbours_from_reference, strict=True)
        ):
            shift = np.outer(pose[:3, 3], (0.0, 0.0, inverse_depth))
            homography = camera @ (pose[:3, :3] + shift) @ inverse_camera
            seen = cv2.warpPerspective(
                grey,
                homography,
                (width, height),
                flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                borderValue=OUTSIDE,
            )
            other_mean, other_spread = _moments(seen, window)
            product = cv2.boxFilter(reference * seen, -1, (window, window))
            correlation = (product - mean * other_mean) / (spread * other_spread)
            # A window that is partly outside would compare with its border.
            is_outside = cv2.erode(seen, whole_window) < 0
            each[k] = np.where(is_outside, WORST, 1.0 - correlation)
        cost[plane] = np.partition(each, kept - 1, axis=0)[:kept].mean(axis=0)
    return cost


def _moments(grey: np.ndarray, window: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of the windows around all pixels."""
    mean = cv2.boxFilter(grey, -1, (window, window))
    square = cv2.boxFilter(grey * grey, -1, (window, window))
    return mean, np.sqrt(np.maximum(square - mean * mean, 0.0) + FLAT)
