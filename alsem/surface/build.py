"""Building a surface cache: frames rendered, reduced and written to resumable files."""

import functools
import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from alsem.core.arrays import Array, Float
from alsem.core.files import replace_file, write_errors
from alsem.core.memoize import memoize
from alsem.core.mesh import map_rays, padded_size, put
from alsem.core.types import Intrinsics, RenderedRays, SurfacePoints
from alsem.nerf import Nerf, ray_sampling, volume_rendering
from alsem.nerf.cameras import pool_rays
from alsem.surface.cache import CacheCameras, SurfaceCache

COMPLETE = "complete.json"

Encoder = Callable[[tuple[Any, Any, CacheCameras], Array], dict[str, Array]]


def reduce_samples(
    rendered: RenderedRays, *, samples: int, gap: float
) -> tuple[SurfacePoints, Float[Array, "r s"], Float[Array, "r s"]]:
    """Merges a ray's samples into its ``samples`` heaviest surface points.

    Again and again, the heaviest remaining sample and all within ``gap`` metres of it
    become their weighted mean. Samples that remain in the end are dropped. With a gap
    of 0.1, samples of weight .5, .2 and .3 at 2, 2.05 and 3 m become .7 at 2.014 m and
    .3 at 3 m.

    Returns:
        Points ``[r s]``, weights ``[r s]`` (their sum is the part of the ray's opacity
        that was kept) and distances ``[r s]``, heaviest first.
    """
    t_mids = ray_sampling.midpoints(rendered.t_edges)
    remaining = rendered.weights
    surface = rendered.samples.surface
    merged = []
    for _ in range(samples):
        heaviest = jnp.argmax(remaining, axis=-1)[:, None]
        centre = jnp.take_along_axis(t_mids, heaviest, axis=-1)
        is_near = jnp.abs(t_mids - centre) < gap
        weights = jnp.where(is_near, remaining, 0.0)
        remaining = jnp.where(is_near, 0.0, remaining)
        total = jnp.sum(weights, axis=-1)
        fraction = weights / jnp.maximum(total, 1e-9)[:, None]
        composite = functools.partial(volume_rendering.composite, fraction)
        mean = jax.tree.map(composite, surface)
        merged.append((mean, total, jnp.sum(fraction * t_mids, axis=-1)))
    points, weights, t = jax.tree.map(
        lambda *leaves: jnp.stack(leaves, axis=1), *merged
    )
    # The heaviest single sample need not belong to the heaviest point.
    order = jnp.argsort(-weights, axis=1)
    points = jax.tree.map(
        lambda leaf: jnp.take_along_axis(leaf, order[..., None], axis=1), points
    )
    weights, t = (jnp.take_along_axis(x, order, axis=1) for x in (weights, t))
    return points, weights, t


@memoize
def make_encoder(nerf: Nerf, *, samples: int, gap: float) -> Encoder:
    """Compiles the rendering of rays to the arrays of a cache.

    Args:
        nerf: The renderer.
        samples: Surface points kept of a ray.
        gap: Metres within which samples are one surface point.

    Returns:
        Function of (field parameters, proposal grid, `CacheCameras`) and of pixels
        ``[r]`` to the arrays of `SurfaceCache`.
    """

    def encode(params: tuple[Any, Any, CacheCameras], pixel: Array) -> dict[str, Array]:
        field, grid, cameras = params
        rays = pool_rays(pixel, cameras.frames)
        rendered = nerf.render(field, grid, rays)
        points, weights, t = reduce_samples(rendered, samples=samples, gap=gap)
        total = jnp.maximum(jnp.sum(weights, axis=-1, keepdims=True), 1e-9)
        median = volume_rendering.median_distance(rendered.weights, rendered.t_edges)
        opaque = jnp.sum(rendered.weights, axis=-1) > 1e-3
        return {
            "t": _quantise(t / cameras.t_max, 65535, jnp.uint16),
            "weight": _quantise(weights / total, 255, jnp.uint8),
            "normal": jnp.round(127.0 * points.normal).astype(jnp.int8),
            "diffuse": _quantise(points.diffuse, 255, jnp.uint8),
            "feature": points.feature.astype(jnp.float16),
            "rgb": _quantise(rendered.rgb, 255, jnp.uint8),
            "depth_z": jnp.where(opaque, median * rays.z_scale, 0.0),
        }

    return jax.jit(encode)


