"""Batch-selection steps that use scores and positions: each narrows or ranks.

Why diversity: the most uncertain candidates lie next to each other, and a batch of
neighbours is hardly more informative than one of them.
"""

import math

import numpy as np
from scipy.cluster.vq import vq

from alsem.acquisition.batch import ranking
from alsem.acquisition.batch.context import (
    Batch,
    Running,
    best_rows,
    filled_up,
    ranked,
    shortlist,
    voxel_rows,
)
from alsem.acquisition.batch.farthest_first import weighted_farthest_first
from alsem.acquisition.candidates import (
    distance_to_nearest,
    surface_area,
    surface_coordinates,
    weighted_coordinates,
)
from alsem.core.numerics import power_of_two
from alsem.core.voxels import compact, voxel_keys

SHORTLIST_PER_PICK = 8  # at least, and less than twice that
MIN_SHORTLIST = 1 << 15
# Weights of normal and colour in `k_centre`, in roots of the surface area.
K_CENTRE_NORMAL, K_CENTRE_COLOUR = 0.02, 0.2
_KMEANS_SAMPLE = 1 << 13
_KMEANS_STEPS = 10


def top_k(batch: Batch, running: Running, *, keep: int) -> Running:
    """The greatest scores."""
    return ranked(running.ids[best_rows(batch, running, keep)])


def one_per_voxel(batch: Batch, running: Running, *, keep: int) -> Running:
    """The best candidate of each voxel."""
    del keep
    return filled_up(batch, running, voxel_rows(batch, running))


def frame_cap(
    batch: Batch, running: Running, *, keep: int, fraction: float = 2.0
) -> Running:
    """The best, with a cap per frame of ``fraction`` times the mean per frame.

    Exact without ranking the pool: the ranking is followed only until ``keep``
    candidates are found.
    """
    frame = batch.candidates.frame[running.ids]
    num_frames = np.count_nonzero(np.bincount(frame))
    cap = math.ceil(fraction * batch.num / max(num_frames, 1))
    length = power_of_two(4 * max(keep, 1))
    while True:
        walk = best_rows(batch, running, length)
        rows = walk[ranking.rank_in_group(frame[walk]) < cap]
        if len(rows) >= keep or len(walk) == len(frame):
            return filled_up(batch, running, rows[:keep])
        length *= 4


def top_fraction(
    batch: Batch, running: Running, *, keep: int, fraction: float = 0.05
) -> Running:
    """The best ``fraction`` of those running, in random order (PixelPick, 5 %)."""
    count = max(math.ceil(fraction * len(running.ids)), keep)
    ids = running.ids[best_rows(batch, running, count)]
    drawn = batch.draws("order")(ids) >> np.uint64(40)  # as many bits as a float32
    return Running(ids, drawn.astype(np.float32) * np.float32(2.0**-24))


def cluster_decay(
    batch: Batch,
    running: Running,
    *,
    keep: int,
    clusters: int = 400,
    decay: float = 0.95,
) -> Running:
    """The best of each voxel, with lower scores for further ones of a cluster (ReDAL).

    Taking the greatest score and multiplying the scores of its cluster by ``decay``,
    repeatedly, equals multiplying the j-th best of a cluster by ``decay**j`` and
    sorting. Clusters are k-means on position, normal and colour, fitted to a sample;
    every voxel belongs to the nearest.
    """
    rows = voxel_rows(batch, running)
    if len(rows) >= batch.num:
        running = running.at(rows)
    if not len(running.ids):
        return running
    order = np.lexsort((batch.draws("ties")(running.ids), -running.scores))
    running = running.at(order)
    cluster = _clusters(batch, running, num=clusters)
    weight = np.float32(decay) ** ranking.rank_in_group(cluster).astype(np.float32)
    running = Running(running.ids, running.scores * weight)
    return ranked(running.ids[best_rows(batch, running, keep)])


