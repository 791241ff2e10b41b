"""Run-length encoding of labelled units, and their connected segments."""

import dataclasses

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph


@dataclasses.dataclass(frozen=True)
class Runs:
    """Runs: neighbouring pixels of one row, unit and label, by unit, then pixel.

    Attributes:
        unit: ``[n]`` int64.
        first: ``[n]`` int64, the first pixel.
        length: ``[n]`` int64, number of pixels.
        label: ``[n]``, never void.
        head: ``[n]`` int64, the first run of its connected segment.
    """

    unit: np.ndarray
    first: np.ndarray
    length: np.ndarray
    label: np.ndarray
    head: np.ndarray

    @property
    def is_head(self) -> np.ndarray:
        """Whether each run is the first of its segment, ``[n]`` bool."""
        return self.head == np.arange(self.head.size)


def find_runs(
    unit: np.ndarray, pixel: np.ndarray, label: np.ndarray, image_size: tuple[int, int]
) -> Runs:
    """Finds the runs and connected segments of the labels of units.

    Segments are 4-connected and lie within one unit and one image. Void pixels belong
    to no run. Two rows ``0 0 1`` and ``1 0 1`` of one unit give the runs 00, 1, 1, 0, 1
    with heads 0, 1, 2, 0, 1.

    Args:
        unit: ``[m]`` int64, unit of each pixel, ascending.
        pixel: ``[m]`` int64, flat pool number, ascending within a unit.
        label: ``[m]`` label index, -1 = void.
        image_size: Rows and columns.
    """
    height, width = image_size
    is_labelled = label >= 0
    unit, pixel, label = unit[is_labelled], pixel[is_labelled], label[is_labelled]
    starts = np.ones(pixel.size, bool)
    starts[1:] = (
        (np.diff(pixel) != 1)
        | (np.diff(label) != 0)
        | (np.diff(unit) != 0)
        | (pixel[1:] % width == 0)
    )
    start = np.flatnonzero(starts)
    run = np.cumsum(starts) - 1
    below = _index_below(unit, pixel, width)
    # the row under an image's last one belongs to the next image
    touches = (below >= 0) & (pixel // width % height < height - 1)
    touches &= label[below] == label
    return Runs(
        unit[start],
        pixel[start],
        np.diff(start, append=pixel.size),
        label[start],
        _lowest_connected(start.size, run[touches], run[below[touches]]),
    )


def _index_below(unit: np.ndarray, pixel: np.ndarray, width: int) -> np.ndarray:
    """Index of the pixel one row below, -1 if its unit does not contain it."""
    key = unit * (pixel.max(initial=0) + width + 1) + pixel
    index = np.searchsorted(key, key + width)
    index[index == key.size] = -1
    return np.where(key[index] == key + width, index, -1)


def _lowest_connected(n: int, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Lowest node that each of n nodes is connected to by the edges (one, other)."""
    graph = sparse.coo_array((np.ones(one.size, bool), (one, other)), (n, n))
    _, component = csgraph.connected_components(graph, directed=False)
    _, first, component = np.unique(component, return_index=True, return_inverse=True)
    return first[component]
