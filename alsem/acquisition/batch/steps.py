"""Steps of a batch that look at scores and places: each narrows or ranks.

Why diversity at all: the most uncertain candidates huddle together, and a batch of
neighbours teaches hardly more than one of them.
"""

import math

import numpy as np
from scipy.cluster.vq import vq
from scipy.spatial import KDTree

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
from alsem.acquisition.batch.greedy import greedy
from alsem.acquisition.candidates import features, surface_area
from alsem.core.numerics import power_of_two
from alsem.core.voxels import compact, voxel_keys

SHORTLIST_PER_PICK = 8  # at least, and less than twice that
MIN_SHORTLIST = 1 << 15
# Metres that the opposite normal (2 units) or the step from black to white (1.7
# units) are away: both matter about as much as the next piece of furniture.
NORMAL_METRES = 0.3
ALBEDO_METRES = 1.0
# The same of `k_centre`, in roots of the surface area.
NORMAL_SHARE, ALBEDO_SHARE = 0.02, 0.2
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
    """The best, but of no frame more than ``fraction`` times its even share.

    Exact without ranking the pool: the ranking is walked only as far as it takes to
    find ``keep`` candidates.
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
    """Of each voxel the best; of each cluster every further one counts less (ReDAL).

    Taking the greatest score and then multiplying the scores of its cluster by
    ``decay``, again and again, is the same as multiplying the j-th best of a cluster
    by ``decay**j`` and sorting: no loop. Clusters are k-means on position, normal and
    colour, found on a sample, and every voxel belongs to the nearest.
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
    """Places with the fewest labels first, and in each of them the best candidates.

    A place is a cell as large as the surface there is for one label after this batch;
    every pick counts as a label. Of each voxel only the best candidate takes part.
    """
    candidates = batch.candidates
    rows = voxel_rows(batch, running)
    if len(rows) >= batch.num:
        running = running.at(rows)
    order = np.lexsort((batch.draws("ties")(running.ids), -running.scores))
    ids = running.ids[order]
    area = surface_area(candidates) / max(len(batch.queried) + batch.num, 1)
    x = candidates.x_world[np.concatenate([ids, batch.places])]
    size = max(math.sqrt(area), candidates.voxel_size)
    cell, num_cells = compact(voxel_keys(x, size=size))
    labels = np.bincount(cell[len(ids) :], minlength=num_cells)
    cell = cell[: len(ids)]
    turn = labels[cell] + ranking.rank_in_group(cell)
    # A stream of its own: the draws that order a cell favour cells with many.
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
    """Good scores that keep their distance from each other and from earlier labels.

    Takes, one after the other, the candidate with the greatest
    ``score * min(distance / radius, 1) ** power``, the distance being that to the
    nearest pick or earlier label. The radius is ``spacing * sqrt(area / labels)``
    with the labels there will be after this batch, so it follows the size of the
    scene and shrinks as labels fill it. With an infinite ``spacing`` and equal scores
    this is farthest-first traversal, the 2-approximation of k-centre (Gonzalez 1985).
    Only the best candidate of each voxel takes part, and of those a shortlist.

    Args:
        batch: The batch.
        running: Candidates to choose from.
        keep: How many to return.
        spacing: Radius in units of the mean distance between labels.
        power: How sharply closeness is punished.
        normal_metres: Metres of distance per unit of difference between normals.
        diffuse_metres: Metres of distance per unit of difference between colours.
    """
    size = max(power_of_two(SHORTLIST_PER_PICK * max(keep, 1)), MIN_SHORTLIST)
    short = shortlist(batch, running, size=size)

    def place(ids: np.ndarray) -> np.ndarray:
        return features(
            batch.candidates,
            ids,
            normal_metres=normal_metres,
            diffuse_metres=diffuse_metres,
        )

    num_labels = max(len(batch.queried) + batch.num, 1)
    radius = spacing * math.sqrt(surface_area(batch.candidates) / num_labels)
    x = place(short.ids)
    near = distance_to(x, place(batch.places))
    picks = greedy(x, short.scores, near, num=keep, radius=radius, power=power)
    return ranked(short.ids[picks])


def k_centre(
    batch: Batch,
    running: Running,
    *,
    keep: int,
    normal: float = NORMAL_SHARE,
    diffuse: float = ALBEDO_SHARE,
) -> Running:
    """The least like all labels and picks so far, whatever their scores.

    Args:
        batch: The batch.
        running: Candidates to choose from.
        keep: How many to return.
        normal: Distance per unit of difference between normals, in roots of the
            scene's surface area, so that it means the same in any room.
        diffuse: The same between colours. Colour tells things apart that nobody has
            met yet better than place does.
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


def distance_to(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Distance float32 ``[s]`` to the nearest of the others; infinite without any."""
    if not len(others):
        return np.full(len(points), np.inf, np.float32)
    return KDTree(others).query(points)[0].astype(np.float32)


def _clusters(batch: Batch, running: Running, *, num: int) -> np.ndarray:
    """Cluster of each candidate, int32: Lloyd's k-means on a random sample."""

    def place(ids: np.ndarray) -> np.ndarray:
        return features(
            batch.candidates,
            ids,
            normal_metres=NORMAL_METRES,
            diffuse_metres=ALBEDO_METRES,
        ).astype(np.float32)

    drawn = np.argsort(batch.draws("clusters")(running.ids))[:_KMEANS_SAMPLE]
    sample = place(running.ids[drawn])
    centres = sample[:num].copy()
    for _ in range(_KMEANS_STEPS):
        nearest = vq(sample, centres)[0]
        count = np.bincount(nearest, minlength=len(centres))
        for axis, column in enumerate(sample.T):
            total = np.bincount(nearest, column, minlength=len(centres))
            mean = total / np.maximum(count, 1)
            centres[:, axis] = np.where(count > 0, mean, centres[:, axis])
    return vq(place(running.ids), centres)[0]
