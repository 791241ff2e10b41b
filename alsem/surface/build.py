"""From a fitted field to a cache: rendered, reduced, in files a kill cannot break."""

import contextlib
import functools
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from alsem.core.arrays import Array, Float
from alsem.core.errors import InputError
from alsem.core.types import Intrinsics, Rays, RenderedRays, SurfacePoints
from alsem.nerf import cameras, ray_sampling, volume_rendering
from alsem.surface.cache import SurfaceCache

COMPLETE = "complete.json"


def reduce_samples(
    rendered: RenderedRays, *, samples: int, gap: float
) -> tuple[SurfacePoints, Float[Array, "r s"], Float[Array, "r s"]]:
    """Gathers a ray's samples into its ``samples`` heaviest places.

    A place is the heaviest sample that is left and all that lies within ``gap`` metres
    of it; it gets their weighted mean. What is left after the last place is dropped.

    Returns:
        Points ``[r s]``, weights ``[r s]`` (their sum is what was kept of the ray's
        opacity) and distances ``[r s]``, heaviest first.
    """
    t_mids = ray_sampling.midpoints(rendered.t_edges)
    remaining = rendered.weights
    surface = rendered.samples.surface
    places = []
    for _ in range(samples):
        heaviest = jnp.argmax(remaining, axis=-1)[:, None]
        centre = jnp.take_along_axis(t_mids, heaviest, axis=-1)
        member = jnp.abs(t_mids - centre) < gap
        weights = jnp.where(member, remaining, 0.0)
        remaining = jnp.where(member, 0.0, remaining)
        total = jnp.sum(weights, axis=-1)
        fraction = weights / jnp.maximum(total, 1e-9)[:, None]
        composite = functools.partial(volume_rendering.composite, fraction)
        mean = jax.tree.map(composite, surface)
        places.append((mean, total, jnp.sum(fraction * t_mids, axis=-1)))
    points, weights, t = jax.tree.map(
        lambda *leaves: jnp.stack(leaves, axis=1), *places
    )
    # One sample can outweigh any of a surface that outweighs it as a whole.
    order = jnp.argsort(-weights, axis=1)
    points = jax.tree.map(
        lambda leaf: jnp.take_along_axis(leaf, order[..., None], axis=1), points
    )
    weights, t = (jnp.take_along_axis(x, order, axis=1) for x in (weights, t))
    return points, weights, t


def make_encoder(
    render_fn: Callable[[Any, Rays], RenderedRays],
    *,
    intrinsics: Intrinsics,
    pixel_offset: tuple[float, float],
    samples: int,
    gap: float,
    t_max: float,
) -> Callable[..., dict[str, Array]]:
    """Compiled (state, pixel [r], world_from_cam) -> compact samples of the rays."""

    def encode(state: Any, pixel: Array, world_from_cam: Array) -> dict[str, Array]:
        rays = cameras.pool_rays(pixel, world_from_cam, intrinsics, pixel_offset)
        rendered = render_fn(state, rays)
        points, weights, t = reduce_samples(rendered, samples=samples, gap=gap)
        total = jnp.maximum(jnp.sum(weights, axis=-1, keepdims=True), 1e-9)
        median = volume_rendering.median_distance(rendered.weights, rendered.t_edges)
        opaque = jnp.sum(rendered.weights, axis=-1) > 1e-3
        return {
            "t": _quantise(t / t_max, 65535, jnp.uint16),
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
    encode: Callable[..., dict[str, Array]],
    state: Any,
    world_from_cam: np.ndarray,
    *,
    intrinsics: Intrinsics,
    pixel_offset: tuple[float, float],
    t_max: float,
    chunk: int,
    folder: Path | None = None,
    track: Callable[[range], Any] = lambda frames: frames,
) -> SurfaceCache:
    """Renders every ray of some frames into a cache.

    Args:
        encode: From `make_encoder`.
        state: What its ``render_fn`` takes.
        world_from_cam: [frames 4 4].
        intrinsics: Camera of the frames.
        pixel_offset: Where in a pixel its ray passes.
        t_max: As given to ``encode``.
        chunk: Rays of one compiled call; frames are padded to a multiple.
        folder: Where the arrays live as .npy files, memory-mapped. A complete one is
            opened as it is, one that a kill left half-done goes on where it was. None
            keeps the arrays in memory.
        track: Wraps the range of frames, for a progress bar.

    Raises:
        InputError: The disk is full, or the folder cannot be written.
    """
    frames = len(world_from_cam)
    per_frame = intrinsics.width * intrinsics.height
    arrays: dict[str, np.ndarray] = {}
    first = 0
    if folder is not None:
        arrays, first = _reopen(folder)
    poses = jnp.asarray(world_from_cam, jnp.float32)
    for frame in track(range(first, frames)):
        parts = []
        for start in range(0, per_frame, chunk):
            # Padding repeats the frame's last ray; it is cut off below.
            inside = np.minimum(np.arange(start, start + chunk), per_frame - 1)
            pixel = (frame * per_frame + inside).astype(np.int32)
            parts.append(encode(state, pixel, poses))
        for name in parts[0]:
            value = np.concatenate([np.asarray(part[name]) for part in parts])
            value = value[:per_frame]
            if name not in arrays:
                shape = (frames * per_frame, *value.shape[1:])
                arrays[name] = _allocate(folder, name, shape, value.dtype)
            arrays[name][frame * per_frame : (frame + 1) * per_frame] = value
        if folder is not None:
            _mark(folder, arrays, frame + 1)
    return SurfaceCache(
        arrays=arrays,
        world_from_cam=np.asarray(world_from_cam, np.float32),
        intrinsics=intrinsics,
        pixel_offset=pixel_offset,
        t_max=t_max,
    )


def _allocate(folder: Path | None, name: str, shape: tuple, dtype: Any) -> np.ndarray:
    if folder is None:
        return np.empty(shape, dtype)
    path = folder / f"{name}.npy"
    with _writing(path):
        folder.mkdir(parents=True, exist_ok=True)
        array = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
        # Without blocks of its own a mapped page that finds the disk full is a SIGBUS.
        if hasattr(os, "posix_fallocate"):
            with path.open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return array


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Turns what the disk refuses into one line that names the path."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{path}: {error.strerror}; free some space and run the same command again"
        ) from error


def _mark(folder: Path, arrays: dict[str, np.ndarray], frames_done: int) -> None:
    """Records, after the data, how many frames a kill cannot take back."""
    state = folder / COMPLETE
    temporary = state.with_suffix(".tmp")
    with _writing(state):
        temporary.write_text(
            json.dumps({"frames": frames_done, "arrays": sorted(arrays)}) + "\n"
        )
        os.replace(temporary, state)


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
