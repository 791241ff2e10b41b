"""Fixed label sets, drawn before training: the ablations of Semantic-NeRF.

Zhi, Laidlow, Leutenegger, Davison, *In-Place Scene Labelling and Understanding with
Implicit Scene Representation* (ICCV 2021), section 4: sparse frames, pixel noise,
super-resolution, and propagation from clicks or partial regions. A label set is the
label images with void where nothing is labelled.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
from scipy import ndimage

from alsem.core.errors import InputError

VOID = -1
_GROWTH = np.ones((5, 5), bool)  # dilation of a partial region per step


@dataclasses.dataclass(frozen=True)
class LabelSet:
    """A rule for drawing labels.

    Attributes:
        name: A row of `RULES`.
        values: Parameters of the rule.
    """

    name: str
    values: tuple[float, ...]

    def draw(self, labels: np.ndarray, *, num_classes: int, seed: int) -> np.ndarray:
        """Draws label images ``[n h w]`` int16, -1 where void, from all labels."""
        rng = np.random.default_rng([seed, 0x1ABE15])
        return RULES[self.name].draw(labels, self.values, num_classes, rng)


def parse_label_set(text: str) -> LabelSet:
    """Parses ``sparse:0.9``, ``click`` and the like.

    Raises:
        InputError: The rule does not exist, or its parameters are wrong.
    """
    name, colon, rest = text.partition(":")
    if name not in RULES:
        raise InputError(
            f"active.label_set={text!r}: no such label set; use one of "
            + ", ".join(rule.example for rule in RULES.values())
        )
    rule = RULES[name]
    try:
        values = tuple(float(part) for part in rest.split(",")) if colon else ()
    except ValueError:
        values = (float("nan"),)
    if not np.isfinite(values).all() or not rule.fits(values):
        raise InputError(
            f"active.label_set={text!r}: write it like {rule.example!r} ({rule.what})"
        )
    return LabelSet(name, values)


def _sparse(labels, values, num_classes, rng) -> np.ndarray:
    """Keeps frames at even steps."""
    kept = max(len(labels) - int(len(labels) * values[0]), 1)
    return _only(labels, np.linspace(0, len(labels) - 1, kept).round().astype(int))


def _frames(labels, values, num_classes, rng) -> np.ndarray:
    """Keeps the frames with the given numbers."""
    beyond = [int(v) for v in values if v >= len(labels)]
    if beyond:
        raise InputError(
            f"active.label_set: frame {beyond[0]} does not exist: there are"
            f" {len(labels)} training frames, counted from 0"
        )
    return _only(labels, np.array(values, int))


def _only(labels: np.ndarray, frames: np.ndarray) -> np.ndarray:
    kept = np.full_like(labels, VOID)
    kept[frames] = labels[frames]
    return kept


def _noise(labels, values, num_classes, rng) -> np.ndarray:
    """Replaces a fraction of each frame's pixels by random classes or void."""
    wrong = labels.copy()
    pixels = labels[0].size
    for frame in wrong.reshape(len(labels), -1):
        chosen = rng.permutation(pixels)[: int(pixels * values[0])]
        frame[chosen] = rng.integers(VOID, num_classes, len(chosen))
    return wrong


def _superres(labels, values, num_classes, rng) -> np.ndarray:
    """Keeps the pixels of every n-th row and column."""
    step = int(values[0])
    kept = np.full_like(labels, VOID)
    kept[:, ::step, ::step] = labels[:, ::step, ::step]
    return kept


def _superres_dense(labels, values, num_classes, rng) -> np.ndarray:
    """Downsamples and upsamples again, both by nearest neighbour."""
    step, (height, width) = int(values[0]), labels.shape[1:]
    row, col = (np.arange(side) // step * step for side in (height, width))
    return labels[:, row[:, None], col]


def _click(labels, values, num_classes, rng) -> np.ndarray:
    """Keeps one random pixel of each class in each frame."""
    return _partial(labels, (0.0,), num_classes, rng)


def _partial(labels, values, num_classes, rng) -> np.ndarray:
    """Grows a region to a fraction of the pixels of each class in each frame.

    It starts from one random pixel, which is all for a fraction of 0. Where it cannot
    grow further another random pixel is added.
    """
    kept = np.full_like(labels, VOID)
    for image, out in zip(labels, kept, strict=True):
        for label in np.unique(image[image >= 0]):
            inside = image == label
            wanted = max(inside.sum() * values[0], 1)
            region = np.zeros_like(inside)
            while region.sum() < wanted:
                grown = ndimage.binary_dilation(region, _GROWTH) & inside
                if not region.any() or (grown == region).all():
                    grown = region.copy()
                    grown.flat[rng.choice(np.flatnonzero(inside & ~region))] = True
                region = grown
            out[region] = label
    return kept


@dataclasses.dataclass(frozen=True)
class _Rule:
    draw: Callable[..., np.ndarray]
    fits: Callable[[tuple[float, ...]], bool]
    example: str
    what: str


def _one(fits: Callable[[float], bool]) -> Callable[[tuple[float, ...]], bool]:
    return lambda values: len(values) == 1 and fits(values[0])


RULES: dict[str, _Rule] = {
    "sparse": _Rule(
        _sparse, _one(lambda v: 0 <= v < 1), "sparse:0.9", "fraction of frames dropped"
    ),
    "frames": _Rule(
        _frames,
        lambda values: bool(values) and all(v >= 0 and v == int(v) for v in values),
        "frames:0,60,120",
        "numbers of training frames, from 0",
    ),
    "noise": _Rule(
        _noise, _one(lambda v: 0 <= v <= 1), "noise:0.5", "fraction of pixels replaced"
    ),
    "superres": _Rule(
        _superres,
        _one(lambda v: v >= 1 and v == int(v)),
        "superres:8",
        "labels on every 8th row and column",
    ),
    "superres_dense": _Rule(
        _superres_dense,
        _one(lambda v: v >= 1 and v == int(v)),
        "superres_dense:8",
        "label images downsampled 8 times",
    ),
    "click": _Rule(
        _click,
        lambda values: not values,
        "click",
        "one pixel of each class in each frame",
    ),
    "partial": _Rule(
        _partial,
        _one(lambda v: 0 < v <= 1),
        "partial:0.05",
        "fraction of each class in each frame",
    ),
}
