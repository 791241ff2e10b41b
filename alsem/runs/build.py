"""From a config to what a run is made of: one function for each part.

The only place, with `runs.runner`, where a config's sections become arguments.
"""

import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from alsem import acquisition
from alsem.active.geometry_stage import GeometryOptions, SurfaceOptions
from alsem.active.joint_trainer import JointOptions
from alsem.active.loop import LoopOptions
from alsem.active.pool import PoolOptions
from alsem.active.semantic_stage import SemanticOptions
from alsem.annotation import (
    Annotator,
    CostModel,
    FileAnnotator,
    SimulatedAnnotator,
    parse_label_set,
)
from alsem.core.errors import InputError
from alsem.data import GroundTruth, Scene, open_capture, scene_box
from alsem.nerf import (
    GridNerf,
    HashField,
    Nerf,
    PaperField,
    PaperNerf,
    SemanticHead,
    SemanticMembers,
    hash_grid,
)
from alsem.policy.query_policy import LearnedPolicy, load_policy
from alsem.rooms import write_room
from alsem.training import GeometryLoss
from alsem.training.optimiser import Fit, Optimiser


def active_options(config: Any) -> Any:
    """The section ``active``, with what full supervision decides by itself."""
    options = config.active.to_dict()
    if options["strategy"] == "full":  # the ceiling: every pixel of every frame
        options |= {"granularity": "frame", "answer": "exact", "budget": 0}
    return options


def open_scene(config: Any, rooms_dir: Path) -> tuple[Scene, GroundTruth]:
    """Reads the capture.

    Args:
        config: The whole config.
        rooms_dir: Where the built-in room is written, if the config asks for it.

    Raises:
        InputError: The capture cannot be used.
    """
    data = config.data.to_dict()
    room = data.pop("room", None)
    if data.pop("make_room", False):
        # Rooms of one seed but another size are other rooms.
        size = "{width}x{height}_{train_frames}+{test_frames}".format(**room)
        data["dir"] = data["dir"] or str(rooms_dir / size)
        data["scene"] = write_room(data["dir"], **room).name
    options = active_options(config)
    regions = options["granularity"] == "superpixel" and (
        options["superpixels"] == "files"
    )
    return open_capture(**data, regions=regions)


def make_nerf(config: Any, scene: Scene) -> Nerf:
    """The field and its renderer."""
    dtype = jnp.dtype(config.model.compute_dtype)
    if config.model.field == "paper":
        options = config.model.paper
        return PaperNerf(
            field=PaperField(**options.field.to_dict(), dtype=dtype),
            **options.render.to_dict(),
        )
    options = config.model.hash
    grid = options.grid.to_dict()
    return GridNerf(
        field=HashField(
            cells=hash_grid.grid_cells(
                grid.pop("coarsest_cell"), grid.pop("finest_cell"), grid.pop("levels")
            ),
            **grid,
            dtype=dtype,
        ),
        sensor=depth_coverage(scene),
        **options.render.to_dict(),
    )


def scene_corners(config: Any, scene: Scene) -> tuple[tuple[float, float, float], ...]:
    """Low and high corner of the box that the scene's field covers, metres."""
    corners = scene_box(scene, far=config.model.hash.far)
    low, high = (tuple(float(v) for v in corner) for corner in corners)
    return low, high  # pyright: ignore[reportReturnType]


def depth_coverage(scene: Scene) -> str:
    """How much of the training frames has depth: ``all``, ``some`` or ``none``."""
    depth_z = scene.train.depth_z
    if depth_z is None or not (depth_z > 0).any():
        return "none"
    valid = ... if scene.train.valid_mask is None else scene.train.valid_mask
    return "all" if (depth_z[valid] > 0).all() else "some"


def make_heads(
    config: Any,
    strategy: acquisition.Strategy | None,
    num_classes: int,
    *,
    sees_evidence: bool = False,
) -> SemanticMembers:
    """The semantic heads of one level: ensemble members, and those of view groups."""
    groups = 0
    if strategy is not None and "views" in strategy.needs:
        groups = config.model.view_members
    return SemanticMembers(
        head=SemanticHead(
            num_classes=num_classes,
            sees_evidence=sees_evidence,
            dtype=jnp.dtype(config.model.compute_dtype),
            **_tuples(config.model.head),
        ),
        members=config.model.members + groups,
        view_groups=groups,
    )


def evidence(config: Any) -> str:
    """When rays carry the evidence of their photographs; joint fits render no cache."""
    return "off" if config.train.mode == "joint" else config.model.evidence


def make_strategy(config: Any) -> acquisition.Strategy | None:
    """The strategy that the config names; None for full supervision."""
    options = config.active
    if options.strategy == "full":
        return None
    strategy = acquisition.parse_strategy(options.strategy, mix_by=options.mix_by)
    if options.diversity:
        strategy = acquisition.with_steps(strategy, tuple(options.diversity))
    return strategy


