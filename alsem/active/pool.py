"""The pool of a fitted scene: its candidates, their geometric cues, and its units."""

import dataclasses
import math

import numpy as np

from alsem import acquisition, surface
from alsem.acquisition import Cameras, Candidates, Units, VoxelTables
from alsem.active.experiment import Experiment
from alsem.surface import SurfaceCache

SAMPLED = 1 << 16  # rays, about, that a sample of the pool has


@dataclasses.dataclass(frozen=True)
class Pool:
    """What can be asked about, seen through one surface cache.

    Attributes:
        cache: The cache.
        candidates: Where its rays end.
        cues: Geometric cues of every voxel, leaves ``[v+1]``.
        cameras: Its views.
        units: What one query covers; units keep their pixels when geometry moves.
        table: The units as candidates, one row each.
    """

    cache: SurfaceCache
    candidates: Candidates
    cues: VoxelTables
    cameras: Cameras
    units: Units
    table: Candidates

    @property
    def stride(self) -> int:
        """Every so many rays are looked at where a sample of the pool will do.

        None of an image's own numbers, so that no column is looked at more often.
        """
        stride = max(self.cache.num_rays // SAMPLED, 1)
        while math.gcd(stride, self.cache.intrinsics.width) > 1:
            stride += 1
        return stride


@dataclasses.dataclass(frozen=True)
class Labels:
    """What has been asked and answered so far.

    Attributes:
        pixel: int64 ``[m]``, pixels that were pointed at in queries.
        count: int64 ``[c]``, labelled pixels of every class.
        answers: int64 ``[c]``, answers that gave each class, whatever they cover.
    """

    pixel: np.ndarray
    count: np.ndarray
    answers: np.ndarray


def open_pool(
    experiment: Experiment, cache: SurfaceCache, units: Units | None = None
) -> Pool:
    """The pool as a cache shows it; its units are made anew unless they are given."""
    arrays, active = cache.arrays, experiment.active
    frames = np.arange(len(cache.world_from_cam), dtype=np.int32)
    opaque = arrays["depth_z"] > 0
    valid_mask = experiment.scene.train.valid_mask
    if valid_mask is not None:
        opaque &= valid_mask.reshape(-1)
    candidates = acquisition.make_candidates(
        surface.end_points(cache),
        np.asarray(arrays["normal"][:, 0]),
        np.asarray(arrays["diffuse"][:, 0]),
        np.repeat(frames, cache.rays_per_frame),
        np.where(opaque, arrays["weight"][:, 0], 0).astype(np.uint8),
        voxel_size=active.voxel_size,
        min_purity=active.min_purity,
    )
    camera = cache.intrinsics
    shape = (len(frames), camera.height, camera.width)
    cameras = Cameras(
        world_from_cam=cache.world_from_cam,
        intrinsics=camera,
        pixel_offset=cache.pixel_offset,
        depth_z=arrays["depth_z"].reshape(shape),
    )
    cues = acquisition.voxel_cues(candidates, cameras)
    if units is None:
        units = make_units(experiment, candidates)
    table = acquisition.unit_candidates(candidates, units)
    # Where geometry has moved, a unit may have a surface now and had none at first:
    # it has no place to point at, and is not asked about.
    table = dataclasses.replace(table, is_valid=table.is_valid & (units.anchor >= 0))
    return Pool(cache, candidates, cues, cameras, units, table)


def make_units(experiment: Experiment, candidates: Candidates) -> Units:
    """The units of the granularity that the experiment asks for."""
    active, frames = experiment.active, experiment.scene.train
    count, height, width = frames.rgb.shape[:3]
    if active.granularity == "point":
        number = acquisition.point_units(len(candidates))
    elif active.granularity == "patch":
        number = acquisition.patch_units(count, height, width, side=active.patch_size)
    elif active.granularity == "frame":
        number = acquisition.frame_units(count, height, width)
    elif active.granularity == "superpixel" and active.superpixels == "files":
        assert frames.regions is not None  # asked of the reader by build
        number = acquisition.region_units(frames.regions)
    elif active.granularity == "superpixel":
        size = active.superpixel_pixels
        number = acquisition.superpixel_units(frames.rgb, size=size)
    elif active.volumes == "voxels":
        number = acquisition.voxel_units(candidates, size=active.volume_size)
    else:
        number = acquisition.supervoxel_units(candidates, size=active.volume_size)
    if frames.valid_mask is not None and active.granularity != "point":
        number = acquisition.units_within(frames.valid_mask.reshape(-1), number)
    return acquisition.make_units(
        active.granularity, number, candidates, image_size=(height, width)
    )
