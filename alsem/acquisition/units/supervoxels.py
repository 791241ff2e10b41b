"""Volumes: voxels and supervoxels of the surface, shared by all views that see them.

Supervoxels are grown by merging: fine voxels of the surface are the nodes of a graph,
and the two neighbours that differ least are merged until the wanted number is left.
Differences count by Ward's criterion (1963), the least increase of the variance within
segments, so a bare wall becomes a few large segments and a shelf many small ones.

Why not grow from seeds, as SLIC and VCCS do: an object smaller than the distance
between seeds gets none and joins its neighbour. On two rooms merging was purer than
seeded growth by shortest paths and than k-means with three times as many segments.
"""

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

from alsem.acquisition.candidates import BYTE_SCALE, NORMAL_SCALE, Candidates
from alsem.core.arrays import Float, Int
from alsem.core.voxels import compact, voxel_keys

NEAREST = 8  # edges of each node of an isolated piece of surface
SUBSTEPS = 4096  # of a node's edge, to which positions are rounded
# Half of the 26 neighbours of a cell, one of each opposite pair.
_AHEAD = [
    (i, j, k)
    for i in (-1, 0, 1)
    for j in (-1, 0, 1)
    for k in (-1, 0, 1)
    if (i, j, k) > (0, 0, 0)
]


def voxel_units(candidates: Candidates, *, size: float) -> Int[np.ndarray, "n"]:
    """Cubes of ``size`` metres that hold a valid candidate."""
    if size == candidates.voxel_size:
        return candidates.voxel
    unit = np.full(len(candidates), -1, np.int32)
    x_world = candidates.x_world[candidates.is_valid]
    unit[candidates.is_valid] = compact(voxel_keys(x_world, size=size))[0]
    return unit


def supervoxel_units(
    candidates: Candidates,
    *,
    size: float,
    node_size: float = 0.03,
    normal_metres: float = 3.0,
    diffuse_metres: float = 10.0,
) -> Int[np.ndarray, "n"]:
    """Connected segments of the surface, similar in position, normal and colour.

    Args:
        candidates: The pool; those not valid are in no unit.
        size: Root of the mean area of a segment, metres: there are as many segments as
            squares of this side on the surface. Segments differ in area, and surfaces
            farther apart than this are never joined.
        node_size: Edge of the voxels that segments consist of, metres.
        normal_metres: Metres of distance per unit of difference between normals.
        diffuse_metres: Metres of distance per unit of difference between colours.

    Returns:
        int32 unit of every candidate of the pool; the same for any order of it.

    Raises:
        ValueError: If ``node_size`` is not positive or greater than ``size``.
    """
    if not 0 < node_size <= size:
        raise ValueError(f"supervoxels of {size} m out of voxels of {node_size} m")
    node = voxel_units(candidates, size=node_size)
    of_valid = node[candidates.is_valid]
    x_world, normal, diffuse = _node_means(candidates, of_valid, node_size)
    # From any one candidate: a mean may round into the next cell.
    cell = np.empty((len(x_world), 3), np.int64)
    cell[of_valid] = np.floor(
        candidates.x_world[candidates.is_valid].astype(np.float64) / node_size
    )
    edges = _connect_pieces(x_world, _neighbours(cell), reach=size)
    features = np.concatenate(
        [x_world, normal_metres * normal, diffuse_metres * diffuse], axis=-1
    )
    num = max(round(len(cell) * (node_size / size) ** 2), 1)
    segment = _merge(features, edges, num=num)
    unit = np.full(len(candidates), -1, np.int32)
    unit[candidates.is_valid] = segment[of_valid]
    return unit


