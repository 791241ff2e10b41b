"""The surface cache in memory, and its samples as surface points."""

import dataclasses
import functools
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

from alsem.core.arrays import Array, Float, Int
from alsem.core.pytrees import pytree
from alsem.core.types import FrameCameras, Intrinsics, SurfacePoints, frame_cameras
from alsem.nerf.cameras import pool_rays

FAINT = 2  # of 255: samples with no more of a ray's weight are ignored
EVIDENCE_STEP = 1 / 32  # standard deviations that 1 stands for


@pytree
class CacheCameras:
    """What turns compact samples into points, as an argument of compiled functions.

    Attributes:
        frames: Cameras of the cache's frames.
        t_max: Metres that 65535 stands for.
    """

    frames: FrameCameras
    t_max: Float[Array, ""]


@dataclasses.dataclass(frozen=True)
class SurfaceCache:
    """Compact samples of all rays of some frames, heaviest sample first.

    Attributes:
        arrays: ``t`` uint16 [n s], ``weight`` uint8 [n s] (fractions of 255),
            ``normal`` int8 [n s 3], ``diffuse`` uint8 [n s 3], ``feature`` float16
            [n s f], ``rgb`` uint8 [n 3], ``depth_z`` float32 [n]: rendered depth, and
            perhaps ``evidence`` int8 [n e] (`EVIDENCE_STEP`), of the photographs.
        world_from_cam: [frames 4 4].
        intrinsics: Camera of every frame.
        pixel_offset: Where in a pixel its ray passes.
        t_max: Metres that 65535 stands for.
    """

    arrays: dict[str, np.ndarray]
    world_from_cam: np.ndarray
    intrinsics: Intrinsics
    pixel_offset: tuple[float, float]
    t_max: float

    @property
    def num_rays(self) -> int:
        """Rays in all, frames * height * width."""
        return len(self.arrays["depth_z"])

    @property
    def has_evidence(self) -> bool:
        """Whether rays carry the evidence of their photographs."""
        return "evidence" in self.arrays

    @property
    def rays_per_frame(self) -> int:
        """Rays of one frame."""
        return self.intrinsics.width * self.intrinsics.height

    @functools.cached_property
    def cameras(self) -> CacheCameras:
        """For `decode`."""
        frames = frame_cameras(self.world_from_cam, self.intrinsics, self.pixel_offset)
        return CacheCameras(frames=frames, t_max=jnp.float32(self.t_max))

    def take(
        self, rays: np.ndarray | slice, *, samples: int | None = None
    ) -> dict[str, np.ndarray]:
        """The samples of some rays, all or the heaviest ones, still compact."""
        names = ("t", "weight", "normal", "diffuse", "feature")
        taken = {name: np.asarray(self.arrays[name][rays, :samples]) for name in names}
        if self.has_evidence:
            taken["evidence"] = np.asarray(self.arrays["evidence"][rays])
        return taken

    @functools.cached_property
    def groups(self) -> tuple[tuple[int, np.ndarray], ...]:
        """Numbers of samples, and the rays (ascending) that have so many.

        Nearly all rays of a room end on one surface: with the second sample of the
        others only, a head does half the work.
        """
        heavy = self.arrays["weight"] > FAINT
        count = np.maximum(heavy.sum(axis=1, dtype=np.int8), 1)
        found = ((int(n), np.flatnonzero(count == n)) for n in np.unique(count))
        return tuple((n, rays.astype(np.int32)) for n, rays in found)

    def chunks(
        self, size: int, *, stride: int = 1
    ) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
        """All rays, ``size`` at a time: their numbers int32 and their samples.

        Rays of one number of samples come together. The last chunk of them is padded
        with copies of its last ray, numbered ``num_rays``.

        Args:
            size: Rays of a chunk.
            stride: Step between the rays of a subsample.
        """
        for samples, rays in self.groups:
            rays = rays[::stride]
            for start in range(0, len(rays), size):
                ids = rays[start : start + size]
                extra = size - len(ids)
                inside = np.pad(ids, (0, extra), mode="edge")
                beyond = np.full(extra, self.num_rays, np.int32)
                ids = np.concatenate([ids, beyond])
                yield ids, self.take(inside, samples=samples)

    def frame_chunks(
        self, frames: int = 1
    ) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
        """All rays in order, so many frames at a time: their numbers and all samples.

        The last chunk is padded with copies of the last ray, numbered beyond it.
        """
        size = frames * self.rays_per_frame
        for start in range(0, self.num_rays, size):
            ids = np.arange(start, start + size, dtype=np.int32)
            whole = start + size <= self.num_rays
            inside = np.minimum(ids, self.num_rays - 1)
            yield ids, self.take(slice(start, start + size) if whole else inside)


def decode(
    cameras: CacheCameras, ids: Int[Array, "r"], compact: dict[str, Array]
) -> tuple[SurfacePoints, Float[Array, "r s"], Float[Array, "r s"]]:
    """Surface points of rays, their weights (sum 1) and distances in metres.

    Samples of at most `FAINT` weight have weight 0, so that a chunk may leave them out.
    Weights of (250, 5, 0) become (250, 5, 0) / 255; those of (250, 2, 2), (1, 0, 0).

    Args:
        cameras: `SurfaceCache.cameras`.
        ids: Numbers of the rays; beyond the last they are read as the last.
        compact: Their samples (`SurfaceCache.take`).
    """
    last = cameras.frames.num_rays - 1
    rays = pool_rays(jnp.minimum(ids, last), cameras.frames)
    t = compact["t"].astype(jnp.float32) * (cameras.t_max / 65535.0)
    weight = compact["weight"].astype(jnp.float32)
    weight = jnp.where(weight > FAINT, weight, 0.0)
    weight = weight / jnp.maximum(jnp.sum(weight, axis=-1, keepdims=True), 1.0)
    evidence = None
    if "evidence" in compact:  # of the ray: the same for all of its samples
        evidence = EVIDENCE_STEP * compact["evidence"].astype(jnp.float32)[:, None]
        evidence = jnp.broadcast_to(evidence, (*t.shape, evidence.shape[-1]))
    points = SurfacePoints(
        x_world=rays.origins[:, None] + rays.directions[:, None] * t[..., None],
        normal=compact["normal"].astype(jnp.float32) / 127.0,
        diffuse=compact["diffuse"].astype(jnp.float32) / 255.0,
        feature=compact["feature"].astype(jnp.float32),
        evidence=evidence,
    )
    return points, weight, t


def end_points(cache: SurfaceCache) -> np.ndarray:
    """Where every ray ends, by its heaviest sample: float32 ``[n 3]``, metres."""
    distance = cache.arrays["t"][:, 0].astype(np.float32) * (cache.t_max / 65535.0)
    x_world = np.empty((cache.num_rays, 3), np.float32)
    frames = cache.cameras.frames
    for frame in range(len(cache.world_from_cam)):
        ids = np.arange(cache.rays_per_frame, dtype=np.int32)
        ids += frame * cache.rays_per_frame
        rays = _rays(ids, frames)
        directions = np.asarray(rays.directions)
        x_world[ids] = np.asarray(rays.origins) + directions * distance[ids, None]
    return x_world


_rays = jax.jit(pool_rays)
