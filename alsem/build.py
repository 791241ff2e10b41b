"""From a config to an experiment: the only library file that sees a ConfigDict."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from alsem import acquisition, encoding, sharding
from alsem.data import Scene, open_capture, room
from alsem.experiment import (
    ActiveOptions,
    Experiment,
    Fit,
    Joint,
    Optimiser,
    SurfaceOptions,
)
from alsem.geometry import bounding_box
from alsem.models import (
    GridNerf,
    HashField,
    Nerf,
    PaperField,
    PaperNerf,
    SemanticHead,
    SemanticMembers,
)
from alsem.train import GeometryLoss
from alsem.types import InputError

# What may differ between a run and its continuation.
MAY_CHANGE = (("active", "rounds"), ("active", "budget"))


def build(config: Any, workdir: Path) -> Experiment:
    """Reads the capture and makes all that a run is made of.

    Writes nothing but the built-in room, where the config asks for it.

    Raises:
        InputError: The config or the capture cannot be used.
    """
    plain = json.loads(config.to_json_best_effort())
    _check(config)
    data = config.data.to_dict()
    room_options = data.pop("room", None)
    if data.pop("make_room", False):
        data["dir"] = data["dir"] or str(workdir.parent / "rooms")
        path = room.write_room(data["dir"], **room_options)
        data["scene"] = path.name
    scene, truth = open_capture(**data)
    sensor = _sensor(scene)
    nerf = _nerf(config, scene, sensor)
    heads = tuple(
        SemanticMembers(
            head=SemanticHead(
                num_classes=len(scene.class_names), **_tuples(config.model.head)
            ),
            members=config.model.members,
        )
        for _ in range(nerf.levels)
    )
    train = config.train
    joint = None
    if train.mode == "joint":
        joint = Joint(
            fit=_fit(train.joint.fit),
            label_rays=train.joint.label_rays,
            semantic_weight=train.joint.semantic_weight,
            semantic_gradient=train.joint.semantic_gradient,
        )
    source = "density" if sensor == "none" else "sensor"
    geometry_config = {
        "field": plain["model"]["field"],
        "render": plain["model"][plain["model"]["field"]],
        "geometry": plain["train"]["geometry"],
        "surface": plain["surface"],
    }
    return Experiment(
        scene=scene,
        truth=truth,
        nerf=nerf,
        heads=heads,
        mesh=sharding.make_mesh(),
        geometry=_fit(train.geometry.fit),
        geometry_seed=train.geometry.seed,
        geometry_loss=GeometryLoss(
            **train.geometry.loss.to_dict(), normal_source=source
        ),
        grid_share=train.geometry.grid_share if sensor != "all" else 0.0,
        semantics=_fit(train.semantics.fit),
        joint=joint,
        surface=SurfaceOptions(**config.surface.to_dict(), t_max=_longest_ray(nerf)),
        active=ActiveOptions(**config.active.to_dict()),
        seed=config.seed,
        config=plain,
        geometry_config=geometry_config,
        workdir=workdir,
        cache_dir=workdir.parent / ".geometry",
    )


def check_continues(old: dict[str, Any], new: dict[str, Any], workdir: Path) -> None:
    """Refuses a work directory that another config has written.

    Raises:
        InputError: Something other than `MAY_CHANGE` differs; names the first keys.
    """
    allowed = {".".join(path) for path in MAY_CHANGE}
    before, after = _flat(old), _flat(new)
    different = sorted(
        key
        for key in before.keys() | after.keys()
        if before.get(key) != after.get(key) and key not in allowed
    )
    if different:
        key = different[0]
        more = f" (and {len(different) - 1} more)" if len(different) > 1 else ""
        raise InputError(
            f"{workdir}: belongs to a run with {key}={before.get(key)!r}, not"
            f" {after.get(key)!r}{more}; give another --workdir or the run's config"
        )


def _check(config: Any) -> None:
    """Values that would only fail much later, or mean nothing."""
    active, train = config.active, config.train

    def require(is_fine: bool, key: str, value: Any, wanted: str) -> None:
        if not is_fine:
            raise InputError(f"{key}={value!r}: must be {wanted}")

    def one_of(key: str, value: str, *choices: str) -> None:
        require(value in choices, key, value, "one of " + ", ".join(choices))

    one_of("model.field", config.model.field, "hash", "paper")
    one_of("train.mode", train.mode, "staged", "joint")
    one_of("active.start", active.start, "cold", "warm")
    one_of("active.granularity", active.granularity, "point")
    one_of("active.annotator", active.annotator, "simulated", "file")
    if active.strategy != "full":
        acquisition.find_strategy(active.strategy)
    require(active.rounds >= 1, "active.rounds", active.rounds, "at least 1")
    for key in ("initial_clicks", "clicks_per_round"):
        require(active[key] >= 1, f"active.{key}", active[key], "at least 1")
    require(active.growth > 0, "active.growth", active.growth, "positive")
    require(active.budget >= 0, "active.budget", active.budget, "0 or more")
    require(
        0 <= active.noise_rate <= 1, "active.noise_rate", active.noise_rate, "in [0, 1]"
    )
    require(
        active.annotator != "file" or bool(active.answers),
        "active.answers",
        active.answers,
        "the CSV file that active.annotator='file' reads",
    )
    require(
        config.model.members >= 1, "model.members", config.model.members, "1 or more"
    )
    for name, fit in (
        ("geometry", train.geometry.fit),
        ("semantics", train.semantics.fit),
        ("joint", train.joint.fit),
    ):
        require(
            fit.steps_per_call >= 1 and fit.steps % fit.steps_per_call == 0,
            f"train.{name}.fit.steps",
            fit.steps,
            f"a multiple of steps_per_call={fit.steps_per_call}",
        )
        one_of(
            f"train.{name}.fit.optimiser.schedule",
            fit.optimiser.schedule,
            "cosine",
            "exponential",
        )


def _sensor(scene: Scene) -> str:
    """How much of the training frames has depth: ``all``, ``some`` or ``none``."""
    depth_z = scene.train.depth_z
    if depth_z is None or not (depth_z > 0).any():
        return "none"
    return "all" if (depth_z > 0).all() else "some"


def _nerf(config: Any, scene: Scene, sensor: str) -> Nerf:
    if config.model.field == "paper":
        options = config.model.paper
        return PaperNerf(
            field=PaperField(**options.field.to_dict()), **options.render.to_dict()
        )
    options = config.model.hash
    grid = options.grid.to_dict()
    low, high = _scene_box(scene, far=options.far)
    low, extent = (tuple(float(v) for v in side) for side in (low, high - low))
    return GridNerf(
        field=HashField(
            low=low,  # pyright: ignore[reportArgumentType]
            extent=extent,  # pyright: ignore[reportArgumentType]
            cells=encoding.grid_cells(
                grid.pop("coarsest_cell"), grid.pop("finest_cell"), grid.pop("levels")
            ),
            **grid,
        ),
        sensor=sensor,
        **options.render.to_dict(),
    )


def _scene_box(scene: Scene, *, far: float) -> tuple[np.ndarray, np.ndarray]:
    """The box that holds all cameras and all that they see.

    From measured depth where there is any; else as far as ``far`` metres along the
    training frames' corner rays.
    """
    camera, frames = scene.intrinsics, scene.train
    row, col = np.meshgrid(
        np.arange(camera.height), np.arange(camera.width), indexing="ij"
    )
    in_cam = np.stack(
        [
            (col - camera.cx) / camera.fx,
            (row - camera.cy) / camera.fy,
            np.ones(row.shape),
        ],
        axis=-1,
    )
    corners = [scene.test.world_from_cam[:, :3, 3], frames.world_from_cam[:, :3, 3]]
    for i, pose in enumerate(frames.world_from_cam):
        if frames.depth_z is not None and (frames.depth_z[i] > 0).any():
            known = frames.depth_z[i] > 0
            in_view = in_cam[known] * frames.depth_z[i][known][:, None]
        else:
            in_view = in_cam[:: camera.height - 1, :: camera.width - 1].reshape(-1, 3)
            in_view = in_view * far
        points = in_view @ pose[:3, :3].T + pose[:3, 3]
        corners.append(np.stack([points.min(axis=0), points.max(axis=0)]))
    return bounding_box(np.concatenate(corners).astype(np.float64), margin=0.1)


def _longest_ray(nerf: Nerf) -> float:
    """Metres that no ray's samples exceed."""
    if isinstance(nerf, GridNerf):
        return float(np.linalg.norm(nerf.field.extent)) + nerf.near + 0.1
    assert isinstance(nerf, PaperNerf)
    return 2.0 * nerf.far  # depth is along the optical axis, rays are longer


def _fit(section: Any) -> Fit:
    options = section.to_dict()
    return Fit(optimiser=Optimiser(**options.pop("optimiser")), **options)


def _tuples(section: Any) -> dict[str, Any]:
    return {
        key: tuple(value) if isinstance(value, list | tuple) else value
        for key, value in section.to_dict().items()
    }


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
