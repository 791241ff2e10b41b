"""Splits: which frames of a capture, ``Sequence_1[::5]``.

A sequence and a Python slice over its frames; then, in this order and each if wanted,
``but OTHER[slice]`` leaves frames of another split out, ``count N`` takes N of what is
left, evenly, and ``sharpest N`` the sharpest of every N in a row, as for videos.
"""

import dataclasses
import re
from collections.abc import Callable

import cv2
import numpy as np

from alsem.core.errors import InputError
from alsem.data.frame_records import FrameRecord

_PART = r"\s*(-?\d{1,18})?\s*"
_SLICE = rf"\s*([^\[\]/\\]+?)\s*\[{_PART}:{_PART}(?::{_PART})?\]\s*"
_SPLIT = re.compile(
    rf"{_SLICE}(?:\bbut\b{_SLICE})?(?:\b(count|sharpest)\s+(\d{{1,9}}))?\s*"
)
_EXAMPLES = "'Sequence_1[::5]', 'frames[:] but frames[::8]' or 'frames[:] sharpest 5'"


@dataclasses.dataclass(frozen=True)
class Part:
    """A sequence, and which of its frames, by place in their order."""

    sequence: str
    frames: slice


@dataclasses.dataclass(frozen=True)
class Split:
    """A parsed split.

    Attributes:
        text: The split as written, for messages.
        part: What it chooses from.
        without: What it leaves out; None for nothing.
        choice: ``count``, ``sharpest`` or None for all.
        number: Of that choice.
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
            InputError: There is no such sequence, or nothing is selected.
        """
        every = frames(self.part.sequence)
        picked = every[self.part.frames]
        if self.without is not None:
            others = frames(self.without.sequence)[self.without.frames]
            names = {record.name for record in others}
            picked = [record for record in picked if record.name not in names]
        if not picked:
            raise InputError(
                f"split {self.text!r} selects none of the {len(every)} frames of "
                f"{self.part.sequence}; widen its slice"
            )
        if self.choice == "count":
            if self.number > len(picked):
                raise InputError(
                    f"split {self.text!r} has {len(picked)} frames to choose from; "
                    "lower its count"
                )
            places = np.linspace(0, len(picked) - 1, self.number).round().astype(int)
            return [picked[i] for i in places]
        if self.choice == "sharpest":
            windows = range(0, len(picked), self.number)
            return [max(picked[i : i + self.number], key=sharpness) for i in windows]
        return picked


def sharpness(record: FrameRecord) -> float:
    """Variance of the Laplacian of the grey photograph: low where it is blurred."""
    grey = cv2.cvtColor(record.rgb.read(), cv2.COLOR_RGB2GRAY)
    return float(cv2.Laplacian(grey, cv2.CV_32F).var())


def parse_split(text: str) -> Split:
    """Parses a split; every part of a slice may be left out.

    Raises:
        InputError: If the text is not of that form, or a step or number is zero.
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
    assert parts[0] is not None  # the form has one
    return Split(text, parts[0], parts[1], choice, int(number or 0))
