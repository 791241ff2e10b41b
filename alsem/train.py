"""Fitting: geometry and colour, semantics on the surface cache, and both jointly.

One step is one function of (state, data, key); `lax.scan` runs ``steps_per_call`` of
them without coming back to the host. Keys come from the step number, so a resumed fit
draws what the uninterrupted one would have drawn.

Two ray streams of fixed size: any training pixel for colour and geometry, labelled
pixels for semantics. In ``staged`` training the second never renders: its rays are
samples of the surface cache.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import optax

from alsem import cameras, losses, numerics, render, rng, sharding
from alsem.models import Nerf, SemanticMembers
from alsem.types import Intrinsics, SurfacePoints
from alsem.typing import Array, Float, Int, Leaf, PRNGKeyArray

Step = Callable[["TrainState", Any, PRNGKeyArray], tuple["TrainState", dict]]


@flax.struct.dataclass
class TrainState:
    """What training changes.

    Attributes:
        step: Steps done, int32.
        params: Parameters being fitted.
        opt_state: The optimiser's.
        grid: Proposal grid of the renderer, None where there is none.
    """

    step: Leaf
    params: Any
    opt_state: Any
    grid: Any = None


def fresh_state(
    params: Any, tx: optax.GradientTransformation, *, grid: Any = None
) -> TrainState:
    """A state at step 0."""
    return TrainState(
        step=jnp.int32(0), params=params, opt_state=tx.init(params), grid=grid
    )


@flax.struct.dataclass
class PixelData:
    """The pool on the device.

    Attributes:
        rgb: ``[n h w 3]`` uint8.
        depth_z: ``[n h w]`` metres along the optical axis, 0 unknown.
        normal: ``[n h w 3]`` int8 (127 = 1), world frame, zero where unknown.
        world_from_cam: ``[n 4 4]``.
    """

    rgb: Leaf
    depth_z: Leaf
    normal: Leaf
    world_from_cam: Leaf


@flax.struct.dataclass
class LabelledPixels:
    """Labelled pixels, padded to a fixed length; padding has label -1.

    Attributes:
        pixel: ``[n]`` int32 index into the flattened pool.
        label: ``[n]`` int32.
        count: How many are real; at least 1 so that drawing stays defined.
    """

    pixel: Leaf
    label: Leaf
    count: Leaf


@flax.struct.dataclass
class LabelledSurface:
    """Labelled rays as their compact surface samples, padded like `LabelledPixels`.

    Attributes:
        pixel: ``[n]`` int32 index into the flattened pool.
        compact: Samples of the surface cache, ``[n s ...]``.
        label: ``[n]`` int32.
        count: How many are real; at least 1.
    """

    pixel: Leaf
    compact: Any
    label: Leaf
    count: Leaf


@dataclasses.dataclass(frozen=True)
class GeometryLoss:
    """Weights of the geometry and colour loss.

    Attributes:
        colour: Squared colour error of every level.
        occupancy: Opacity at samples that the depth sensor has decided.
        depth: Absolute error of the rendered distance, per metre.
        distortion: Spread of the weights along a ray, per metre.
        normal: Direction error of the predicted normals (no slope into density).
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
    colour = [losses.colour_error(level.rgb, target) for level in levels]
    parts: dict[str, Any] = {"colour": sum(colour)}
    finest = levels[-1]
    t_mids = 0.5 * (finest.t_edges[:, 1:] + finest.t_edges[:, :-1])
    if weight.occupancy:
        parts["occupancy"] = losses.occupancy(
            finest.samples.density,
            t_mids,
            distance,
            thickness=weight.thickness,
            reach=weight.reach,
        )
    if weight.depth:
        expected = render.expected_distance(finest.weights, t_mids)
        parts["depth"] = losses.depth_error(expected, distance)
    if weight.distortion:
        parts["distortion"] = losses.distortion(finest.weights, finest.t_edges)
    if weight.normal:
        if weight.normal_source == "sensor":
            wanted = data.normal.reshape(-1, 3)[pixel].astype(jnp.float32) / 127.0
        else:
            distance_now = render.median_distance(finest.weights, finest.t_edges)
            x_world = rays.origins + rays.directions * distance_now[:, None]
            held = jax.lax.stop_gradient(params)
            x_world = jax.lax.stop_gradient(x_world)
            slope = jax.grad(lambda x: jnp.sum(nerf.density(held, x)))(x_world)
            wanted = numerics.safe_normalize(-slope)
        still = jax.lax.stop_gradient(finest.weights)
        rendered = render.composite(still, finest.samples.surface.normal)
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
        num_pixels = data.depth_z.size
        pixel = jax.random.randint(pixel_key, (batch_rays,), 0, num_pixels)
        pixel = sharding.split_batch(pixel, mesh)

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
        return _update(state, tx, grads), {"loss": total, **parts}

    return step


