"""Image quality of rendered frames: PSNR and depth error."""

import numpy as np


def psnr(mean_squared_error: float) -> float:
    """Peak signal-to-noise ratio in dB for colours in [0, 1]; at most 120."""
    return float(-10.0 * np.log10(max(mean_squared_error, 1e-12)))


def geometry_metrics(
    rgb: np.ndarray,
    rgb_true: np.ndarray,
    depth_z: np.ndarray,
    depth_z_true: np.ndarray | None,
    valid_mask: np.ndarray | None = None,
) -> dict[str, float]:
    """Computes colour and depth errors of rendered frames.

    Args:
        rgb: Rendered, uint8 ``[n h w 3]``.
        rgb_true: uint8 ``[n h w 3]``.
        depth_z: Rendered, metres ``[n h w]``.
        depth_z_true: Metres ``[n h w]``, 0 where unknown; None if there is none.
        valid_mask: bool ``[n h w]``, the pixels whose colours count; None for all.

    Returns:
        ``psnr`` in dB; ``depth_l1_m`` and ``depth_median_m``, mean and median absolute
        depth error in metres, NaN without a true depth.
    """
    valid = ... if valid_mask is None else valid_mask
    error = (rgb.astype(np.float64) - rgb_true)[valid] / 255.0
    result = {
        "psnr": psnr(float(np.mean(error**2))),
        "depth_l1_m": float("nan"),
        "depth_median_m": float("nan"),
    }
    if depth_z_true is not None and np.any(depth_z_true > 0):
        known = depth_z_true > 0
        off = np.abs(depth_z.astype(np.float64) - depth_z_true)[known]
        result["depth_l1_m"] = float(off.mean())
        result["depth_median_m"] = float(np.median(off))
    return result