def _node_means(
    candidates: Candidates, node: np.ndarray, node_size: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean position, normal and colour of nodes, float64 ``[v 3]`` each.

    Sums of integers are exact, so the order of the pool does not matter.
    """
    count = np.maximum(np.bincount(node), 1)
    step = node_size / SUBSTEPS

    def mean(values: np.ndarray, unit: float, *, rounded: bool = False) -> np.ndarray:
        sums = []
        for axis in range(3):
            column = values[candidates.is_valid, axis]
            if rounded:
                column = np.rint(column.astype(np.float64) / unit)
            sums.append(np.bincount(node, column))
        return np.stack(sums, axis=-1) / count[:, None] * unit

    return (
        mean(candidates.x_world, step, rounded=True),
        mean(candidates.normal, 1 / NORMAL_SCALE),
        mean(candidates.diffuse, 1 / BYTE_SCALE),
    )


def _neighbours(cell: Int[np.ndarray, "v 3"]) -> Int[np.ndarray, "2 e"]:
    """Pairs of cells that share a face, an edge or a corner."""
    # With an empty cell on every side no neighbour wraps around.
    span = np.ptp(cell, axis=0) + 3 if len(cell) else np.ones(3, np.int64)
    stride = np.array([span[1] * span[2], span[2], 1])
    key = (cell - cell.min(axis=0, initial=0) + 1) @ stride
    order = np.argsort(key)
    ascending = key[order]
    pairs = []
    for offset in _AHEAD:
        sought = key + np.array(offset) @ stride
        place = np.minimum(np.searchsorted(ascending, sought), max(len(key) - 1, 0))
        hit = np.flatnonzero(ascending[place] == sought)
        pairs.append(np.stack([hit, order[place[hit]]]))
    return np.concatenate(pairs, axis=1)


def _connect_pieces(
    x_world: np.ndarray, edges: np.ndarray, *, reach: float
) -> Int[np.ndarray, "2 e"]:
    """Edges, and further ones from isolated pieces to their nearest nodes within reach.

    Far from the cameras rays end farther apart than the width of a node; without these
    edges each would be a segment of its own.
    """
    num = len(x_world)
    ones = np.ones(edges.shape[1], np.int8)
    piece = connected_components(coo_array((ones, edges), (num, num)), directed=False)[
        1
    ]
    area = np.bincount(piece)
    isolated = np.flatnonzero(area[piece] < area.max(initial=0))
    if not len(isolated):
        return edges
    near = KDTree(x_world).query(
        x_world[isolated], NEAREST + 1, distance_upper_bound=reach
    )[1]
    pairs = np.stack([np.repeat(isolated, NEAREST + 1), near.reshape(-1)])
    pairs = pairs[:, pairs[1] < num]  # no more nodes within reach
    pairs = pairs[:, piece[pairs[0]] != piece[pairs[1]]]
    return np.concatenate([edges, _distinct(pairs, num)], axis=1)


def _distinct(edges: np.ndarray, num: int) -> Int[np.ndarray, "2 e"]:
    """Every pair of different nodes once, the lower number first, ascending."""
    low, high = edges.min(axis=0).astype(np.int64), edges.max(axis=0)
    key = np.unique((low * num + high)[low != high])
    return np.stack([key // num, key % num])


def _merge(
    features: Float[np.ndarray, "v d"], edges: Int[np.ndarray, "2 e"], *, num: int
) -> Int[np.ndarray, "v"]:
    """Merges neighbours until ``num`` segments are left, or no neighbours.

    In each pass the cheaper half of all pairs that are each other's cheapest merge at
    once, which gives the order of one merge at a time (reciprocal nearest neighbours,
    Murtagh 1983).

    Args:
        features: Coordinates whose squared distance is the difference of nodes.
        edges: Pairs of neighbours.
        num: Number of segments wanted.

    Returns:
        int32 segment of every node, numbered in the order of the nodes.
    """
    segment = np.arange(len(features), dtype=np.int32)
    mean, weight = features.copy(), np.ones(len(features))
    edges = _distinct(edges, len(features))
    while len(weight) > num and edges.shape[1]:
        low, high = edges
        fraction = weight[low] * weight[high] / (weight[low] + weight[high])
        cost = fraction * np.square(mean[low] - mean[high]).sum(axis=-1)
        pairs = _reciprocal(cost, edges, len(weight))
        most = min(-(-len(pairs) // 2), len(weight) - num)
        pairs = pairs[np.argsort(cost[pairs], kind="stable")[:most]]
        low, high = edges[:, pairs]
        total = weight[low] + weight[high]
        mean[low] += (mean[high] - mean[low]) * (weight[high] / total)[:, None]
        weight[low] = total
        is_left = np.ones(len(weight), bool)
        is_left[high] = False
        number = np.cumsum(is_left, dtype=np.int32) - np.int32(1)
        number[high] = number[low]
        segment = number[segment]
        mean, weight = mean[is_left], weight[is_left]
        edges = _distinct(number[edges], len(weight))
    return segment


def _reciprocal(cost: np.ndarray, edges: np.ndarray, num: int) -> np.ndarray:
    """The edges that are the cheapest of both their nodes; of equal ones the first."""
    best = np.full(num, np.inf)
    first = np.full(num, len(cost))
    index = np.arange(len(cost))
    for node in edges:
        np.minimum.at(best, node, cost)
    for node in edges:
        is_best = cost == best[node]
        np.minimum.at(first, node[is_best], index[is_best])
    return np.flatnonzero((first[edges[0]] == index) & (first[edges[1]] == index))
