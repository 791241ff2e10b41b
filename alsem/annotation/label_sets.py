"""Label sets that are drawn once, before any model: Semantic-NeRF's ablations.

Zhi, Laidlow, Leutenegger, Davison, *In-Place Scene Labelling and Understanding with
Implicit Scene Representation* (ICCV 2021), section 4: sparse frames, pixel noise,
super-resolution, and propagation from clicks or partial regions. A set is the label
images with void in the place of what is not labelled.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
from scipy import ndimage

from alsem.core.errors import InputError

VOID = -1
_REACH = np.ones((5, 5), bool)  # how far a partial region grows at a time


@dataclasses.dataclass(frozen=True)
class LabelSet:
    """A rule that draws a label set.

    Attributes:
        name: A row of `RULES`.
        values: Its numbers.
    """

    name: str
    values: tuple[float, ...]

    def draw(self, labels: np.ndarray, *, num_classes: int, seed: int) -> np.ndarray:
        """The set's label images, int16 ``[n h w]``, from all labels; -1 void."""
        key = np.random.default_rng([seed, 0x1ABE15])
        return RULES[self.name].draw(labels, self.values, num_classes, key)


def parse_label_set(text: str) -> LabelSet:
    """Parses ``sparse:0.9``, ``click`` and the like.

    Raises:
        InputError: There is no such rule, or its numbers do not fit it.
    """
    name, colon, rest = text.partition(":")
    if name not in RULES:
        raise InputError(
            f"active.label_set={text!r}: no such set; use one of "
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


def _sparse(labels, values, num_classes, draw) -> np.ndarray:
    """Frames kept at even steps."""
    kept = max(len(labels) - int(len(labels) * values[0]), 1)
    return _only(labels, np.linspace(0, len(labels) - 1, kept).round().astype(int))


def _frames(labels, values, num_classes, draw) -> np.ndarray:
    beyond = [int(v) for v in values if v >= len(labels)]
    if beyond:
        raise InputError(
            f"active.label_set: frame {beyond[0]} is beyond the {len(labels)} training"
            " frames; count from 0"
        )
    return _only(labels, np.array(values, int))


def _only(labels: np.ndarray, frames: np.ndarray) -> np.ndarray:
    kept = np.full_like(labels, VOID)
    kept[frames] = labels[frames]
    return kept


def _noise(labels, values, num_classes, draw) -> np.ndarray:
    """A share of every frame's pixels gets any class or void, each as likely."""
    wrong = labels.copy()
    pixels = labels[0].size
    for frame in wrong.reshape(len(labels), -1):
        chosen = draw.permutation(pixels)[: int(pixels * values[0])]
        frame[chosen] = draw.integers(VOID, num_classes, len(chosen))
    return wrong


def _superres(labels, values, num_classes, draw) -> np.ndarray:
    """Pixels on every so manieth row and column."""
    step = int(values[0])
    kept = np.full_like(labels, VOID)
    kept[:, ::step, ::step] = labels[:, ::step, ::step]
    return kept


def _superres_dense(labels, values, num_classes, draw) -> np.ndarray:
    """Shrunk by a factor and grown again, each time to the nearest pixel."""
    step, (height, width) = int(values[0]), labels.shape[1:]
    row, col = (np.arange(side) // step * step for side in (height, width))
    return labels[:, row[:, None], col]


def _click(labels, values, num_classes, draw) -> np.ndarray:
    return _partial(labels, (0.0,), num_classes, draw)


def _partial(labels, values, num_classes, draw) -> np.ndarray:
    """Of each class in each frame, regions grown from random pixels to a share of it.

    At a share of 0 a single pixel. A region that cannot grow on is joined by another.
    """
    kept = np.full_like(labels, VOID)
    for image, out in zip(labels, kept, strict=True):
        for label in np.unique(image[image >= 0]):
            inside = image == label
            wanted = max(inside.sum() * values[0], 1)
            region = np.zeros_like(inside)
            while region.sum() < wanted:
                grown = ndimage.binary_dilation(region, _REACH) & inside
                if not region.any() or (grown == region).all():
                    grown = region.copy()
                    grown.flat[draw.choice(np.flatnonzero(inside & ~region))] = True
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
        _sparse, _one(lambda v: 0 <= v < 1), "sparse:0.9", "share of frames dropped"
    ),
    "frames": _Rule(
        _frames,
        lambda values: bool(values) and all(v >= 0 and v == int(v) for v in values),
        "frames:0,60,120",
        "training frames, from 0",
    ),
    "noise": _Rule(
        _noise, _one(lambda v: 0 <= v <= 1), "noise:0.5", "share of pixels made wrong"
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
        "label images shrunk 8 times",
    ),
    "click": _Rule(
        _click, lambda values: not values, "click", "a pixel of each class and frame"
    ),
    "partial": _Rule(
        _partial,
        _one(lambda v: 0 < v <= 1),
        "partial:0.05",
        "share of each class in each frame",
    ),
}
