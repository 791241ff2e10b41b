"""Image evidence: what the photograph shows around the pixel of a ray.

A surface point is only as good as the geometry it lies on. The photograph is there
whatever the geometry: the CIELAB colour of a pixel, and mean and standard deviation of
the colours around it at two scales, beside features that the user may have computed.
"""

import dataclasses
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from scipy import ndimage
from skimage.color import rgb2lab

from alsem.surface.cache import EVIDENCE_STEP, SurfaceCache

SCALES = (1 / 80, 1 / 20)  # standard deviations of the windows, in image widths
NUM_VALUES = 3 + 6 * len(SCALES)
STANDARD = 32  # training frames, at most, that decide what is standard
CLIP = 127 * EVIDENCE_STEP  # standard deviations; evidence beyond is cut off


def colour_statistics(rgb: np.ndarray) -> np.ndarray:
    """Colour, and its mean and standard deviation in Gaussian windows of `SCALES`.

    Args:
        rgb: uint8 ``[h w 3]``, sRGB.

    Returns:
        float32 ``[h w 15]`` (`NUM_VALUES`), CIELAB units.
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
    *,
    valid_mask: np.ndarray | None = None,
    track: Callable[[Sequence[int]], Iterable[int]] = iter,
) -> tuple[SurfaceCache, SurfaceCache]:
    """Surface caches whose rays carry the evidence of their photographs.

    Evidence is standardised by mean and standard deviation over `STANDARD` training
    frames, cut off at `CLIP` and kept in steps of `EVIDENCE_STEP`: a byte a value. No
    more than these frames are in memory as floating-point numbers.

    Args:
        train: Cache of the training frames.
        test: Cache of the test frames.
        train_rgb: Their photographs, uint8 ``[f h w 3]``.
        test_rgb: Likewise.
        valid_mask: bool ``[f h w]``, pixels of the training frames that count; None
            for all.
        track: Wraps the frames of either cache, for a progress bar.
    """
    some = np.unique(np.linspace(0, len(train_rgb) - 1, STANDARD).astype(np.intp))
    seen = []
    for frame in some:
        shown = ... if valid_mask is None else valid_mask[frame]
        seen.append(colour_statistics(train_rgb[frame])[shown].reshape(-1, NUM_VALUES))
    values = np.concatenate(seen)
    if not len(values):  # masks hide all of them
        values = np.zeros((1, NUM_VALUES), np.float32)
    mean, spread = values.mean(axis=0), np.maximum(values.std(axis=0), 1e-3)

    def with_evidence(cache: SurfaceCache, images: np.ndarray) -> SurfaceCache:
        size = images.shape[1] * images.shape[2]
        flat = np.empty((len(images) * size, NUM_VALUES), np.int8)
        for frame in track(range(len(images))):
            scaled = (colour_statistics(images[frame]) - mean) / spread
            steps = np.round(np.clip(scaled, -CLIP, CLIP) / EVIDENCE_STEP)
            flat[frame * size : (frame + 1) * size] = steps.reshape(size, -1)
        return dataclasses.replace(cache, arrays=cache.arrays | {"evidence": flat})

    return with_evidence(train, train_rgb), with_evidence(test, test_rgb)
