"""Image quality: PSNR, and depth error of rendered frames."""

import numpy as np

from alsem.evaluation import image_quality


def psnr(mean_squared_error: float) -> float:
    """Peak signal-to-noise ratio in dB for colours in [0, 1]."""
    return float(-10.0 * np.log10(max(mean_squared_error, 1e-12)))


def geometry_metrics(
    rgb: np.ndarray,
    rgb_true: np.ndarray,
    depth_z: np.ndarray,
    depth_z_true: np.ndarray | None,
    valid_mask: np.ndarray | None = None,
) -> dict[str, float]:
    """Colour and depth figures of rendered frames, NaN where nothing is known.

    Args:
        rgb: Rendered, uint8 [n h w 3].
        rgb_true: uint8 [n h w 3].
        depth_z: Rendered, metres [n h w].
        depth_z_true: Metres [n h w], 0 unknown; None if there is none.
        valid_mask: Pixels that count, bool [n h w]; None if all do.
    """
    error = (rgb.astype(np.float64) - rgb_true)[
        ... if valid_mask is None else valid_mask
    ] / 255.0
    result = {
        "psnr": image_quality.psnr(float(np.mean(error**2))),
        "depth_l1_m": float("nan"),
        "depth_median_m": float("nan"),
    }
    if depth_z_true is not None and np.any(depth_z_true > 0):
        known = depth_z_true > 0
        off = np.abs(depth_z.astype(np.float64) - depth_z_true)[known]
        result["depth_l1_m"] = float(off.mean())
        result["depth_median_m"] = float(np.median(off))
    return result
