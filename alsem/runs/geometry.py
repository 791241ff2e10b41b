"""From a config to fitted geometry: the field, its renderer, the geometry stage."""

import dataclasses
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from alsem.active import geometry_stage
from alsem.active.geometry_options import GeometryOptions, SurfaceOptions
from alsem.active.geometry_stage import SceneGeometry
from alsem.data import Scene, scene_box
from alsem.nerf import (
    GridNerf,
    HashField,
    Nerf,
    PaperField,
    PaperNerf,
    ProposalField,
    ProposalNerf,
    hash_grid,
)
from alsem.runs.build import fit_options
from alsem.stereo import StereoOptions
from alsem.training import GeometryLoss

CLEAR = -3.0  # log-density bias of a field without depth: it starts as clear air


def fit_geometry(
    config: Any, workdir: Path, scene: Scene, mesh: jax.sharding.Mesh
) -> tuple[Nerf, SceneGeometry]:
    """The renderer, and geometry fitted or opened beside the run directories."""
    nerf = make_nerf(config, scene)
    options = geometry_options(config, scene)
    geometry = geometry_stage.fit_scene(
        scene,
        nerf,
        options,
        surface_options(config, nerf, options),
        mesh=mesh,
        cache_dir=workdir.parent / ".geometry",
    )
    return nerf, geometry


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
    coverage = depth_coverage(scene)
    grid = _with_cells(options.grid)
    if coverage == "none":
        proposal = options.proposal.to_dict()
        return ProposalNerf(
            field=HashField(**grid, density_bias=CLEAR, dtype=dtype),
            proposal=ProposalField(**_with_cells(proposal.pop("grid")), dtype=dtype),
            **proposal,
        )
    render = options.render.to_dict()
    render.pop("near")
    return GridNerf(field=HashField(**grid, dtype=dtype), sensor=coverage, **render)


def _with_cells(section: Any) -> dict[str, Any]:
    """Options of a field's grid, with the cells of its levels."""
    grid = dict(section)
    ends = grid.pop("coarsest_cell"), grid.pop("finest_cell"), grid.pop("levels")
    return grid | {"cells": hash_grid.grid_cells(*ends)}


def scene_corners(config: Any, scene: Scene) -> tuple[tuple[float, float, float], ...]:
    """Low and high corner of the box that the scene's field covers, metres."""
    corners = scene_box(scene, far=config.model.hash.far)
    low, high = (tuple(float(v) for v in corner) for corner in corners)
    return low, high  # pyright: ignore[reportReturnType]


def depth_coverage(scene: Scene) -> str:
    """How much of the photographs has depth: ``all``, ``some`` or ``none``."""
    frames = scene.geometry_photographs.frames
    depth_z = frames.depth_z
    if depth_z is None or not (depth_z > 0).any():
        return "none"
    valid = ... if frames.valid_mask is None else frames.valid_mask
    return "all" if (depth_z[valid] > 0).all() else "some"


def geometry_options(config: Any, scene: Scene) -> GeometryOptions:
    """Options of the geometry stage."""
    options, hash_options = config.train.geometry, config.model.hash
    coverage = depth_coverage(scene)
    fit, loss = fit_options(options.fit), options.loss.to_dict()
    loss["normal_source"] = "density" if coverage == "none" else "sensor"
    stereo, low, high = None, None, None
    if coverage == "none" and config.model.field == "hash":
        own = options.colour_only.to_dict()
        stereo = StereoOptions(**own.pop("stereo"))
        fit = dataclasses.replace(fit, steps=own.pop("steps"))
        loss |= own.pop("loss") | {"background": "random"}
        loss["occupancy"] = loss["depth"] = 0.0
    else:
        low, high = scene_corners(config, scene)
    return GeometryOptions(
        fit=fit,
        loss=GeometryLoss(**loss),
        low=low,
        high=high,
        near=hash_options.render.near,
        seed=options.seed,
        # Where every ray has depth, samples are placed without the grid.
        grid_fraction=options.grid_fraction if coverage == "some" else 0.0,
        appearance=config.model.appearance,
        stereo=stereo,
        far=hash_options.far,
    )


def surface_options(
    config: Any, nerf: Nerf, geometry: GeometryOptions
) -> SurfaceOptions:
    """Options of the surface caches."""
    options, t_max = config.surface.to_dict(), None
    options.pop("score_chunk")
    if geometry.low is not None and geometry.high is not None:
        t_max = nerf.longest_ray(geometry.low, geometry.high, geometry.near)
    return SurfaceOptions(t_max=t_max, **options)
