"""What stereo finds in photographs without depth, before a field is fitted to them."""

import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from alsem import stereo, training
from alsem.active.geometry_options import GeometryOptions
from alsem.core import progress, signals
from alsem.core.files import replace_file
from alsem.data import Photographs, Scene, scene_box
from alsem.data.camera_models import image_directions
from alsem.stereo import SceneExtent, StereoDepth

OUTLIERS = 0.005  # fraction of points cut off at either end of an axis of the box
MARGIN = 0.1  # of the box beyond points and cameras, as a fraction of the median depth
NEAREST = 0.5  # rays start at this fraction of the least depth that is searched
HELD_OUT = 10  # every so many photographs one is kept from the fit
LEAST_POINTS = 1000  # of stereo, to make a box of


@dataclasses.dataclass(frozen=True, eq=False)
class Survey:
    """The box of a scene, depth by stereo, and the photographs kept from the fit.

    Attributes:
        low: Low corner of the box, metres.
        high: High corner.
        near: Where rays start, metres.
        held_out: Indices of the photographs that are kept from the fit, to check it.
        depth: Depth by stereo; None where photographs do not match.
    """

    low: tuple[float, float, float]
    high: tuple[float, float, float]
    near: float
    held_out: np.ndarray
    depth: StereoDepth | None

    def training_data(self, data: training.PixelData) -> training.PixelData:
        """Training data with stereo and without the photographs that are held out."""
        shape = data.rgb.shape[:3]
        if data.is_valid is None:
            valid = np.ones(shape, np.bool_)
        else:
            valid = np.array(data.is_valid)
        valid[self.held_out] = False
        data = dataclasses.replace(data, **training.valid_pixels(valid))
        if self.depth is None:
            return data
        row = np.full(shape[0], -1, np.int32)
        row[self.depth.frame] = np.arange(len(self.depth.frame))
        pixels = training.StereoPixels(jnp.asarray(self.depth.depth_z), jnp.array(row))
        return dataclasses.replace(data, stereo=pixels)


def survey_photographs(scene: Scene, options: GeometryOptions, folder: Path) -> Survey:
    """Measures where surfaces are; goes on with what is in the folder.

    Where photographs do not match, the box is that of the cameras' corner rays and
    there is no stereo: the field has only colours to go by.
    """
    assert options.stereo is not None
    photos = scene.geometry_photographs
    held_out = held_out_frames(len(photos.frames.names), len(scene.train.names))

    def track(frames: list[int], what: str) -> Iterable[int]:
        for frame in progress.progress(frames, what):
            signals.check()
            yield frame

    path = folder / "extent.json"
    if path.exists():
        extent = _extent_from(json.loads(path.read_text()))
    else:
        extent = stereo.measure_extent(
            photos.frames,
            photos.intrinsics,
            scene.points,
            track=lambda frames: track(frames, "keypoints"),
        )
        made = None if extent is None else dataclasses.asdict(extent)
        replace_file(path, json.dumps(made, default=np.ndarray.tolist).encode())
    if extent is None:
        low, high = scene_box(scene, far=options.far)
        return Survey(_corner(low), _corner(high), 0.005 * options.far, held_out, None)
    depth = stereo.measure_depth(
        photos.frames,
        photos.intrinsics,
        extent,
        options.stereo,
        folder,
        held_out=held_out,
        track=lambda frames: track(frames, "stereo"),
    )
    low, high = _box(photos, scene.test.world_from_cam, extent, depth)
    near = NEAREST * extent.near
    return Survey(_corner(low), _corner(high), near, held_out, depth)


def _extent_from(made: dict[str, Any] | None) -> SceneExtent | None:
    """An extent as it was written to its file; None where nothing matched."""
    if made is None:
        return None
    corners: dict[str, Any] = {name: np.array(made[name]) for name in ("low", "high")}
    return SceneExtent(**made | corners)


def held_out_frames(photographs: int, pool: int) -> np.ndarray:
    """Every tenth photograph, of those outside the pool if these are enough.

    The pool comes first and keeps all its pixels either way: of 60 photographs in the
    pool and 120 others, 18 others are held out. Of fewer than ten, none.
    """
    wanted = photographs // HELD_OUT
    first = pool if photographs - pool >= 2 * wanted else 0
    indices = np.linspace(first, photographs - 1, 2 * wanted + 1)[1::2]
    return np.unique(indices.astype(np.int64))


def _corner(values: np.ndarray) -> tuple[float, float, float]:
    x, y, z = (float(v) for v in values)
    return x, y, z


def _box(
    photos: Photographs,
    test_poses: np.ndarray,
    extent: SceneExtent,
    depth: StereoDepth,
) -> tuple[np.ndarray, np.ndarray]:
    """Box of cameras and of what stereo found, or of sparse points if it found little.

    Sparse points lie on textured places only, and miss whole walls.
    """
    in_cam = image_directions(depth.camera)
    points = [np.zeros((0, 3))]
    for frame, depth_z in zip(depth.frame, depth.depth_z, strict=True):
        pose = photos.frames.world_from_cam[frame].astype(np.float64)
        seen = (in_cam * depth_z[..., None])[depth_z > 0][::7]
        points.append(seen @ pose[:3, :3].T + pose[:3, 3])
    found = np.concatenate(points)
    low, high = extent.low, extent.high
    margin = MARGIN * extent.middle
    if len(found) >= LEAST_POINTS:
        low, high = np.quantile(found, (OUTLIERS, 1 - OUTLIERS), axis=0)
        low, high = low - margin, high + margin
    places = np.concatenate([photos.frames.world_from_cam, test_poses])[:, :3, 3]
    return (
        np.minimum(low, places.min(axis=0) - margin),
        np.maximum(high, places.max(axis=0) + margin),
    )
