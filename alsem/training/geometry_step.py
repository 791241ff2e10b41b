"""The geometry step: colour of any pixel, depth where a sensor measured it."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import optax

from alsem.core import numerics, rng
from alsem.core.arrays import Array, Float, Int, PRNGKeyArray
from alsem.core.mesh import split_batch
from alsem.core.types import Intrinsics
from alsem.nerf import Nerf, cameras, losses, ray_sampling, volume_rendering
from alsem.nerf.appearance import as_photographed
from alsem.training.state import PixelData, Step, TrainState, update


@dataclasses.dataclass(frozen=True)
class GeometryLoss:
    """Weights of the geometry and colour loss.

    Attributes:
        colour: Squared colour error of every level.
        occupancy: Opacity at samples that the depth sensor has decided.
        depth: Absolute error of the rendered distance, per metre.
        distortion: Spread of the weights along a ray, per metre.
        normal: Direction error of the predicted normals (no slope into density).
        shading: Squared view-dependent part of the colour, seen from random
            directions where rays end: what no photograph has shown stays matt.
        thickness: Metres over which ``occupancy`` takes opacity.
        reach: Metres behind a measured surface that ``occupancy`` calls full.
        normal_source: Where normals are learnt from: ``sensor`` (`PixelData.normal`)
            or ``density`` (its slope where a ray ends), for captures without depth.
    """

    colour: float = 1.0
    occupancy: float = 0.1
    depth: float = 0.1
    distortion: float = 0.0
    normal: float = 0.02
    shading: float = 0.5
    thickness: float = 0.02
    reach: float = 0.02
    normal_source: str = "sensor"


def geometry_loss(
    nerf: Nerf,
    params: Any,
    grid: Array | None,
    data: PixelData,
    pixel: Int[Array, "r"],
    key: PRNGKeyArray,
    *,
    weight: GeometryLoss,
    intrinsics: Intrinsics,
    pixel_offset: tuple[float, float],
) -> tuple[Float[Array, ""], dict[str, Array]]:
    """Loss of a batch of pool pixels and its parts."""
    rays = cameras.pool_rays(pixel, data.world_from_cam, intrinsics, pixel_offset)
    target = data.rgb.reshape(-1, 3)[pixel].astype(jnp.float32) / 255.0
    distance = data.depth_z.reshape(-1)[pixel] / rays.z_scale
    levels = nerf.render_train(params, grid, rays, distance, key)
    frame = pixel // (intrinsics.width * intrinsics.height)
    valid_mask = [as_photographed(params, level.rgb, frame) for level in levels]
    colour = [losses.colour_error(rgb, target) for rgb in valid_mask]
    parts: dict[str, Any] = {"colour": sum(colour)}
    finest = levels[-1]
    t_mids = ray_sampling.midpoints(finest.t_edges)
    if weight.occupancy:
        parts["occupancy"] = losses.occupancy(
            finest.samples.density,
            t_mids,
            distance,
            thickness=weight.thickness,
            reach=weight.reach,
        )
    if weight.depth:
        expected = volume_rendering.expected_distance(finest.weights, t_mids)
        parts["depth"] = losses.depth_error(expected, distance)
    if weight.distortion:
        parts["distortion"] = losses.distortion(finest.weights, finest.t_edges)
    last = volume_rendering.median_distance(finest.weights, finest.t_edges)
    end = jax.lax.stop_gradient(rays.origins + rays.directions * last[:, None])
    if weight.shading:
        anywhere = jax.random.normal(rng.stream(key, "shading"), end.shape)
        seen = nerf.look(params, end, numerics.safe_normalize(anywhere))
        parts["shading"] = losses.colour_error(seen.rgb, seen.surface.diffuse)
    if weight.normal:
        if weight.normal_source == "sensor":
            wanted = data.normal.reshape(-1, 3)[pixel].astype(jnp.float32) / 127.0
        else:
            held = jax.lax.stop_gradient(params)
            slope = jax.grad(lambda x: jnp.sum(nerf.density(held, x)))(end)
            wanted = numerics.safe_normalize(-slope)
        still = jax.lax.stop_gradient(finest.weights)
        rendered = volume_rendering.composite(still, finest.samples.surface.normal)
        parts["normal"] = losses.direction_error(rendered, wanted)
    total = sum(getattr(weight, name) * value for name, value in parts.items())
    return jnp.asarray(total), parts


def make_geometry_step(
    nerf: Nerf,
    tx: optax.GradientTransformation,
    *,
    weight: GeometryLoss,
    batch_rays: int,
    intrinsics: Intrinsics,
    pixel_offset: tuple[float, float],
    mesh: jax.sharding.Mesh,
) -> Step:
    """One step of fitting geometry and colour to a random batch of the pool."""

    def step(state: TrainState, data: PixelData, key: PRNGKeyArray):
        pixel_key, sample_key = jax.random.split(rng.stream(key, "train", state.step))
        pixel = split_batch(data.draw(pixel_key, batch_rays), mesh)

        def loss(params):
            return geometry_loss(
                nerf,
                params,
                state.grid,
                data,
                pixel,
                sample_key,
                weight=weight,
                intrinsics=intrinsics,
                pixel_offset=pixel_offset,
            )

        (total, parts), grads = jax.value_and_grad(loss, has_aux=True)(state.params)
        return update(state, tx, grads), {"loss": total, **parts}

    return step