def make_policy(config: Any) -> LearnedPolicy | None:
    """The learned query policy; None if the strategy has none."""
    if config.active.strategy != "policy":
        return None
    return load_policy(**config.train.policy.to_dict())


def geometry_options(config: Any, scene: Scene) -> GeometryOptions:
    """Options of the geometry stage."""
    options, coverage = config.train.geometry, depth_coverage(scene)
    low, high = scene_corners(config, scene)
    return GeometryOptions(
        fit=_fit(options.fit),
        loss=GeometryLoss(
            **options.loss.to_dict(),
            normal_source="density" if coverage == "none" else "sensor",
        ),
        low=low,
        high=high,
        seed=options.seed,
        # Where every ray has depth, samples are placed without the grid.
        grid_fraction=options.grid_fraction if coverage != "all" else 0.0,
        appearance=config.model.appearance,
    )


def surface_options(
    config: Any, nerf: Nerf, geometry: GeometryOptions
) -> SurfaceOptions:
    """Options of the surface caches."""
    options = config.surface.to_dict()
    options.pop("score_chunk")
    return SurfaceOptions(t_max=_longest_ray(nerf, geometry), **options)


def semantic_options(config: Any) -> SemanticOptions:
    """Options of a round's fit."""
    train, start = config.train, config.active.start
    if train.mode == "joint":
        return SemanticOptions(fit=_fit(train.joint.fit), start=start)
    return SemanticOptions(
        fit=_fit(train.semantics.fit), labels=train.semantics.labels, start=start
    )


def joint_options(config: Any) -> JointOptions:
    """Options of the joint step."""
    options = config.train.joint.to_dict()
    return JointOptions(batch_rays=options.pop("fit")["batch_rays"], **options)


def pool_options(config: Any) -> PoolOptions:
    """Options of candidates and units."""
    return _chosen(PoolOptions, active_options(config))


def loop_options(config: Any) -> LoopOptions:
    """Options of the loop."""
    return _chosen(LoopOptions, active_options(config))


def annotator_maker(
    config: Any, scene: Scene, truth: GroundTruth
) -> Callable[..., Annotator]:
    """A constructor of the annotator, for when its units are there.

    It takes ``unit_pixels``, a function of a unit to its pixels. The simulated one
    looks up ground truth.

    Raises:
        InputError: The annotator's settings cannot be, or labels are missing. Found
            here, before anything is fitted.
    """
    make = _annotator_maker(config, scene, truth)
    make(unit_pixels=lambda unit: np.zeros(0, np.int64))  # checks the settings
    return make


def _annotator_maker(
    config: Any, scene: Scene, truth: GroundTruth
) -> Callable[..., Annotator]:
    options = active_options(config)
    num_classes = len(scene.class_names)
    common = {
        "cost": CostModel(counts=options["cost"], seconds=options["seconds"]),
        "granularity": options["granularity"],
        "mode": options["answer"],
    }
    if options["annotator"] == "file":
        return partial(FileAnnotator, options["answers"], scene.class_names, **common)
    labels = truth.train_labels
    if labels is None:
        need = "to simulate an annotator with; set active.annotator='file'"
        if options["strategy"] == "full":
            need = "for full supervision; set another active.strategy"
        raise InputError(f"{scene.name}: the training frames have no labels {need}")
    if options["label_set"]:
        labels = parse_label_set(options["label_set"]).draw(
            labels, num_classes=num_classes, seed=config.seed
        )
    return partial(
        SimulatedAnnotator,
        lambda frame, row, col: labels[frame, row, col],
        num_classes=num_classes,
        seed=config.seed,
        noise_rate=options["noise_rate"],
        mixed_below=options["mixed_below"],
        image_size=(scene.intrinsics.height, scene.intrinsics.width),
        **common,
    )


def _longest_ray(nerf: Nerf, geometry: GeometryOptions) -> float:
    """Metres that no ray's samples exceed."""
    if isinstance(nerf, GridNerf):
        diagonal = np.linalg.norm(np.subtract(geometry.high, geometry.low))
        return float(diagonal) + nerf.near + 0.1
    assert isinstance(nerf, PaperNerf)
    return 2.0 * nerf.far  # depth is along the optical axis, rays are longer


def _fit(section: Any) -> Fit:
    options = section.to_dict()
    return Fit(optimiser=Optimiser(**options.pop("optimiser")), **options)


def _chosen(options: Any, values: dict[str, Any]) -> Any:
    """An options dataclass from those of some values that it has fields for."""
    names = {field.name for field in dataclasses.fields(options)}
    return options(**{name: values[name] for name in names})


def _tuples(section: Any) -> dict[str, Any]:
    return {
        key: tuple(value) if isinstance(value, list | tuple) else value
        for key, value in section.to_dict().items()
    }
