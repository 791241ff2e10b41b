"""The geometry step: colour of any pixel, depth where a sensor measured it."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import optax

from alsem.core import numerics, rng
from alsem.core.arrays import Array, Float, Int, PRNGKeyArray
from alsem.core.memoize import memoize
from alsem.core.mesh import split_batch
from alsem.nerf import (
    Nerf,
    ProposalGrid,
    cameras,
    losses,
    ray_sampling,
    volume_rendering,
)
from alsem.nerf.appearance import as_photographed
from alsem.training.state import PixelData, Step, TrainState, gradient_step


@dataclasses.dataclass(frozen=True)
class GeometryLoss:
    """Weights of the geometry and colour loss.

    Attributes:
        colour: Squared colour error of every level.
        occupancy: Opacity at samples where measured depth tells whether space is empty.
        depth: Absolute error of the rendered distance, per metre.
        distortion: Extent of the weights along a ray, per metre.
        normal: Direction error of the predicted normals (no gradient into density).
        shading: Squared view-dependent part of the colour from random directions where
            rays end: without it, directions that no photograph has are undetermined.
        thickness: Metres over which ``occupancy`` takes opacity.
        reach: Metres behind a measured surface in which ``occupancy`` wants opacity.
        normal_source: Targets of the normals: ``sensor`` (`PixelData.normal`) or
            ``density`` (its gradient where a ray ends), for captures without depth.
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
    grid: ProposalGrid | None,
    data: PixelData,
    pixel: Int[Array, "r"],
    key: PRNGKeyArray,
    *,
    weight: GeometryLoss,
    mesh: jax.sharding.Mesh,
) -> tuple[Float[Array, ""], dict[str, Array]]:
    """Loss of a batch of pool pixels, split over the devices, and its parts."""
    rays = cameras.pool_rays(pixel, data.cameras)
    target = data.rgb.reshape(-1, 3)[pixel].astype(jnp.float32) / 255.0
    distance = data.depth_z.reshape(-1)[pixel] / rays.z_scale
    levels = nerf.render_train(params, grid, rays, distance, key, mesh=mesh)
    frame = pixel // data.cameras.rays_per_frame
    photographed = [as_photographed(params, level.rgb, frame) for level in levels]
    colour = [losses.colour_error(rgb, target) for rgb in photographed]
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
        direction = jax.random.normal(rng.stream(key, "shading"), end.shape)
        direction = numerics.safe_normalize(direction)
        samples = nerf.evaluate(params, grid, end, direction, mesh=mesh)
        parts["shading"] = losses.colour_error(samples.rgb, samples.surface.diffuse)
    if weight.normal:
        if weight.normal_source == "sensor":
            wanted = data.normal.reshape(-1, 3)[pixel].astype(jnp.float32) / 127.0
        else:
            fixed = jax.lax.stop_gradient(params)
            slope = jax.grad(lambda x: jnp.sum(nerf.density(fixed, grid, x)))(end)
            wanted = numerics.safe_normalize(-slope)
        weights = jax.lax.stop_gradient(finest.weights)
        rendered = volume_rendering.composite(weights, finest.samples.surface.normal)
        parts["normal"] = losses.direction_error(rendered, wanted)
    total = sum(getattr(weight, name) * value for name, value in parts.items())
    return jnp.asarray(total), parts


@memoize
def make_geometry_step(
    nerf: Nerf,
    tx: optax.GradientTransformation,
    *,
    weight: GeometryLoss,
    batch_rays: int,
    mesh: jax.sharding.Mesh,
) -> Step:
    """One step of fitting geometry and colour to a random batch of the pool.

    The step's data is `PixelData`.
    """

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
                mesh=mesh,
            )

        return gradient_step(state, tx, loss)

    return step
