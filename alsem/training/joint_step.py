"""The joint step: field, heads and extra losses in one gradient, as published."""

import jax
import optax

from alsem.core import rng
from alsem.core.arrays import PRNGKeyArray
from alsem.core.memoize import memoize
from alsem.core.mesh import split_batch
from alsem.nerf import Nerf, SemanticMembers, cameras, volume_rendering
from alsem.training.geometry_step import GeometryLoss, draw_batch, geometry_loss
from alsem.training.semantic_step import semantic_loss
from alsem.training.state import ExtraLoss, Step, TrainState, extra_parts, gradient_step


@memoize
def make_joint_step(
    nerf: Nerf,
    heads: tuple[SemanticMembers, ...],
    tx: optax.GradientTransformation,
    *,
    weight: GeometryLoss,
    semantic_weight: float,
    semantic_gradient: bool,
    batch_rays: int,
    label_rays: int,
    mesh: jax.sharding.Mesh,
    extra_losses: tuple[ExtraLoss, ...] = (),
) -> Step:
    """One step of everything: colour, geometry, labels, extra losses; one gradient.

    With ``semantic_gradient`` labels also move density and trunk, as published; without
    it only the heads learn from labels. The step's data are `PixelData`,
    `LabelledPixels` and a dict of the extra losses' data.
    """

    def render_levels(params, grid, data, pixel, key):
        rays = cameras.pool_rays(pixel, data.cameras)
        distance = data.depth_z.reshape(-1)[pixel] / rays.z_scale
        levels = nerf.render_train(
            params["field"], grid, rays, distance, key, mesh=mesh
        )
        return levels if semantic_gradient else jax.lax.stop_gradient(levels)

    def labels_loss(params, grid, data, labelled, pick_key, sample_key):
        chosen = jax.random.randint(pick_key, (label_rays,), 0, labelled.count)
        chosen = split_batch(chosen, mesh)
        pixel, label = labelled.pixel[chosen], labelled.label[chosen]
        levels = render_levels(params, grid, data, pixel, sample_key)
        frame = pixel // data.cameras.rays_per_frame
        by_level = [
            semantic_loss(head, own, level.samples.surface, level.weights, label, frame)
            for head, own, level in zip(heads, params["heads"], levels, strict=True)
        ]
        return sum(by_level[1:], start=by_level[0])

    def step(state: TrainState, data, key: PRNGKeyArray):
        pixels, labelled, extra_data = data
        step_key = rng.stream(key, "train", state.step)
        keys = jax.random.split(step_key, 4)
        pixel = split_batch(draw_batch(pixels, keys[0], weight, batch_rays), mesh)

        def loss(params):
            total, parts = geometry_loss(
                nerf,
                params["field"],
                state.grid,
                pixels,
                pixel,
                keys[1],
                weight=weight,
                mesh=mesh,
            )
            semantic = labels_loss(
                params, state.grid, pixels, labelled, keys[2], keys[3]
            )
            total = total + semantic_weight * semantic
            parts = parts | {"semantic": semantic}

            def features_of(compact, pixel, key):
                del compact
                last = render_levels(params, state.grid, pixels, pixel, key)[-1]
                feature = last.samples.surface.feature
                return volume_rendering.composite(last.weights, feature)

            extra = extra_parts(
                extra_losses, params, extra_data, step_key, features_of, mesh
            )
            total = total + sum(extra.values())
            parts = parts | extra
            return total, parts

        return gradient_step(state, tx, loss)

    return step
