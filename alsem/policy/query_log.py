"""The query log: what was known of a round's queries before they were answered."""

import dataclasses
from pathlib import Path

import numpy as np

from alsem.core.files import replace_arrays


@dataclasses.dataclass(frozen=True)
class QuerySnapshot:
    """A round's queries and the predictions of the model that selected them.

    Attributes:
        pixel: int64 ``[q]`` flat pool pixels that the queries point at.
        cues: float32 ``[q d]``, what the policy saw of them.
        predicted: uint16 ``[n]`` predicted label of every pool pixel.
    """

    pixel: np.ndarray
    cues: np.ndarray
    predicted: np.ndarray


class QueryLog:
    """Snapshots on disk, ``round_{i}.npz``; writing a round again replaces it."""

    def __init__(self, folder: Path):
        """The folder is made when the first snapshot is written."""
        self._folder = folder

    def write(self, round_index: int, snapshot: QuerySnapshot) -> None:
        """Writes a round's snapshot, whole or not at all."""
        replace_arrays(self._path(round_index), dataclasses.asdict(snapshot))

    def read(self, round_index: int) -> QuerySnapshot | None:
        """A round's snapshot; None if no model selected its queries."""
        path = self._path(round_index)
        if not path.exists():
            return None
        with np.load(path) as arrays:
            return QuerySnapshot(**arrays)

    def has(self, round_index: int) -> bool:
        """Whether a model selected a round's queries."""
        return self._path(round_index).exists()

    def _path(self, round_index: int) -> Path:
        return self._folder / f"round_{round_index}.npz"
