"""How sharp a photograph is."""

import cv2
import numpy as np


def sharpness(rgb: np.ndarray) -> float:
    """Variance of the Laplacian of the grey photograph; low if it is blurred.

    Args:
        rgb: uint8 ``[h w 3]``; only photographs of one size compare.
    """
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    return float(cv2.Laplacian(grey, cv2.CV_32F).var())
