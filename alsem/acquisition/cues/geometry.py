"""Geometric cues: quantities of a surface voxel that only geometry decides.

Each cue is one function of `SurfaceVoxels` with one value per voxel. They are computed
by passes over the candidates, never by comparing views with views, so the work grows
with the number of candidates, and their order does not matter.
"""

import dataclasses
from functools import cached_property

import numpy as np

from alsem.acquisition.candidates import BYTE_SCALE, NORMAL_SCALE, Candidates
from alsem.acquisition.cues.depth_consistency import Cameras, consistency
from alsem.acquisition.voxel_statistics import (
    neighbour_mean,
    representatives,
    voxel_means,
)
from alsem.core.arrays import Float, Int

MIN_EXTENT = 1e-4  # of a voxel's edge: points closer together have no shape


@dataclasses.dataclass(frozen=True)
class SurfaceVoxels:
    """The voxels of a pool, and what several cues have in common, computed once.

    Attributes:
        candidates: The pool.
        cameras: Its views; None if they are not known.

    Raises:
        ValueError: If a candidate's frame has no camera.
    """

    candidates: Candidates
    cameras: Cameras | None = None

    def __post_init__(self):
        """Checks the frames."""
        frames = self.candidates.frame[self.candidates.is_valid]
        if self.cameras is None or not len(frames):
            return
        if not 0 <= frames.min() <= frames.max() < len(self.cameras):
            raise ValueError(
                f"candidates of frames {frames.min()} to {frames.max()},"
                f" but {len(self.cameras)} cameras"
            )

    @property
    def num_voxels(self) -> int:
        """Number of occupied voxels."""
        return self.candidates.num_voxels

    @cached_property
    def voxel(self) -> Int[np.ndarray, "m"]:
        """Voxel of every valid candidate."""
        return self.candidates.voxel[self.candidates.is_valid]

    @cached_property
    def x_world(self) -> Float[np.ndarray, "m 3"]:
        """Position of every valid candidate, float64, metres."""
        return self.candidates.x_world[self.candidates.is_valid].astype(np.float64)

    @cached_property
    def count(self) -> Int[np.ndarray, "v"]:
        """Number of candidates in every voxel."""
        return np.bincount(self.voxel, minlength=self.num_voxels)

    @cached_property
    def representative(self) -> Int[np.ndarray, "v"]:
        """One candidate of every voxel, see `representatives`."""
        return representatives(self.candidates)

    @cached_property
    def points(self) -> Float[np.ndarray, "v 3"]:
        """The representatives' positions, metres."""
        return self.candidates.x_world[self.representative]

    @cached_property
    def views(self) -> tuple[Int[np.ndarray, "q"], Int[np.ndarray, "q"]]:
        """Every pair of a voxel and a frame that has a candidate in it."""
        candidates = self.candidates
        num_frames = int(candidates.frame.max(initial=0)) + 1
        frame = candidates.frame[candidates.is_valid]
        pair = self.voxel.astype(np.int64) * num_frames + frame
        # Sorting integers is vectorised; np.unique of millions is several times slower.
        pair.sort()
        pair = pair[np.diff(pair, prepend=-1) > 0]
        voxel, frame = np.divmod(pair, num_frames)
        return voxel, frame

    @cached_property
    def num_views(self) -> Int[np.ndarray, "v"]:
        """Number of frames that see every voxel."""
        return np.bincount(self.views[0], minlength=self.num_voxels)

    @cached_property
    def camera_offset(self) -> tuple[np.ndarray, np.ndarray]:
        """Unit vectors ``[q 3]`` and metres ``[q]`` from voxels to their cameras.

        One row for each pair of `views`: a voxel counts its views, not its rays.
        """
        assert self.cameras is not None
        voxel, frame = self.views
        centre = voxel_means(self.voxel, self.x_world, count=self.count)
        offset = np.asarray(self.cameras.world_from_cam)[frame, :3, 3] - centre[voxel]
        distance = np.linalg.norm(offset, axis=-1)
        offset /= np.maximum(distance, 1e-9)[:, None]
        return offset, distance


def num_views(surface: SurfaceVoxels) -> Int[np.ndarray, "v"]:
    """Number of frames that see the voxel."""
    return surface.num_views


