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
    points, others = points.astype(np.float64), others.astype(np.float64)
    picks: list[int] = []
    for _ in range(num):
        seeds = np.concatenate([others, points[picks]])
        if not len(seeds):
            picks.append(0)
            continue
        distance = np.linalg.norm(points[:, None] - seeds, axis=-1)
        picks.append(int(np.argmax(distance.min(axis=1))))
    return picks


def kmeans_plus_plus(left, right, uniform, num):
    """Outer products written out, draws by inverting the cumulative sums."""
    x = np.einsum("sc,sd->scd", left, right).reshape(len(left), -1).astype(np.float64)
    picks = [int(np.argmax(np.linalg.norm(x, axis=1)))]
    for i in range(1, num):
        distance = np.linalg.norm(x[:, None] - x[picks], axis=-1).min(axis=1) ** 2
        ends = np.cumsum(distance)
        picks.append(int(np.searchsorted(ends, uniform[i] * ends[-1], side="right")))
    return picks


def greedy_information_gain(left, right, information, ridge, num):
    terms = np.einsum("sc,sd->scd", left, right).astype(np.float64)
    information, picks = information.astype(np.float64), []
    for _ in range(num):
        gain = (terms / (information + ridge)).sum(axis=(1, 2))
        gain[picks] = -1.0
        picks.append(int(np.argmax(gain)))
        information = information + terms[picks[-1]]
    return picks
