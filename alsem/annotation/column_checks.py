"""Checks of the columns that are written into the label store."""

from collections.abc import Sequence

import numpy as np

Numbers = (
    np.ndarray
    | np.number
    | int
    | float
    | Sequence[np.number]
    | Sequence[int]
    | Sequence[float]
)
"""One number for all rows of a call, or ``[n]``, one for each."""


def integers(
    name: str, value: Numbers, n: int, dtype: type[np.integer], least: int = -1
) -> list[int]:
    """Checks and broadcasts integers to ``n`` rows.

    Raises:
        ValueError: They are no integers of ``least`` to the largest of the dtype, or
            their shape does not fit.
    """
    array = np.asarray(value)
    if array.dtype.kind not in "iu" and array.size:
        raise ValueError(f"{name} must be integers, not {array.dtype}")
    array = np.broadcast_to(array, (n,))
    most = int(np.iinfo(dtype).max)
    if n and not least <= int(array.min()) <= int(array.max()) <= most:
        raise ValueError(f"{name} must lie in {least}..{most}")
    return array.tolist()


def durations(value: Numbers, n: int) -> list[float]:
    """Checks and broadcasts seconds to ``n`` rows.

    Raises:
        ValueError: They are negative or not finite, or their shape does not fit.
    """
    array = np.broadcast_to(np.asarray(value, np.float64), (n,))
    if not (np.isfinite(array) & (array >= 0)).all():
        raise ValueError("seconds must be finite and not negative")
    return array.tolist()
