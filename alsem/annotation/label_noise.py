"""Label noise that depends only on the seed and the pixel."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class LabelNoise:
    """Uniform label noise, independent of the order in which pixels are queried.

    Attributes:
        seed: Seed of the noise.
        rate: Probability that a class is replaced by another, all of them equally
            likely. Void is neither replaced nor a replacement.
        num_classes: Number of classes.

    Raises:
        ValueError: The rate is outside [0, 1], or positive with fewer than two
            classes.
    """

    seed: int
    rate: float
    num_classes: int

    def __post_init__(self) -> None:
        """Checks the fields."""
        if not 0 <= self.rate <= 1:
            raise ValueError(f"noise_rate must lie in [0, 1], not {self.rate}")
        if self.rate > 0 and self.num_classes < 2:
            raise ValueError("label noise needs at least two classes")

    def apply(self, labels: np.ndarray, *pixel: np.ndarray) -> np.ndarray:
        """Adds noise to labels ``[n]`` of pixels given as integer columns ``[n]``."""
        if self.rate == 0:
            return labels
        bits = _hash(self.seed, *pixel)
        chance = (bits >> np.uint64(11)) * 2.0**-53
        others = np.uint64(self.num_classes - 1)
        # adding 1 to C-1 modulo C gives every class except the true one
        shift = 1 + (_mix(bits) % others).astype(np.int64)
        wrong = (labels + shift) % self.num_classes
        return np.where((labels >= 0) & (chance < self.rate), wrong, labels)


def _hash(seed: int, *fields: np.ndarray) -> np.ndarray:
    bits = _mix(np.full(fields[0].shape, seed % 2**64, np.uint64))
    for field in fields:
        bits = _mix(bits ^ field.astype(np.uint64))
    return bits


def _mix(bits: np.ndarray) -> np.ndarray:
    """One step of SplitMix64 (Steele, Lea, Flood 2014), modulo 2^64."""
    bits = bits + np.uint64(0x9E3779B97F4A7C15)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
