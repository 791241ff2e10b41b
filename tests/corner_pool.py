"""A pool of a floor and a wall that meet, for units of every granularity."""

import dataclasses

import numpy as np

from alsem.acquisition.candidates import Candidates, make_candidates

FRAMES, HEIGHT, WIDTH = 4, 18, 24
STEP = 0.05  # metres between rays
NODE = 0.1


@dataclasses.dataclass(frozen=True)
class Pool:
    candidates: Candidates
    rgb: np.ndarray
    masks: np.ndarray

    def frames(self, index):
        """The pool of other frames, or of the same in another order."""
        c = self.candidates
        rays = np.arange(len(c)).reshape(FRAMES, -1)[index].ravel()
        return Pool(
            make_candidates(
                c.x_world[rays],
                c.normal[rays],
                c.diffuse[rays],
                np.repeat(np.arange(len(index), dtype=np.int32), HEIGHT * WIDTH),
                c.purity[rays],
                voxel_size=c.voxel_size,
                min_purity=0.5,
            ),
            self.rgb[index],
            self.masks[index],
        )


def corner(*, seed=0, invalid=0.1, noise=0.002, shift=(0.0, 0.0, 0.0)):
    """Frames of a floor and a wall that meet, each of two colours, a little noisy."""
    rng = np.random.default_rng(seed)
    row, column = np.mgrid[:HEIGHT, :WIDTH]
    place = np.zeros((FRAMES, HEIGHT, WIDTH, 3))
    place[..., 0] = column + 3 * np.arange(FRAMES)[:, None, None]
    place[..., 1] = np.minimum(row, HEIGHT // 2)  # the floor, and then up the wall
    place[..., 2] = np.maximum(row - HEIGHT // 2, 0)
    normal = np.where((row > HEIGHT // 2)[..., None], [0, -1, 0], [0, 0, 1])
    is_red = place[..., 0] < 15
    rgb = np.where(is_red[..., None], [200, 40, 40], [40, 40, 200]).astype(np.uint8)
    place = place + shift + rng.normal(0, noise / STEP, place.shape)
    n = FRAMES * HEIGHT * WIDTH
    candidates = make_candidates(
        (place * STEP).astype(np.float32).reshape(n, 3),
        np.broadcast_to(normal, place.shape).astype(np.float32).reshape(n, 3),
        rgb.reshape(n, 3),
        np.repeat(np.arange(FRAMES, dtype=np.int32), HEIGHT * WIDTH),
        np.where(rng.random(n) < invalid, 0.2, 1.0),
        voxel_size=NODE,
        min_purity=0.5,
    )
    masks = rng.choice([0, 0, 3, 7, -2, 90], (FRAMES, HEIGHT, WIDTH)).astype(np.int32)
    return Pool(candidates, rgb, masks)


def partition(unit):
    """First candidate of each candidate's unit: the same for any numbering."""
    first = np.full(unit.max() + 1, len(unit))
    np.minimum.at(first, unit[unit >= 0], np.flatnonzero(unit >= 0))
    return np.where(unit >= 0, first[unit], -1)
