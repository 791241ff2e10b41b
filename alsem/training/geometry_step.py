"""The geometry step: colour of any pixel, depth from a sensor or from stereo."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import optax

from alsem.core import numerics, rng
from alsem.core.arrays import Array, Float, Int, PRNGKeyArray
from alsem.core.memoize import memoize
from alsem.core.mesh import split_batch
from alsem.core.types import RayHistogram
from alsem.nerf import (
    Nerf,
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
        background: ``black`` or ``random`` behind what a ray meets: with the latter a
            field that light passes through fits no photograph.
        interlevel: Error of the proposals, of a renderer that trains them.
        before: Light that ends before the surfaces that stereo found.
        elsewhere: Light that does not end at them.
        stereo_fade: Fraction of the fit in which the weights of both fall to 1/e.
        stereo_error: Error that stereo is taken to have, as a fraction of the distance.
        bending: Departure of surfaces from planes where the photographs have one
            colour.
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
    background: str = "black"
    interlevel: float = 0.0
    before: float = 0.0
    elsewhere: float = 0.0
    stereo_fade: float = 0.3
    stereo_error: float = 0.02
    bending: float = 0.0


def geometry_loss(
    nerf: Nerf,
    params: Any,
    grid: Any,
    data: PixelData,
    pixel: Int[Array, "r"],
    key: PRNGKeyArray,
    *,
    weight: GeometryLoss,
    mesh: jax.sharding.Mesh,
    progress: Float[Array, ""] | float = 1.0,
) -> tuple[Float[Array, ""], dict[str, Array]]:
    """Loss of a batch of pixels, split over the devices, and its parts.

    Args:
        nerf: The renderer.
        params: Its parameters, and those of appearance.
        grid: What places samples.
        data: The photographs.
        pixel: Those of the batch. With ``weight.bending`` they begin with
            ``len(pixel) // 3`` triples of `PixelData.draw_lines`, flattened.
        key: Randomness.
        weight: Weights of the parts.
        mesh: The devices.
        progress: Fraction of the fit that is done.
    """
    rays = cameras.pool_rays(pixel, data.cameras)
    target = data.rgb.reshape(-1, 3)[pixel].astype(jnp.float32) / 255.0
    distance = data.depth_z.reshape(-1)[pixel] / rays.z_scale
    if data.stereo is not None:  # no photograph has measured depth
        distance = data.stereo.at(pixel, data.rgb) / rays.z_scale
    levels = nerf.render_train(params, grid, rays, distance, key, mesh=mesh)
    frame = pixel // data.cameras.rays_per_frame
    colours = [as_photographed(params, level.rgb, frame) for level in levels]
    if weight.background == "random":
        behind = jax.random.uniform(rng.stream(key, "background"), target.shape)
        colours = [
            rgb + (1.0 - jnp.sum(level.weights, axis=-1))[:, None] * behind
            for rgb, level in zip(colours, levels, strict=True)
        ]
    errors = [losses.colour_error(rgb, target) for rgb in colours]
    parts: dict[str, Any] = {"colour": sum(errors)}
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
    if weight.interlevel and finest.proposal is not None:
        fine = RayHistogram(finest.t_edges, finest.weights)
        parts["interlevel"] = losses.interlevel(fine, finest.proposal)
    if weight.bending:
        lines = pixel.size // 3 * 3
        depth_z = volume_rendering.expected_distance(finest.weights, t_mids)
        depth_z = (depth_z * rays.z_scale)[:lines].reshape(3, -1)
        parts["bending"] = losses.bending(depth_z, target[:lines].reshape(3, -1, 3))
    if data.stereo is not None:
        ends = (finest.weights, t_mids, distance, weight.stereo_error * distance)
        fade = jnp.exp(-progress / weight.stereo_fade)
        parts["before"] = fade * losses.light_before(*ends)
        parts["elsewhere"] = fade * losses.light_elsewhere(*ends)
    total = sum(getattr(weight, name) * value for name, value in parts.items())
    return jnp.asarray(total), parts


def draw_batch(
    data: PixelData, key: PRNGKeyArray, weight: GeometryLoss, batch_rays: int
) -> Int[Array, "r"]:
    """A random batch, in lines of three if their bending counts."""
    if not weight.bending:
        return data.draw(key, batch_rays)
    keys = jax.random.split(key)
    lines = data.draw_lines(keys[0], batch_rays // 3).reshape(-1)
    return jnp.concatenate([lines, data.draw(keys[1], batch_rays % 3)])


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
        pixel = split_batch(draw_batch(data, pixel_key, weight, batch_rays), mesh)
        progress = state.step / jnp.maximum(state.num_steps, 1)

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
                progress=progress,
            )

        return gradient_step(state, tx, loss)

    return step
