"""Superpixels of the test photographs vote on classes where geometry is not trusted."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from alsem.acquisition import superpixel_units

# Of an image, that superpixels of either kind cover on average.
FRACTIONS = (1 / 480, 1 / 240)


@dataclasses.dataclass(frozen=True)
class SuperpixelVote:
    """Moves class probabilities of pixels towards the means of their superpixels.

    Attributes:
        units: Segmentations of the frames, each the superpixel int32 ``[f p]`` of every
            pixel, numbered within a frame from 0.
        weight: Of the superpixels' means, beside the pixel's own probabilities.
    """

    units: tuple[np.ndarray, ...]
    weight: float

    def __call__(self, frame: int, probs: np.ndarray) -> np.ndarray:
        """Class probabilities of a frame's pixels after the vote, float32 ``[p c]``."""
        voted = (1.0 - self.weight) * probs
        for units in self.units:
            share = self.weight / len(self.units)
            voted += share * superpixel_means(units[frame], probs)
        return voted


def superpixel_means(unit: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Means of values over the pixels of each pixel's superpixel.

    Args:
        unit: int ``[p]``, superpixel of every pixel.
        values: float ``[p c]``.
    """
    count = np.maximum(np.bincount(unit), 1)
    sums = [np.bincount(unit, column) for column in values.T]
    return (np.stack(sums, axis=-1) / count[:, None]).astype(values.dtype)[unit]


def make_vote(rgb: np.ndarray, weight: float) -> SuperpixelVote | None:
    """The vote of superpixels of photographs; None where it has no weight.

    Args:
        rgb: uint8 ``[f h w 3]``.
        weight: Of the vote, in [0, 1].
    """
    if not weight:
        return None
    pixels = rgb.shape[1] * rgb.shape[2]
    return SuperpixelVote(
        units=tuple(_units(rgb, round(pixels * part)) for part in FRACTIONS),
        weight=weight,
    )


def _units(rgb: np.ndarray, size: int) -> np.ndarray:
    frames: Sequence[np.ndarray] = [
        superpixel_units(frame[None], size=max(size, 1)) for frame in rgb
    ]
    return np.stack(frames)
