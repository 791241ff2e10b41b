"""The labels of a round: the label store's annotations as labelled rays of the pool."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from alsem import training
from alsem.acquisition import Units
from alsem.annotation import Annotations, LabelStore, Totals, expand_annotations
from alsem.core.numerics import padded
from alsem.surface import SurfaceCache

MOST_JUDGED = 1 << 14  # labels of one round that a prediction is compared with, at most


@dataclasses.dataclass(frozen=True)
class LabelledRays:
    """Labelled pool pixels.

    Attributes:
        pixel: int32 ``[n]``, flat pixel numbers.
        label: int32 ``[n]``.
        seen: How many were labelled one by one: all of points and exact answers, one
            of a unit that was answered as a whole; None for all.
    """

    pixel: np.ndarray
    label: np.ndarray
    seen: int | None = None


@dataclasses.dataclass(frozen=True)
class RoundLabels:
    """All that the label store holds up to a round, read once.

    Attributes:
        all: Every labelled ray so far; void answers are left out.
        new: Those of the last round, evenly thinned to at most `MOST_JUDGED`.
        queried_units: int64, units that were queried.
        queried_pixels: int64 ``[m]``, the pixels that queries pointed at.
        pixels_per_class: int64 ``[c]``, labelled pixels of every class.
        answers_per_class: int64 ``[c]``, answers that gave each class, whatever they
            cover.
        totals: Clicks, pixels and seconds spent.
    """

    all: LabelledRays
    new: LabelledRays
    queried_units: np.ndarray
    queried_pixels: np.ndarray
    pixels_per_class: np.ndarray
    answers_per_class: np.ndarray
    totals: Totals


def read_labels(
    store: LabelStore,
    round_index: int,
    *,
    units: Units,
    image_size: tuple[int, int],
    num_classes: int,
) -> RoundLabels:
    """Reads the label store up to and with a round; -1 before the first."""
    snapshot = store.snapshot(round_index)
    annotations, queried = snapshot.annotations, snapshot.queried_units
    anchor = units.anchor[queried]

    def expand(some: Annotations) -> LabelledRays:
        pixel, label = expand_annotations(
            some, unit_pixels=units.unit_pixels, image_size=image_size
        )
        each = np.isin(some.kind, ("point", "exact"))
        seen = np.where(each, some.pixels, 1)[some.label >= 0].sum()
        return LabelledRays(pixel.astype(np.int32), label, int(seen))

    everything = expand(annotations)
    new = expand(annotations.take(annotations.round == round_index))
    stride = 1 + len(new.pixel) // MOST_JUDGED
    # Runs of one segment share a click; a void answer is of no class.
    answer = annotations.label
    answer = answer[(answer >= 0) & (annotations.clicks > 0)]
    return RoundLabels(
        all=everything,
        new=LabelledRays(new.pixel[::stride], new.label[::stride]),
        queried_units=queried,
        queried_pixels=anchor[anchor >= 0],
        pixels_per_class=np.bincount(everything.label, minlength=num_classes),
        answers_per_class=np.bincount(answer, minlength=num_classes),
        totals=snapshot.totals,
    )


def surface_labels(
    labelled: LabelledRays, pool: SurfaceCache
) -> training.LabelledSurface:
    """Labels with the surface samples of their rays: for staged fits.

    Padded to a power of two, so that few sizes are compiled.
    """
    pixel = padded(labelled.pixel, 0)
    return training.LabelledSurface(
        pixel=jnp.asarray(pixel),
        compact=jax.tree.map(jnp.asarray, pool.take(pixel)),
        label=jnp.asarray(padded(labelled.label, -1)),
        count=jnp.int32(len(labelled.label)),
        cameras=pool.cameras,
    )


def pixel_labels(labelled: LabelledRays) -> training.LabelledPixels:
    """Labels of pixels whose rays are rendered in every step: for joint fits."""
    return training.LabelledPixels(
        pixel=jnp.asarray(padded(labelled.pixel, 0)),
        label=jnp.asarray(padded(labelled.label, -1)),
        count=jnp.int32(len(labelled.label)),
    )
