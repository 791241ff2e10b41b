"""Runs and segments: how the labels of a unit fall into rows and connected pieces."""

import dataclasses

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph


@dataclasses.dataclass(frozen=True)
class Runs:
    """Pixels of one unit and one label, side by side in one row; by unit, then pixel.

    Attributes:
        owner: ``[n]`` int64, the unit.
        first: ``[n]`` int64, the first pixel.
        length: ``[n]`` int64, pixels.
        label: ``[n]``, never void.
        head: ``[n]`` int64, the first run of the connected segment that it is of.
    """

    owner: np.ndarray
    first: np.ndarray
    length: np.ndarray
    label: np.ndarray
    head: np.ndarray

    @property
    def is_head(self) -> np.ndarray:
        """``[n]`` bool, one True in each connected segment."""
        return self.head == np.arange(self.head.size)


def find_runs(
    owner: np.ndarray, pixel: np.ndarray, label: np.ndarray, image_size: tuple[int, int]
) -> Runs:
    """Cuts units into runs, and joins runs that touch into segments.

    Pixels touch through their edges, not their corners, and within one unit and one
    image only. Void belongs to no run.

    Args:
        owner: ``[m]`` int64, unit of each pixel, ascending.
        pixel: ``[m]`` int64, flat pixel number, ascending within a unit.
        label: ``[m]`` label index, -1 = void.
        image_size: Rows and columns.
    """
    height, width = image_size
    is_named = label >= 0
    owner, pixel, label = owner[is_named], pixel[is_named], label[is_named]
    starts = np.ones(pixel.size, bool)
    starts[1:] = (
        (np.diff(pixel) != 1)
        | (np.diff(label) != 0)
        | (np.diff(owner) != 0)
        | (pixel[1:] % width == 0)
    )
    start = np.flatnonzero(starts)
    run = np.cumsum(starts) - 1
    below = _below(owner, pixel, width)
    # the row under an image's last one belongs to the next image
    touches = (below >= 0) & (pixel // width % height < height - 1)
    touches &= label[below] == label
    return Runs(
        owner[start],
        pixel[start],
        np.diff(start, append=pixel.size),
        label[start],
        _join(start.size, run[touches], run[below[touches]]),
    )


def _below(owner: np.ndarray, pixel: np.ndarray, width: int) -> np.ndarray:
    """Where the pixel one row further down stands, -1 if its unit has none."""
    key = owner * (pixel.max(initial=0) + width + 1) + pixel
    place = np.searchsorted(key, key + width)
    place[place == key.size] = -1
    return np.where(key[place] == key + width, place, -1)


def _join(n: int, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The lowest of n nodes that each hangs together with by edges (one, other)."""
    graph = sparse.coo_array((np.ones(one.size, bool), (one, other)), (n, n))
    _, component = csgraph.connected_components(graph, directed=False)
    _, first, component = np.unique(component, return_index=True, return_inverse=True)
    return first[component]
