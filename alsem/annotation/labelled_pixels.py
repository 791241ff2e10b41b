"""Expands answers to labelled pixels."""

import numpy as np

from alsem.annotation.answer_modes import UnitPixelsFn
from alsem.annotation.records import Annotations
from alsem.core.errors import InputError

_WHOLE_UNIT = ("dominant", "click")
_KINDS = ("point", "exact", "mixed", *_WHOLE_UNIT)


def expand_annotations(
    annotations: Annotations,
    *,
    unit_pixels: UnitPixelsFn | None = None,
    image_size: tuple[int, int],
) -> tuple[np.ndarray, np.ndarray]:
    """Finds the pixels that answers label, and their labels.

    Args:
        annotations: The answers. Where two label the same pixel, the later one holds.
        unit_pixels: Gives the pixels of a unit; not needed for points and exact
            answers.
        image_size: Rows and columns of a frame.

    Returns:
        Flat pool numbers ``[m]`` int64, ascending and unique, and their label indices
        ``[m]`` int32. Void and mixed answers label nothing.

    Raises:
        InputError: A unit has another number of pixels than when it was answered.
        ValueError: An answer is of an unknown kind.
    """
    unknown = np.setdiff1d(annotations.kind, _KINDS)
    if unknown.size:
        raise ValueError(f"answers of kind {unknown[0]!r}")
    is_labelled = annotations.label >= 0
    # the pixel of a point, or the first of a run of `length` pixels in a row
    height, width = image_size
    first = annotations.frame.astype(np.int64) * height + annotations.row
    first = (first * width + annotations.col)[is_labelled]
    length, label = annotations.pixels[is_labelled], annotations.label[is_labelled]
    start = np.cumsum(length) - length
    pixel = np.repeat(first - start, length) + np.arange(length.sum())

    is_whole_unit = np.isin(annotations.kind[is_labelled], _WHOLE_UNIT)
    units = annotations.unit[is_labelled]
    for i in np.flatnonzero(is_whole_unit).tolist():
        if unit_pixels is None:
            raise ValueError("answers for whole units need unit_pixels")
        pixels = unit_pixels(int(units[i]))
        if pixels.size != length[i]:
            raise InputError(
                f"unit {units[i]} had {length[i]} pixels when it was answered, and has"
                f" {pixels.size} now; restore the units that the run started with"
            )
        pixel[start[i] : start[i] + length[i]] = pixels

    # of repeated indices the last assignment holds
    label_of = np.full(pixel.max(initial=-1) + 1, -1, np.int32)
    label_of[pixel] = np.repeat(label, length)
    labelled = np.flatnonzero(label_of >= 0)
    return labelled, label_of[labelled]
