"""Greedy selections by their definitions: every gain anew for each pick, in float64."""

import numpy as np


def weighted_farthest_first(points, scores, near, *, num, radius, power):
    points, near = points.astype(np.float64), near.astype(np.float64)
    picks: list[int] = []
    for _ in range(num):
        gain = scores * np.minimum(near, radius) ** power
        gain[picks] = -1.0
        picks.append(int(np.argmax(gain)))
        offset = np.linalg.norm(points - points[picks[-1]], axis=-1)
        near = np.minimum(near, offset)
    return picks


def farthest_first(points, others, num):
    offset = np.linalg.norm(points[:, None].astype(np.float64) - others, axis=-1)
    near, scores = offset.min(axis=1, initial=np.inf), np.ones(len(points))
    given = {"num": num, "radius": np.inf, "power": 1.0}
    return weighted_farthest_first(points, scores, near, **given)


def outer_products(left, right):
    return np.einsum("sc,sd->scd", left, right).astype(np.float64)


def kmeans_plus_plus(left, right, uniform, num):
    """Draws by inverting the cumulative sums."""
    x = outer_products(left, right).reshape(len(left), -1)
    picks = [int(np.argmax(np.linalg.norm(x, axis=1)))]
    for i in range(1, num):
        distance = np.linalg.norm(x[:, None] - x[picks], axis=-1).min(axis=1) ** 2
        ends = np.cumsum(distance)
        picks.append(int(np.searchsorted(ends, uniform[i] * ends[-1], side="right")))
    return picks


def greedy_information_gain(left, right, information, ridge, num):
    terms, picks = outer_products(left, right), []
    for _ in range(num):
        known = information + terms[picks].sum(axis=0)
        gain = (terms / (known + ridge)).sum(axis=(1, 2))
        gain[picks] = -1.0
        picks.append(int(np.argmax(gain)))
    return picks