def _quantise(x: Array, top: int, dtype: Any) -> Array:
    return jnp.round(jnp.clip(x, 0.0, 1.0) * top).astype(dtype)


def build(
    encode: Encoder,
    params: Any,
    grid: Any,
    world_from_cam: np.ndarray,
    *,
    intrinsics: Intrinsics,
    pixel_offset: tuple[float, float],
    t_max: float,
    chunk: int,
    mesh: jax.sharding.Mesh,
    folder: Path | None = None,
    track: Callable[[range], Iterable[int]] = lambda frames: frames,
) -> SurfaceCache:
    """Renders every ray of some frames into a cache, split over the devices.

    Args:
        encode: From `make_encoder`.
        params: The field's parameters.
        grid: The renderer's proposal grid, None without one.
        world_from_cam: [frames 4 4].
        intrinsics: Camera of the frames.
        pixel_offset: Where in a pixel its ray passes.
        t_max: Metres that no ray is longer than.
        chunk: Rays of one compiled call, rounded up to a multiple of the devices;
            frames are padded to a multiple of it.
        mesh: The devices.
        folder: Where the arrays are kept as .npy files, memory-mapped. A complete one
            is opened, an unfinished one is continued. None keeps the arrays in memory.
        track: Wraps the range of frames, for a progress bar.

    Raises:
        InputError: The disk is full, or the folder cannot be written.
    """
    arrays: dict[str, np.ndarray] = {}
    first = 0
    if folder is not None:
        arrays, first = _reopen(folder)
    cache = SurfaceCache(
        arrays=arrays,
        world_from_cam=np.asarray(world_from_cam, np.float32),
        intrinsics=intrinsics,
        pixel_offset=pixel_offset,
        t_max=t_max,
    )
    todo, per_frame = range(first, len(world_from_cam)), cache.rays_per_frame
    if not todo:
        return cache
    chunk = padded_size(chunk, mesh)

    def chunks() -> Iterator[np.ndarray]:
        for frame in todo:
            for start in range(0, per_frame, chunk):
                # Padding repeats the frame's last ray; it is cut off below.
                inside = np.minimum(np.arange(start, start + chunk), per_frame - 1)
                yield (frame * per_frame + inside).astype(np.int32)

    rendered = map_rays(
        encode, put((params, grid, cache.cameras), mesh), chunks(), mesh
    )
    for frame in track(todo):
        parts = [next(rendered) for _ in range(0, per_frame, chunk)]
        for name in parts[0]:
            value = np.concatenate([part[name] for part in parts])[:per_frame]
            if name not in arrays:
                shape = (len(world_from_cam) * per_frame, *value.shape[1:])
                arrays[name] = _allocate(folder, name, shape, value.dtype)
            arrays[name][frame * per_frame : (frame + 1) * per_frame] = value
        if folder is not None:
            _mark(folder, arrays, frame + 1)
    return cache


def _allocate(folder: Path | None, name: str, shape: tuple, dtype: Any) -> np.ndarray:
    if folder is None:
        return np.empty(shape, dtype)
    path = folder / f"{name}.npy"
    with write_errors(path):
        folder.mkdir(parents=True, exist_ok=True)
        array = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
        # Without blocks of its own a mapped page that finds the disk full is a SIGBUS.
        if hasattr(os, "posix_fallocate"):
            with path.open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return array


def _mark(folder: Path, arrays: dict[str, np.ndarray], frames_done: int) -> None:
    """Records, after the data, how many frames are on disk."""
    done = json.dumps({"frames": frames_done, "arrays": sorted(arrays)}) + "\n"
    replace_file(folder / COMPLETE, done.encode())


def _reopen(folder: Path) -> tuple[dict[str, np.ndarray], int]:
    """Arrays of a cache folder and how many of its frames are done."""
    state = folder / COMPLETE
    if not state.exists():
        return {}, 0
    done = json.loads(state.read_text())
    arrays: dict[str, np.ndarray] = {
        name: np.lib.format.open_memmap(folder / f"{name}.npy", mode="r+")
        for name in done["arrays"]
    }
    return arrays, done["frames"]
