"""From answers to labelled pixels."""

import numpy as np

from alsem.annotation.annotators.base import Members
from alsem.annotation.rows import Annotations
from alsem.core.errors import InputError

_SPREAD = ("dominant", "click")
_KINDS = ("point", "exact", "mixed", *_SPREAD)


def expand_annotations(
    annotations: Annotations,
    *,
    members: Members | None,
    image_size: tuple[int, int],
) -> tuple[np.ndarray, np.ndarray]:
    """Lists the pixels that answers give a class.

    Args:
        annotations: The answers. Where two give a pixel a class, the later holds.
        members: The pixels of a unit; not needed for points and exact answers.
        image_size: Rows and columns of a frame.

    Returns:
        Flat pool numbers ``[m]`` int64, ascending, none twice, and the label index
        ``[m]`` int32 of each. Void and mixed answers give nothing.

    Raises:
        InputError: A unit has not as many pixels as when it was answered.
        ValueError: An answer is of a kind unknown here.
    """
    unknown = np.setdiff1d(annotations.kind, _KINDS)
    if unknown.size:
        raise ValueError(f"answers of kind {unknown[0]!r}")
    is_named = annotations.label >= 0
    # a point's pixel, or the first of a run: `length` pixels stand side by side
    height, width = image_size
    first = annotations.frame.astype(np.int64) * height + annotations.row
    first = (first * width + annotations.col)[is_named]
    length, label = annotations.pixels[is_named], annotations.label[is_named]
    start = np.cumsum(length) - length
    pixel = np.repeat(first - start, length) + np.arange(length.sum())

    is_spread = np.isin(annotations.kind[is_named], _SPREAD)
    units = annotations.unit[is_named]
    for i in np.flatnonzero(is_spread).tolist():
        if members is None:
            raise ValueError("answers for whole units need members")
        of_unit = members(int(units[i]))
        if of_unit.size != length[i]:
            raise InputError(
                f"unit {units[i]} had {length[i]} pixels when it was answered, and has"
                f" {of_unit.size} now; give back the regions that the run began with"
            )
        pixel[start[i] : start[i] + length[i]] = of_unit

    # a repeated index keeps its last value
    label_of = np.full(pixel.max(initial=-1) + 1, -1, np.int32)
    label_of[pixel] = np.repeat(label, length)
    labelled = np.flatnonzero(label_of >= 0)
    return labelled, label_of[labelled]
