"""Image evidence: what the photograph shows around the pixel of a ray.

A surface point is only as good as the geometry it lies on. The photograph is there
whatever the geometry: the CIELAB colour of a pixel, and mean and standard deviation of
the colours around it at two scales, beside features that the user may have computed.
"""

import dataclasses

import numpy as np
from scipy import ndimage
from skimage.color import rgb2lab

from alsem.surface.cache import EVIDENCE_STEP, SurfaceCache

SCALES = (1 / 80, 1 / 20)  # standard deviations of the windows, in image widths
CLIP = 127 * EVIDENCE_STEP  # standard deviations; evidence beyond is cut off


def colour_statistics(rgb: np.ndarray) -> np.ndarray:
    """Colour, and its mean and standard deviation in Gaussian windows of `SCALES`.

    Args:
        rgb: uint8 ``[h w 3]``, sRGB.

    Returns:
        float32 ``[h w 15]``, CIELAB units.
    """
    lab = rgb2lab(rgb).astype(np.float32)
    parts = [lab]
    for scale in SCALES:
        sigma = (scale * rgb.shape[1],) * 2 + (0,)
        mean, square = (ndimage.gaussian_filter(x, sigma) for x in (lab, lab**2))
        parts += [mean, np.sqrt(np.maximum(square - mean**2, 0.0))]
    return np.concatenate(parts, axis=-1)


def add_evidence(
    train: SurfaceCache,
    test: SurfaceCache,
    train_rgb: np.ndarray,
    test_rgb: np.ndarray,
) -> tuple[SurfaceCache, SurfaceCache]:
    """Surface caches whose rays carry the evidence of their photographs.

    Evidence is standardised by mean and standard deviation over the training frames,
    cut off at `CLIP` and kept in steps of `EVIDENCE_STEP`: a byte a value.

    Args:
        train: Cache of the training frames.
        test: Cache of the test frames.
        train_rgb: Their photographs, uint8 ``[f h w 3]``.
        test_rgb: Likewise.
    """
    seen, test_seen = (
        np.stack([colour_statistics(rgb) for rgb in images])
        for images in (train_rgb, test_rgb)
    )
    axes = (0, 1, 2)
    mean, spread = seen.mean(axes), np.maximum(seen.std(axes), 1e-3)

    def with_evidence(cache: SurfaceCache, values: np.ndarray) -> SurfaceCache:
        steps = np.clip((values - mean) / spread, -CLIP, CLIP) / EVIDENCE_STEP
        flat = np.round(steps).astype(np.int8).reshape(-1, values.shape[-1])
        return dataclasses.replace(cache, arrays=cache.arrays | {"evidence": flat})

    return with_evidence(train, seen), with_evidence(test, test_seen)
