"""A pool of a floor and a wall that meet, for units of every granularity."""

import dataclasses

import numpy as np
from pools import candidates_at, rows

from alsem.acquisition.candidates import Candidates

FRAMES, HEIGHT, WIDTH = 4, 18, 24
STEP = 0.05  # metres between rays
NODE = 0.1


@dataclasses.dataclass(frozen=True)
class Pool:
    candidates: Candidates
    rgb: np.ndarray
    masks: np.ndarray

    def frames(self, index):
        """The pool with its frames in another order."""
        rays = np.arange(len(self.candidates)).reshape(FRAMES, -1)
        moved = rows(self.candidates, rays[index].ravel())
        moved = dataclasses.replace(moved, frame=self.candidates.frame)
        return Pool(moved, self.rgb[index], self.masks[index])


def corner(*, invalid=0.1, noise=0.002, shift=(0.0, 0.0, 0.0)):
    """Frames of a floor and a wall that meet, each of two colours, a little noisy."""
    rng = np.random.default_rng(0)
    row, column = np.mgrid[:HEIGHT, :WIDTH]
    place = np.zeros((FRAMES, HEIGHT, WIDTH, 3))
    place[..., 0] = column + 3 * np.arange(FRAMES)[:, None, None]
    place[..., 1] = np.minimum(row, HEIGHT // 2)  # the floor, and then up the wall
    place[..., 2] = np.maximum(row - HEIGHT // 2, 0)
    normal = np.where((row > HEIGHT // 2)[..., None], [0, -1, 0], [0, 0, 1])
    is_red = place[..., 0] < 15
    rgb = np.where(is_red[..., None], [200, 40, 40], [40, 40, 200]).astype(np.uint8)
    place = place + shift + rng.normal(0, noise / STEP, place.shape)
    candidates = candidates_at(
        (place * STEP).reshape(-1, 3),
        normal=np.broadcast_to(normal, place.shape).reshape(-1, 3),
        diffuse=rgb.reshape(-1, 3),
        frame=np.repeat(np.arange(FRAMES), HEIGHT * WIDTH),
        purity=np.where(rng.random(is_red.size) < invalid, 0.2, 1.0),
        voxel_size=NODE,
    )
    masks = rng.choice([0, 0, 3, 7, -2, 90], is_red.shape).astype(np.int32)
    return Pool(candidates, rgb, masks)


def partition(unit):
    """First candidate of each candidate's unit: the same for any numbering."""
    first = np.full(unit.max() + 1, len(unit))
    np.minimum.at(first, unit[unit >= 0], np.flatnonzero(unit >= 0))
    return np.where(unit >= 0, first[unit], -1)
