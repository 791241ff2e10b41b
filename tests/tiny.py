"""A room of six walls seen by a 16 x 12 camera, and the smallest config that fits it.

Each wall has a class and a colour, and depth is exact: a few steps are enough to learn
something.
"""

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import captures
import numpy as np

from alsem.active.geometry_stage import SceneGeometry
from alsem.core import mesh
from alsem.runs import build, config_files
from alsem.runs import geometry as geometry_parts

ROOT = Path(__file__).resolve().parent.parent
ROOM = ROOT / "configs" / "room.py"
WIDTH, HEIGHT = 16, 12
SIZE = np.array([4.0, 3.0, 2.5])  # metres
CLASSES = ("left", "right", "front", "back", "floor", "ceiling")
TRAIN_FRAMES, TEST_FRAMES = 6, 3


def write_box(folder: Path, *, depth: bool = True) -> Path:
    """Writes the room in the Replica layout to ``folder/box``."""
    scene = folder / "box"
    shot = {
        captures.TRAIN: shoot(TRAIN_FRAMES, 0),
        captures.TEST: shoot(TEST_FRAMES, 1),
    }
    captures.write_sequences(scene, shot, depth=depth)
    classes = {name: {"id": i + 1} for i, name in enumerate(CLASSES)}
    info = {"classes": classes, "width": WIDTH, "height": HEIGHT, "hfov_deg": 90.0}
    (scene / "info.json").write_text(json.dumps(info))
    return scene


def shoot(frames: int, seed: int) -> dict[str, np.ndarray]:
    """Frames of the room, as `captures.write_capture` returns them."""
    draw = np.random.default_rng(seed)
    poses = np.stack([_pose(draw) for _ in range(frames)])
    rgb, depth, label = zip(*map(_render, poses), strict=True)
    held = {"rgb": rgb, "depth": depth, "label": label}
    return {name: np.stack(each) for name, each in held.items()} | {"pose": poses}


def _pose(draw: np.random.Generator) -> np.ndarray:
    """A random camera near the middle of the room, upright."""
    yaw, pitch = draw.uniform(0, 2 * np.pi), draw.uniform(-0.5, 0.5)
    forward = np.array(
        [np.cos(yaw) * np.cos(pitch), np.sin(yaw) * np.cos(pitch), np.sin(pitch)]
    )
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=1)
    pose[:3, 3] = SIZE * draw.uniform(0.35, 0.65, 3)
    return pose


def _render(pose: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Colour, depth in millimetres and class ids of one frame."""
    row, col = np.mgrid[:HEIGHT, :WIDTH]
    focal = WIDTH / 2
    x, y = (col - (WIDTH - 1) / 2) / focal, (row - (HEIGHT - 1) / 2) / focal
    direction = np.stack([x, y, np.ones_like(x)], axis=-1) @ pose[:3, :3].T
    wall = np.where(direction > 0, SIZE, 0.0)
    depth_z = (wall - pose[:3, 3]) / np.where(direction == 0, 1e-9, direction)
    axis = np.argmin(depth_z, axis=-1)[..., None]
    depth_z = np.round(1000 * np.min(depth_z, axis=-1)).astype(np.uint16)
    label = (2 * axis + np.take_along_axis(direction > 0, axis, axis=-1))[..., 0]
    palette = np.random.default_rng(5).integers(40, 216, (len(CLASSES), 3))
    return palette[label].astype(np.uint8), depth_z, (label + 1).astype(np.uint8)


# Changes of configs/room.py:smoke.
SHRINK: dict[str, Any] = {
    "data.make_room": False,
    "data.scene": "box",
    "model.hash.grid.levels": 2,
    "model.hash.grid.coarsest_cell": 0.5,
    "model.hash.grid.finest_cell": 0.25,
    "model.hash.grid.log2_rows": 10,
    "model.hash.grid.width": 16,
    "model.hash.grid.colour_width": 8,
    "model.hash.grid.feature_dim": 7,
    "model.hash.render.cell": 0.25,
    "model.hash.render.march_samples": 32,
    "model.hash.render.proposal_samples": 16,
    "model.hash.render.render_samples": 12,
    "model.evidence": "off",  # so short a fit is not trusted
    "model.head.width": 16,
    "train.geometry.fit.steps": 40,
    "train.geometry.fit.steps_per_call": 10,
    "train.geometry.fit.batch_rays": 256,
    "train.semantics.fit.steps": 20,
    "train.semantics.fit.steps_per_call": 10,
    "train.semantics.fit.batch_rays": 64,
    "train.joint.fit.steps": 10,
    "train.joint.fit.steps_per_call": 5,
    "train.joint.fit.batch_rays": 64,
    "train.joint.label_rays": 64,
    "surface.render_chunk": 192,
    "surface.score_chunk": 1000,  # does not divide the pool: the last chunk is padded
    "active.strategy": "geometry",
    "active.initial_clicks": 8,
    "active.clicks_per_round": 8,
    "active.growth": 1.0,
}


def config(data_dir: Path, variant: str = "smoke", **overrides: Any) -> Any:
    """The tiny config, locked; overrides have ``__`` in place of dots."""
    made = config_files.load(f"{ROOM}:{variant}")
    shrunk = SHRINK | {"data.dir": str(data_dir)}
    if variant == "full":
        shrunk = {k: v for k, v in shrunk.items() if not k.startswith("active.")}
    made.update_from_flattened_dict(shrunk | _dotted(overrides))
    return made.lock()


def _dotted(overrides: dict[str, Any]) -> dict[str, Any]:
    return {key.replace("__", "."): value for key, value in overrides.items()}


def parts(config: Any, workdir: Path) -> SimpleNamespace:
    """The parts of a run of the config, up to the semantic heads."""
    scene, truth = build.open_scene(config, workdir.parent / "rooms")
    nerf = geometry_parts.make_nerf(config, scene)
    strategy = build.make_strategy(config)
    heads = build.make_heads(config, strategy, len(scene.class_names))
    options = geometry_parts.geometry_options(config, scene)
    return SimpleNamespace(
        scene=scene,
        truth=truth,
        nerf=nerf,
        heads=(heads,) * nerf.levels,
        mesh=mesh.make_mesh(),
        geometry=options,
        geometry_loss=options.loss,
        surface=geometry_parts.surface_options(config, nerf, options),
        pool=build.pool_options(config),
    )


def fit_geometry(config: Any, workdir: Path) -> SceneGeometry:
    """The config's geometry, fitted or opened beside ``workdir``."""
    made = parts(config, workdir)
    return geometry_parts.fit_geometry(config, workdir, made.scene, made.mesh)[1]


def environment() -> dict[str, str]:
    """Environment of a command with one device: eight fake ones would be slower."""
    flags = os.environ["XLA_FLAGS"].replace("device_count=8", "device_count=1")
    return os.environ | {"XLA_FLAGS": flags, "PYTHONPATH": str(ROOT)}


def flags(data_dir: Path, **overrides: Any) -> list[str]:
    """The tiny config as flags on top of ``configs/room.py:smoke``."""
    values = SHRINK | {"data.dir": str(data_dir)} | _dotted(overrides)
    return [f"--config.{key}={value}" for key, value in values.items()]
