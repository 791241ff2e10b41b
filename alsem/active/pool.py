"""The pool of a scene: its candidates, their geometric cues, and its units."""

import dataclasses
import math

import numpy as np

from alsem import acquisition, surface
from alsem.acquisition import Cameras, Candidates, Units
from alsem.data import Frames
from alsem.surface import SurfaceCache

SAMPLED = 1 << 16  # rays, about, of a subsample of the pool


@dataclasses.dataclass(frozen=True)
class PoolOptions:
    """Which rays may be queried, and what one query covers.

    Attributes:
        voxel_size: Metres; one candidate a voxel in spaced selection.
        min_purity: Rays with a smaller fraction of their weight on one surface are
            never queried.
        granularity: What one query covers: ``point``, ``patch``, ``superpixel``,
            ``volume`` or ``frame``.
        patch_size: Pixels along the side of a patch.
        superpixels: ``slic``, or ``files`` for the capture's own region images.
        superpixel_pixels: Approximate number of pixels of a SLIC superpixel.
        volumes: ``supervoxels`` or ``voxels``.
        volume_size: Metres across either.
    """

    voxel_size: float = 0.05
    min_purity: float = 0.3
    granularity: str = "point"
    patch_size: int = 7
    superpixels: str = "slic"
    superpixel_pixels: int = 150
    volumes: str = "supervoxels"
    volume_size: float = 0.25


@dataclasses.dataclass(frozen=True)
class Pool:
    """What can be queried, seen through one surface cache.

    Attributes:
        cache: The surface cache of the training frames.
        candidates: Where its rays end.
        cues: Geometric cues of every voxel, each ``[v+1]``.
        cameras: Its views.
        units: What one query covers; units keep their pixels when geometry moves.
        table: The units as candidates, one row each.
    """

    cache: SurfaceCache
    candidates: Candidates
    cues: dict[str, np.ndarray]
    cameras: Cameras
    units: Units
    table: Candidates

    @property
    def stride(self) -> int:
        """Step between the rays of a subsample of the pool.

        Coprime to the image width, so that every column is sampled equally often.
        """
        stride = max(self.cache.num_rays // SAMPLED, 1)
        while math.gcd(stride, self.cache.intrinsics.width) > 1:
            stride += 1
        return stride


def open_pool(
    cache: SurfaceCache,
    frames: Frames,
    options: PoolOptions,
    *,
    units: Units | None = None,
) -> Pool:
    """Makes the pool of training frames as a surface cache shows it.

    Args:
        cache: Their surface cache.
        frames: The frames: their valid masks, and what units are made from.
        options: See there.
        units: Units of an earlier cache of the same frames; None to make them.
    """
    arrays = cache.arrays
    numbers = np.arange(len(cache.world_from_cam), dtype=np.int32)
    opaque = arrays["depth_z"] > 0
    if frames.valid_mask is not None:
        opaque &= frames.valid_mask.reshape(-1)
    candidates = acquisition.make_candidates(
        surface.end_points(cache),
        np.asarray(arrays["normal"][:, 0]),
        np.asarray(arrays["diffuse"][:, 0]),
        np.repeat(numbers, cache.rays_per_frame),
        np.where(opaque, arrays["weight"][:, 0], 0).astype(np.uint8),
        voxel_size=options.voxel_size,
        min_purity=options.min_purity,
    )
    cameras = cache_cameras(cache)
    cues = acquisition.geometry_cues(candidates, cameras)
    if units is None:
        units = make_units(candidates, frames, options)
    table = acquisition.unit_candidates(candidates, units)
    # Where geometry has moved, a unit without a surface at first may have one now: it
    # has no anchor to point at, and is not queried.
    table = dataclasses.replace(table, is_valid=table.is_valid & (units.anchor >= 0))
    return Pool(cache, candidates, cues, cameras, units, table)


def cache_cameras(cache: SurfaceCache) -> Cameras:
    """The views of a surface cache, with the depth that it shows."""
    camera = cache.intrinsics
    shape = (len(cache.world_from_cam), camera.height, camera.width)
    return Cameras(
        world_from_cam=cache.world_from_cam,
        intrinsics=camera,
        pixel_offset=cache.pixel_offset,
        depth_z=cache.arrays["depth_z"].reshape(shape),
    )


def make_units(candidates: Candidates, frames: Frames, options: PoolOptions) -> Units:
    """Makes the units of the granularity that the options name."""
    count, height, width = frames.rgb.shape[:3]
    if options.granularity == "point":
        number = acquisition.point_units(len(candidates))
    elif options.granularity == "patch":
        number = acquisition.patch_units(count, height, width, side=options.patch_size)
    elif options.granularity == "frame":
        number = acquisition.frame_units(count, height, width)
    elif options.granularity == "superpixel" and options.superpixels == "files":
        assert frames.regions is not None  # read when the capture was opened
        number = acquisition.region_units(frames.regions)
    elif options.granularity == "superpixel":
        size = options.superpixel_pixels
        number = acquisition.superpixel_units(frames.rgb, size=size)
    elif options.volumes == "voxels":
        number = acquisition.voxel_units(candidates, size=options.volume_size)
    else:
        number = acquisition.supervoxel_units(candidates, size=options.volume_size)
    if frames.valid_mask is not None and options.granularity != "point":
        number = acquisition.units_within(frames.valid_mask.reshape(-1), number)
    return acquisition.make_units(
        options.granularity, number, candidates, image_size=(height, width)
    )
