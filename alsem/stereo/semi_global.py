"""Semi-global matching: smooth depth from matching costs.

After Hirschmueller, *Stereo processing by semiglobal matching and mutual information*
(PAMI 2008), with four paths.
"""

import numpy as np

STEP = 0.08  # penalty of a step to the next plane
JUMP = 0.5  # penalty of any larger step
EDGE = 8.0  # grey levels between pixels at which JUMP is halved
LEAST_JUMP = 0.25  # of JUMP, at the strongest edges


def aggregate(cost: np.ndarray, grey: np.ndarray) -> np.ndarray:
    """Adds to every cost that of the cheapest smooth ways to the pixel (PAMI, eq. 13).

    Args:
        cost: Matching costs, float32 ``[d h w]``.
        grey: The photograph, float32 ``[h w]``: depth jumps more easily at its edges.

    Returns:
        Sums over the paths from above, below, left and right, float32 ``[d h w]``.
    """
    down = np.ascontiguousarray(cost.transpose(1, 0, 2))
    right = np.ascontiguousarray(cost.transpose(2, 0, 1))
    vertical = _both_ways(down, _jump(grey)).transpose(1, 0, 2)
    return vertical + _both_ways(right, _jump(grey.T)).transpose(1, 2, 0)


def _jump(grey: np.ndarray) -> np.ndarray:
    """Penalty of a jump between each row and the next, ``[l-1 m]``."""
    edge = np.abs(np.diff(grey, axis=0)) / EDGE
    return (JUMP * np.maximum(1.0 / (1.0 + edge), LEAST_JUMP)).astype(np.float32)


def _both_ways(cost: np.ndarray, jump: np.ndarray) -> np.ndarray:
    return _along(cost, jump) + _along(cost[::-1], jump[::-1])[::-1]


def _along(cost: np.ndarray, jump: np.ndarray) -> np.ndarray:
    """Path costs ``[l d m]`` along the first axis."""
    total = np.empty_like(cost)
    total[0] = cost[0]
    for i in range(1, len(cost)):
        before = total[i - 1]
        least = before.min(axis=0)
        way = np.minimum(before, least + jump[i - 1])
        np.minimum(way[1:], before[:-1] + STEP, out=way[1:])
        np.minimum(way[:-1], before[1:] + STEP, out=way[:-1])
        way -= least
        np.add(way, cost[i], out=total[i])
    return total


def cheapest_depth(cost: np.ndarray, inverse_depths: np.ndarray) -> np.ndarray:
    """Depth of the least cost, between planes by a parabola.

    Costs 3, 1 and 2 at inverse depths .3, .4 and .5 are least at .4 + .1 / 6 = .4167,
    a depth of 2.4.

    Args:
        cost: ``[d h w]``, at least three planes.
        inverse_depths: Evenly spaced, ``[d]``.

    Returns:
        Depth along the optical axis, float32 ``[h w]``.
    """
    plane = np.clip(cost.argmin(axis=0), 1, len(cost) - 2)
    before, at, after = (
        np.take_along_axis(cost, (plane + shift)[None], axis=0)[0]
        for shift in (-1, 0, 1)
    )
    curve = np.maximum(before - 2 * at + after, 1e-6)
    offset = np.clip((before - after) / (2 * curve), -0.5, 0.5)
    step = inverse_depths[1] - inverse_depths[0]
    return (1.0 / (inverse_depths[0] + (plane + offset) * step)).astype(np.float32)
