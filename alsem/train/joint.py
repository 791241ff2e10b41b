"""The joint step: everything learns in every step, as published."""

import jax
import optax

from alsem import cameras, rng, sharding
from alsem.models import Nerf, SemanticMembers
from alsem.train.geometry import GeometryLoss, geometry_loss
from alsem.train.semantics import semantic_loss
from alsem.train.state import Step, TrainState, update
from alsem.types import Intrinsics
from alsem.typing import PRNGKeyArray


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
    intrinsics: Intrinsics,
    pixel_offset: tuple[float, float],
    mesh: jax.sharding.Mesh,
) -> Step:
    """One step of everything: colour rays and labelled rays, one gradient.

    With ``semantic_gradient`` the cross entropy also moves density and trunk, as
    published; without it only the heads learn from labels.
    """

    def labels_loss(params, grid, data, labelled, pick_key, sample_key):
        chosen = jax.random.randint(pick_key, (label_rays,), 0, labelled.count)
        chosen = sharding.split_batch(chosen, mesh)
        pixel, label = labelled.pixel[chosen], labelled.label[chosen]
        rays = cameras.pool_rays(pixel, data.world_from_cam, intrinsics, pixel_offset)
        distance = data.depth_z.reshape(-1)[pixel] / rays.z_scale
        levels = nerf.render_train(params["field"], grid, rays, distance, sample_key)
        if not semantic_gradient:
            levels = jax.lax.stop_gradient(levels)
        return sum(
            semantic_loss(
                head, params["heads"][i], level.samples.surface, level.weights, label
            )
            for i, (head, level) in enumerate(zip(heads, levels, strict=True))
        )

    def step(state: TrainState, data, key: PRNGKeyArray):
        pixels, labelled = data
        keys = jax.random.split(rng.stream(key, "train", state.step), 4)
        pixel = jax.random.randint(keys[0], (batch_rays,), 0, pixels.depth_z.size)
        pixel = sharding.split_batch(pixel, mesh)

        def loss(params):
            total, parts = geometry_loss(
                nerf,
                params["field"],
                state.grid,
                pixels,
                pixel,
                keys[1],
                weight=weight,
                intrinsics=intrinsics,
                pixel_offset=pixel_offset,
            )
            semantic = labels_loss(
                params, state.grid, pixels, labelled, keys[2], keys[3]
            )
            return total + semantic_weight * semantic, parts | {"semantic": semantic}

        (total, parts), grads = jax.value_and_grad(loss, has_aux=True)(state.params)
        return update(state, tx, grads), {"loss": total, **parts}

    return step
