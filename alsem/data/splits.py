"""Splits: a sequence folder and a Python slice over its frames, ``Sequence_1[::5]``."""

import dataclasses
import re
from collections.abc import Sequence
from typing import TypeVar

from alsem.types import InputError

_T = TypeVar("_T")
_PART = r"\s*(-?\d{1,18})?\s*"
_SPLIT = re.compile(rf"\s*([^\[\]/\\]+?)\s*\[{_PART}:{_PART}(?::{_PART})?\]\s*")


@dataclasses.dataclass(frozen=True)
class Split:
    """A parsed split.

    Attributes:
        text: The split as written, for messages.
        sequence: Name of the sequence folder.
        frames: Which of its frames, by place in the order of their numbers.
    """

    text: str
    sequence: str
    frames: slice

    def pick(self, items: Sequence[_T]) -> list[_T]:
        """Selects the split's frames.

        Args:
            items: One item for every frame of the sequence, in order of the numbers.

        Returns:
            The selected items, at least one.

        Raises:
            InputError: If the slice selects nothing.
        """
        picked = list(items[self.frames])
        if not picked:
            raise InputError(
                f"split {self.text!r} selects none of the {len(items)} frames of "
                f"{self.sequence}; widen its slice"
            )
        return picked


def parse_split(text: str) -> Split:
    """Parses ``NAME[start:stop:step]``; every part of the slice may be left out.

    Raises:
        InputError: If the text is not of that form or the step is zero.
    """
    match = _SPLIT.fullmatch(text)
    if match is None:
        raise InputError(
            f"split {text!r} is not a sequence folder and a slice; write it like "
            "'Sequence_1[::5]' or 'Sequence_2[:]'"
        )
    sequence, *parts = match.groups()
    start, stop, step = (None if part is None else int(part) for part in parts)
    if step == 0:
        raise InputError(f"split {text!r} has step 0; write it like 'Sequence_1[::5]'")
    return Split(text, sequence, slice(start, stop, step))