def least_labelled(batch: Batch, running: Running, *, keep: int) -> Running:
    """Cells with the fewest labels first, and in each of them the best candidates.

    A cell is as large as the surface per label after this batch; every pick counts as a
    label. Only the best candidate of each voxel takes part.
    """
    candidates = batch.candidates
    rows = voxel_rows(batch, running)
    if len(rows) >= batch.num:
        running = running.at(rows)
    order = np.lexsort((batch.draws("ties")(running.ids), -running.scores))
    ids = running.ids[order]
    area = surface_area(candidates) / max(len(batch.queried) + batch.num, 1)
    x = candidates.x_world[np.concatenate([ids, batch.queried_valid])]
    size = max(math.sqrt(area), candidates.voxel_size)
    cell, num_cells = compact(voxel_keys(x, size=size))
    labels = np.bincount(cell[len(ids) :], minlength=num_cells)
    cell = cell[: len(ids)]
    turn = labels[cell] + ranking.rank_in_group(cell)
    # A separate stream: the draws that order a cell favour cells with many.
    drawn = batch.draws("cells")(ids)
    return ranked(ids[np.lexsort((drawn, -running.scores[order], turn))[:keep]])


def spaced(
    batch: Batch,
    running: Running,
    *,
    keep: int,
    spacing: float = 0.5,
    power: float = 1.0,
    normal_metres: float = 0.0,
    diffuse_metres: float = 0.0,
) -> Running:
    """High scores at a distance from each other and from earlier queries.

    Takes, one after the other, the candidate with the greatest
    ``score * min(distance / radius, 1) ** power``, the distance being that to the
    nearest pick or earlier query. The radius is ``spacing * sqrt(area / labels)``
    with the labels there will be after this batch, so it follows the size of the
    scene and shrinks as labels fill it: 100 labels on 60 square metres and a spacing
    of 0.5 give 0.39 m. With equal scores and a large ``power`` this is Poisson-disk
    sampling; with an infinite ``spacing`` it is farthest-first traversal, the
    2-approximation of k-centre (Gonzalez 1985). Only the best candidate of each voxel
    takes part, and of those a shortlist.

    Args:
        batch: The batch.
        running: Candidates to choose from.
        keep: Number to return.
        spacing: Radius in units of the mean distance between labels.
        power: How strongly closeness lowers the product.
        normal_metres: Metres of distance per unit of difference between normals.
        diffuse_metres: Metres of distance per unit of difference between colours.
    """
    size = max(power_of_two(SHORTLIST_PER_PICK * max(keep, 1)), MIN_SHORTLIST)
    short = shortlist(batch, running, size=size)

    def coordinates(ids: np.ndarray) -> np.ndarray:
        return weighted_coordinates(
            batch.candidates,
            ids,
            normal_metres=normal_metres,
            diffuse_metres=diffuse_metres,
        )

    num_labels = max(len(batch.queried) + batch.num, 1)
    radius = spacing * math.sqrt(surface_area(batch.candidates) / num_labels)
    x = coordinates(short.ids)
    near = distance_to_nearest(x, coordinates(batch.queried_valid))
    picks = weighted_farthest_first(
        x, short.scores, near, num=keep, radius=radius, power=power
    )
    return ranked(short.ids[picks])


def k_centre(
    batch: Batch,
    running: Running,
    *,
    keep: int,
    normal: float = K_CENTRE_NORMAL,
    diffuse: float = K_CENTRE_COLOUR,
) -> Running:
    """The candidates farthest from all labels and picks so far, whatever the scores.

    Args:
        batch: The batch.
        running: Candidates to choose from.
        keep: Number to return.
        normal: Distance per unit of difference between normals, in roots of the
            scene's surface area, so that it means the same in any room.
        diffuse: The same between colours. Colour separates unlabelled objects better
            than position does.
    """
    side = math.sqrt(surface_area(batch.candidates))
    return spaced(
        batch,
        Running(running.ids, np.ones(len(running.ids), np.float32)),
        keep=keep,
        spacing=math.inf,
        normal_metres=normal * side,
        diffuse_metres=diffuse * side,
    )


def _clusters(batch: Batch, running: Running, *, num: int) -> np.ndarray:
    """Cluster of each candidate, int32: Lloyd's k-means on a random sample."""

    def coordinates(ids: np.ndarray) -> np.ndarray:
        return surface_coordinates(batch.candidates, ids).astype(np.float32)

    drawn = np.argsort(batch.draws("clusters")(running.ids))[:_KMEANS_SAMPLE]
    sample = coordinates(running.ids[drawn])
    centres = sample[:num].copy()
    for _ in range(_KMEANS_STEPS):
        nearest = vq(sample, centres)[0]
        count = np.bincount(nearest, minlength=len(centres))
        for axis, column in enumerate(sample.T):
            total = np.bincount(nearest, column, minlength=len(centres))
            mean = total / np.maximum(count, 1)
            centres[:, axis] = np.where(count > 0, mean, centres[:, axis])
    return vq(coordinates(running.ids), centres)[0]
