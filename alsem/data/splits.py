"""Splits: text that selects frames of a capture, such as ``Sequence_1[::5]``.

A split is a sequence and a Python slice over its frames, then optionally
``but OTHER[slice]``, which leaves out frames of another split, and either
``count N``, which takes N evenly spaced ones of the rest, or ``sharpest N``, which
takes the sharpest of every N consecutive ones, as for videos.
"""

import dataclasses
import re
from collections.abc import Callable

import numpy as np

from alsem.core.errors import InputError
from alsem.data.capture import FrameRecord
from alsem.data.sharpness import sharpness

_PART = r"\s*(-?\d{1,18})?\s*"
_SLICE = rf"\s*([^\[\]/\\]+?)\s*\[{_PART}:{_PART}(?::{_PART})?\]\s*"
_SPLIT = re.compile(
    rf"{_SLICE}(?:\bbut\b{_SLICE})?(?:\b(count|sharpest)\s+(\d{{1,9}}))?\s*"
)
_EXAMPLES = "'Sequence_1[::5]', 'frames[:] but frames[::8]' or 'frames[:] sharpest 5'"


@dataclasses.dataclass(frozen=True)
class Part:
    """A sequence and a slice of its frames."""

    sequence: str
    frames: slice


@dataclasses.dataclass(frozen=True)
class Split:
    """A parsed split.

    Attributes:
        text: The split as written, for messages.
        part: The frames to choose from.
        without: Frames to leave out; None for none.
        choice: ``count``, ``sharpest`` or None for all.
        number: The N of that choice.
    """

    text: str
    part: Part
    without: Part | None = None
    choice: str | None = None
    number: int = 0

    def pick(self, frames: Callable[[str], list[FrameRecord]]) -> list[FrameRecord]:
        """Selects the split's frames.

        Args:
            frames: Lists the frames of a sequence, in order.

        Returns:
            The selected frames, at least one, in order.

        Raises:
            InputError: There is no such sequence, or no frame is selected.
        """
        available = frames(self.part.sequence)
        picked = available[self.part.frames]
        if self.without is not None:
            others = frames(self.without.sequence)[self.without.frames]
            names = {record.name for record in others}
            picked = [record for record in picked if record.name not in names]
        if not picked:
            raise InputError(
                f"split {self.text!r} selects none of the {len(available)} frames of "
                f"{self.part.sequence}; widen its slice"
            )
        if self.choice == "count":
            if self.number > len(picked):
                raise InputError(
                    f"split {self.text!r} has {len(picked)} frames to choose from; "
                    "lower its count"
                )
            indices = np.linspace(0, len(picked) - 1, self.number).round().astype(int)
            return [picked[i] for i in indices]
        if self.choice == "sharpest":
            windows = range(0, len(picked), self.number)
            return [
                max(picked[i : i + self.number], key=lambda r: sharpness(r.rgb.read()))
                for i in windows
            ]
        return picked


def parse_split(text: str) -> Split:
    """Parses a split; every part of a slice may be left out.

    Raises:
        InputError: The text is not of that form, or a step or number is zero.
    """
    match = _SPLIT.fullmatch(text)
    if match is None:
        raise InputError(
            f"split {text!r} is not a sequence folder and a slice; write it like "
            f"{_EXAMPLES}"
        )
    parts = []
    for name, *ends in (match.groups()[:4], match.groups()[4:8]):
        start, stop, step = (None if end is None else int(end) for end in ends)
        if step == 0:
            raise InputError(f"split {text!r} has step 0; write it like {_EXAMPLES}")
        parts.append(None if name is None else Part(name, slice(start, stop, step)))
    choice, number = match.groups()[8:]
    if number is not None and int(number) == 0:
        raise InputError(f"split {text!r} chooses 0 frames; write it like {_EXAMPLES}")
    assert parts[0] is not None  # the expression requires one
    return Split(text, parts[0], parts[1], choice, int(number or 0))
