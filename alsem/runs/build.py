"""From a config to what a run is made of: one function for each part.

Here, in `runs.geometry` and in `runs.stages` a config's sections become arguments.
"""

import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from alsem import acquisition, stereo
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
from alsem.core import progress
from alsem.core.errors import InputError
from alsem.data import GroundTruth, Scene, open_capture
from alsem.nerf import (
    SemanticHead,
    SemanticMembers,
)
from alsem.policy.query_policy import LearnedPolicy, load_policy
from alsem.rooms import write_room
from alsem.training.optimiser import Fit, Optimiser

TYPICAL_DEPTH = 2.5  # metres, median over the photographs of rooms


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
    scene, truth = open_capture(**data, regions=regions)
    if scene.is_metric:
        return scene, truth
    return _guess_metres(scene, truth)


def _guess_metres(scene: Scene, truth: GroundTruth) -> tuple[Scene, GroundTruth]:
    """A scene of an unknown unit in metres, as they are in rooms.

    Voxels, cells and the heads' wavelengths are metres: what counts is that they fit
    the size of what is seen.
    """
    photos = scene.geometry_photographs
    extent = stereo.measure_extent(
        photos.frames,
        photos.intrinsics,
        scene.points,
        track=lambda frames: progress.progress(frames, "keypoints, to guess the unit"),
    )
    if extent is None:
        doubt = "its unit is not known and taken as metres; data.scale sets it"
        scale = 1.0
    else:
        scale = float(f"{TYPICAL_DEPTH / extent.middle:.3g}")
        doubt = (
            f"its unit is not known: that surfaces are seen at {TYPICAL_DEPTH} m is"
            f" assumed, as with data.scale={scale:g}; alsem.validate --length measures"
        )
    scene = dataclasses.replace(
        scene.scaled(scale), doubts=(*scene.doubts, doubt), is_metric=True
    )
    return scene, truth.scaled(scale)


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


def semantic_options(config: Any) -> SemanticOptions:
    """Options of a round's fit."""
    train, start = config.train, config.active.start
    if train.mode == "joint":
        return SemanticOptions(fit=fit_options(train.joint.fit), start=start)
    return SemanticOptions(
        fit=fit_options(train.semantics.fit), labels=train.semantics.labels, start=start
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


def fit_options(section: Any) -> Fit:
    """Length and optimiser of a fit."""
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
