"""From a config to an experiment: the only library file that sees a ConfigDict."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np

from alsem.core.mesh import make_mesh
from alsem import acquisition
from alsem.runs import config_checks
from alsem.nerf import hash_grid
from alsem.policy import weight_files
from alsem.data import Scene, open_capture, scene_box
from alsem import rooms
from alsem.active.experiment import (ActiveOptions, Experiment, Joint, Policy, SurfaceOptions,)
from alsem.training.optimizer import Fit, Optimiser
from alsem.nerf import (GridNerf, HashField, Nerf, PaperField, PaperNerf, SemanticHead, SemanticMembers,)
from alsem.policy.head import PolicyHead
from alsem.training import GeometryLoss
from alsem.policy.loss import PolicyTerm


def build(config: Any, workdir: Path) -> Experiment:
    """Reads the capture and makes all that a run is made of.

    Writes nothing but the built-in room, where the config asks for it.

    Raises:
        InputError: The config or the capture cannot be used.
    """
    plain = json.loads(config.to_json_best_effort())
    config_checks.check(config)
    data = config.data.to_dict()
    room_options = data.pop("room", None)
    if data.pop("make_room", False):
        # Rooms of one seed but another size are other rooms.
        size = "{width}x{height}_{train_frames}+{test_frames}".format(**room_options)
        data["dir"] = data["dir"] or str(workdir.parent / "rooms" / size)
        path = rooms.write_room(data["dir"], **room_options)
        data["scene"] = path.name
    active = _active(config)
    wants_files = active.granularity == "superpixel" and active.superpixels == "files"
    scene, truth = open_capture(**data, regions=wants_files)
    strategy = _strategy(active)
    groups = 0
    if strategy is not None and "views" in strategy.needs:
        groups = config.model.view_members
    sensor = _sensor(scene)
    nerf = _nerf(config, scene, sensor)
    heads = tuple(
        SemanticMembers(
            head=SemanticHead(
                num_classes=len(scene.class_names), **_tuples(config.model.head)
            ),
            members=config.model.members + groups,
            view_groups=groups,
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
        "surface": {key: plain["surface"][key] for key in ("samples", "gap")},
    }
    return Experiment(
        scene=scene,
        truth=truth,
        nerf=nerf,
        heads=heads,
        mesh=make_mesh(),
        geometry=_fit(train.geometry.fit),
        geometry_seed=train.geometry.seed,
        geometry_loss=GeometryLoss(
            **train.geometry.loss.to_dict(), normal_source=source
        ),
        appearance=config.model.appearance,
        grid_fraction=train.geometry.grid_fraction if sensor != "all" else 0.0,
        semantics=_fit(train.semantics.fit),
        labels_per_fit=train.semantics.labels,
        joint=joint,
        policy=_policy(train.policy) if active.strategy == "policy" else None,
        strategy=strategy,
        surface=SurfaceOptions(**config.surface.to_dict(), t_max=_longest_ray(nerf)),
        active=active,
        seed=config.seed,
        config=plain,
        geometry_config=geometry_config,
        workdir=workdir,
        cache_dir=workdir.parent / ".geometry",
    )


def _active(config: Any) -> ActiveOptions:
    active = ActiveOptions(**_tuples(config.active))
    if active.strategy == "full":  # the ceiling: every pixel of every frame
        active = dataclasses.replace(
            active, granularity="frame", answer="exact", budget=0
        )
    return active


def _strategy(active: ActiveOptions) -> acquisition.Strategy | None:
    """The strategy that is asked for; None for full supervision."""
    if active.strategy == "full":
        return None
    strategy = acquisition.parse_strategy(active.strategy, mix_by=active.mix_by)
    if active.diversity:
        strategy = acquisition.with_steps(strategy, active.diversity)
    return strategy


def _policy(options: Any) -> Policy:
    head = PolicyHead(width=options.width, depth=options.depth)
    start = None
    if options.start:
        path = weight_files.SHIPPED if options.start == "shipped" else Path(options.start)
        start = weight_files.load(path, head)
    return Policy(
        term=PolicyTerm(head=head, weight=options.weight, batch=options.batch),
        start=start,
        prior=options.prior,
        least=options.least,
    )


def _sensor(scene: Scene) -> str:
    """How much of the training frames has depth: ``all``, ``some`` or ``none``."""
    depth_z = scene.train.depth_z
    if depth_z is None or not (depth_z > 0).any():
        return "none"
    valid_mask = ... if scene.train.valid_mask is None else scene.train.valid_mask
    return "all" if (depth_z[valid_mask] > 0).all() else "some"


def _nerf(config: Any, scene: Scene, sensor: str) -> Nerf:
    if config.model.field == "paper":
        options = config.model.paper
        return PaperNerf(
            field=PaperField(**options.field.to_dict()), **options.render.to_dict()
        )
    options = config.model.hash
    grid = options.grid.to_dict()
    low, high = scene_box(scene, far=options.far)
    low, extent = (tuple(float(v) for v in side) for side in (low, high - low))
    return GridNerf(
        field=HashField(
            low=low,  # pyright: ignore[reportArgumentType]
            extent=extent,  # pyright: ignore[reportArgumentType]
            cells=hash_grid.grid_cells(
                grid.pop("coarsest_cell"), grid.pop("finest_cell"), grid.pop("levels")
            ),
            **grid,
        ),
        sensor=sensor,
        **options.render.to_dict(),
    )


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