def directions(surface: SurfaceVoxels) -> Float[np.ndarray, "v"]:
    """One minus the length of the mean viewing direction, in [0, 1].

    0 for one direction, 1 for two opposite ones; 0 without cameras.
    """
    if surface.cameras is None:
        return np.zeros(surface.num_voxels)
    mean = voxel_means(
        surface.views[0], surface.camera_offset[0], count=surface.num_views
    )
    return np.clip(1.0 - np.linalg.norm(mean, axis=-1), 0.0, 1.0)


def view_distance(surface: SurfaceVoxels) -> Float[np.ndarray, "v"]:
    """Mean distance to the cameras that see the voxel, metres; 0 without cameras."""
    if surface.cameras is None:
        return np.zeros(surface.num_voxels)
    distance = surface.camera_offset[1][:, None]
    return voxel_means(surface.views[0], distance, count=surface.num_views)[:, 0]


def coherence(surface: SurfaceVoxels) -> Float[np.ndarray, "v"]:
    """Length of the voxel's mean normal, in [0, 1]; 0 without normals.

    1 on a flat surface, ``cos 45 deg`` on a crease of two equal faces at right angles.
    """
    candidates = surface.candidates
    normal = candidates.normal[candidates.is_valid]
    mean = voxel_means(surface.voxel, normal, count=surface.count)
    # Rounding to int8 can leave a unit normal slightly too long.
    return np.minimum(np.linalg.norm(mean, axis=-1) / NORMAL_SCALE, 1.0)


def variation(surface: SurfaceVoxels) -> Float[np.ndarray, "v"]:
    """Surface variation of the neighbourhood, in [0, 1/3] (Pauly et al. 2002).

    Least eigenvalue over trace of the covariance of positions in the voxel and the
    occupied ones around it: 0 on a plane, 1/3 where points fill space. Every voxel
    has the same weight, however many rays end in it.
    """
    x_world, size = surface.x_world, surface.candidates.voxel_size
    # Relative to the middle of the scene, so that little cancels in the subtraction.
    x_world = x_world - x_world.mean(axis=0) if len(x_world) else x_world
    i, j = np.triu_indices(3)
    products = (x_world[:, a] * x_world[:, b] for a, b in zip(i, j, strict=True))

    def mean_of(values: np.ndarray) -> np.ndarray:
        return voxel_means(surface.voxel, values, count=surface.count)

    moments = [mean_of(x_world), *(mean_of(product[:, None]) for product in products)]
    moments = np.concatenate(moments, axis=-1)
    moments = neighbour_mean(moments, surface.points, size=size)
    mean = moments[:, :3]
    covariance = np.empty((len(mean), 3, 3))
    covariance[:, i, j] = covariance[:, j, i] = moments[:, 3:] - mean[:, i] * mean[:, j]
    trace = np.trace(covariance, axis1=-2, axis2=-1)
    least = np.linalg.eigvalsh(covariance)[:, 0]
    # A single point, or all of them in one place, has no shape: it counts as flat.
    has_shape = trace > (MIN_EXTENT * size) ** 2
    ratio = np.where(has_shape, least / np.where(has_shape, trace, 1.0), 0.0)
    return np.clip(ratio, 0.0, 1.0 / 3.0)


def gradient(surface: SurfaceVoxels) -> Float[np.ndarray, "v"]:
    """Mean absolute difference to the neighbourhood's mean colour, in [0, 1]."""
    candidates, voxel = surface.candidates, surface.voxel
    diffuse = candidates.diffuse[candidates.is_valid]
    mean = voxel_means(voxel, diffuse, count=surface.count)
    mean = neighbour_mean(mean, surface.points, size=candidates.voxel_size)
    total = np.zeros(surface.num_voxels)
    for channel in range(3):
        difference = np.abs(diffuse[:, channel] - mean[:, channel][voxel])
        total += voxel_means(voxel, difference[:, None], count=surface.count)[:, 0]
    return total / (3 * BYTE_SCALE)


def depth_agreement(surface: SurfaceVoxels) -> Float[np.ndarray, "v"]:
    """Fraction of the conclusive views that agree, see `consistency`; 1 without."""
    if surface.cameras is None:
        return np.ones(surface.num_voxels)
    frame = surface.candidates.frame[surface.representative]
    return consistency(surface.points, frame, surface.cameras)