def semantic_loss(
    heads: SemanticMembers,
    params: Any,
    surface: SurfacePoints,
    weights: Float[Array, "r s"],
    label: Int[Array, "r"],
) -> Float[Array, ""]:
    """Mean over members of the cross entropy of the composited logits."""
    at_samples: Any = heads.apply(params, surface)
    logits = jnp.sum(weights[None, ..., None] * at_samples, axis=-2)
    return jnp.mean(jax.vmap(losses.cross_entropy, in_axes=(0, None))(logits, label))


def make_semantic_step(
    heads: SemanticMembers,
    tx: optax.GradientTransformation,
    *,
    decode: Callable[[Array, Any], tuple[SurfacePoints, Array, Array]],
    batch_rays: int,
    mesh: jax.sharding.Mesh,
) -> Step:
    """One step of fitting the semantic members to labelled rays of the cache.

    ``decode(pixel, compact)`` gives the rays' surface points, weights and distances.
    """

    def step(state: TrainState, data: LabelledSurface, key: PRNGKeyArray):
        key = rng.stream(key, "semantics", state.step)
        chosen = jax.random.randint(key, (batch_rays,), 0, data.count)
        chosen = sharding.split_batch(chosen, mesh)
        compact = jax.tree.map(lambda leaf: leaf[chosen], data.compact)
        surface, weights, _ = decode(data.pixel[chosen], compact)
        total, grads = jax.value_and_grad(
            lambda params: semantic_loss(
                heads, params, surface, weights, data.label[chosen]
            )
        )(state.params)
        return _update(state, tx, grads), {"loss": total}

    return step


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
        return _update(state, tx, grads), {"loss": total, **parts}

    return step


def _update(state: TrainState, tx: optax.GradientTransformation, grads) -> TrainState:
    updates, opt_state = tx.update(grads, state.opt_state, state.params)
    return state.replace(  # pyright: ignore[reportAttributeAccessIssue]
        step=state.step + 1,
        params=optax.apply_updates(state.params, updates),
        opt_state=opt_state,
    )


def make_runner(
    step: Step,
    *,
    steps_per_call: int,
    mesh: jax.sharding.Mesh,
    refresh: Callable[[TrainState, PRNGKeyArray], TrainState] | None = None,
) -> Step:
    """Compiles ``steps_per_call`` steps into one call; the state is donated.

    ``refresh`` runs once a call, after the steps: the place for a proposal grid.
    Returns the state and the mean of every part over the call.
    """

    def run(state: TrainState, data, key: PRNGKeyArray):
        state, parts = jax.lax.scan(
            lambda carry, _: step(carry, data, key), state, length=steps_per_call
        )
        if refresh is not None:
            state = refresh(state, rng.stream(key, "refresh", state.step))
        return state, jax.tree.map(jnp.mean, parts)

    everywhere = sharding.replicated(mesh)
    compiled = jax.jit(
        run,
        in_shardings=everywhere,
        out_shardings=everywhere,
        donate_argnums=0,
    )

    def call(state: TrainState, data, key: PRNGKeyArray):
        # A state that is not on the mesh yet would be compiled for by itself.
        return compiled(jax.device_put(state, everywhere), data, key)

    return call


def fit(
    run: Step,
    state: TrainState,
    data: Any,
    key: PRNGKeyArray,
    *,
    num_steps: int,
    steps_per_call: int,
    after_call: Callable[[TrainState, dict[str, Array]], None] | None = None,
) -> TrainState:
    """Calls a runner until ``num_steps`` steps are done, from wherever it stands.

    Args:
        run: A compiled runner.
        state: Where to go on from; donated.
        data: What the runner's step draws from.
        key: The fit's key; steps fold their number in.
        num_steps: Total steps, a multiple of ``steps_per_call``.
        steps_per_call: Steps of one call.
        after_call: Told the state and the parts (device arrays) after every call;
            checkpoints and logs go here.

    Raises:
        FloatingPointError: The loss is not finite.
    """
    done = int(state.step)
    for _ in range(done, num_steps, steps_per_call):
        state, parts = run(state, data, key)
        loss = float(parts["loss"])
        if not math.isfinite(loss):
            raise FloatingPointError(f"the loss is {loss} at step {int(state.step)}")
        if after_call is not None:
            after_call(state, parts)
    return state
