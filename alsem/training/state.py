"""The state of a fit, its data, and the losses that others add to it."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
import optax

from alsem.core import rng
from alsem.core.arrays import Array, Bool, Float, Int, PRNGKeyArray, UInt8
from alsem.core.pytrees import pytree
from alsem.core.types import FrameCameras

MAX_LINE_STEP = 10  # pixels between the pixels of `PixelData.draw_lines`

FeaturesOf = Callable[[Any, Array, PRNGKeyArray], Array]
"""(compact samples, pixels [r], key) -> composited geometry features ``[r f]``."""


@runtime_checkable
class ExtraLoss(Protocol):
    """A loss that is added to a semantic step, with parameters and data of its own.

    Attributes:
        name: Key of its parameters in those of the state, and of its data.
    """

    @property
    def name(self) -> str:
        """See above."""
        ...

    def __call__(
        self,
        params: Any,
        data: Any,
        key: PRNGKeyArray,
        features_of: FeaturesOf,
        mesh: jax.sharding.Mesh,
    ) -> Array:
        """The weighted loss of a random batch of its data.

        Args:
            params: Its parameters.
            data: Its data.
            key: Of this step.
            features_of: Gives geometry features of pool pixels.
            mesh: Devices that the batch is split over.
        """
        ...


Step = Callable[["TrainState", Any, PRNGKeyArray], tuple["TrainState", dict]]


@pytree
class TrainState:
    """The arrays that training changes.

    Attributes:
        step: Steps done, int32.
        num_steps: Steps of the whole fit, int32: the learning rate falls over them.
        params: Parameters being fitted.
        opt_state: State of the optimiser.
        grid: The renderer's proposal grid and the box of the scene, not trained; None
            where there is none.
    """

    step: Int[Array, ""]
    num_steps: Int[Array, ""]
    params: Any
    opt_state: Any
    grid: Any = None


def extra_parts(
    losses: Sequence[ExtraLoss],
    params: Any,
    data: dict[str, Any],
    step_key: PRNGKeyArray,
    features_of: FeaturesOf,
    mesh: jax.sharding.Mesh,
) -> dict[str, Array]:
    """The extra losses of a step by name; ``step_key`` differs from step to step."""
    return {
        extra.name: extra(
            params[extra.name],
            data[extra.name],
            rng.stream(step_key, extra.name),
            features_of,
            mesh,
        )
        for extra in losses
    }


def init_state(
    params: Any,
    tx: optax.GradientTransformation,
    *,
    num_steps: int,
    grid: Any = None,
) -> TrainState:
    """A state at step 0 of ``num_steps``."""
    return TrainState(
        step=jnp.int32(0),
        num_steps=jnp.int32(num_steps),
        params=params,
        opt_state=tx.init(params),
        grid=grid,
    )


def gradient_step(
    state: TrainState,
    tx: optax.GradientTransformation,
    loss: Callable[[Any], tuple[Array, dict[str, Array]]],
) -> tuple[TrainState, dict[str, Array]]:
    """One optimiser step down the gradient of a loss of the parameters.

    Args:
        state: Before the step.
        tx: The optimiser; a schedule receives the ``progress``.
        loss: Parameters to the total loss and its parts.

    Returns:
        The state after the step, and the parts with the total as ``loss``.
    """
    (total, parts), grads = jax.value_and_grad(loss, has_aux=True)(state.params)
    updates, opt_state = optax.with_extra_args_support(tx).update(
        grads,
        state.opt_state,
        state.params,
        progress=state.step / jnp.maximum(state.num_steps, 1),
    )
    after = dataclasses.replace(
        state,
        step=state.step + 1,
        params=optax.apply_updates(state.params, updates),
        opt_state=opt_state,
    )
    return after, {"loss": total, **parts}


@pytree
class StereoPixels:
    """Depth of some frames by stereo, on the devices.

    Attributes:
        depth_z: Metres along the optical axis, 0 unknown, ``[m h w]``; maps may be
            smaller than the frames.
        row: Index of every frame's map, -1 without one.
    """

    depth_z: Float[Array, "m h w"]
    row: Int[Array, "n"]

    def at(self, pixel: Int[Array, "r"], images: Array) -> Float[Array, "r"]:
        """Depth at pixels of the frames ``images [n h w 3]``, 0 unknown."""
        height, width = images.shape[1:3]
        frame, place = pixel // (height * width), pixel % (height * width)
        high, wide = self.depth_z.shape[1:]
        row = (2 * (place // width) + 1) * high // (2 * height)
        col = (2 * (place % width) + 1) * wide // (2 * width)
        which = self.row[frame]
        depth = self.depth_z[jnp.maximum(which, 0), row, col]
        return jnp.where(which >= 0, depth, 0.0)


@pytree
class PixelData:
    """The photographs that geometry is fitted to, on the devices.

    Attributes:
        rgb: sRGB, uint8.
        depth_z: Metres along the optical axis, 0 unknown.
        normal: Int8 (127 = 1), world frame, zero where unknown.
        cameras: Of the frames.
        valid_pixels: Pixels that show the scene, as indices into the flattened pool,
            padded to its length (`valid_pixels`); None if all do.
        num_valid: How many of them there are.
        is_valid: The mask that they come from, ``[n h w]``; None if all do.
        stereo: Depth by stereo, for photographs without measured depth; None where it
            is not used.
    """

    rgb: UInt8[Array, "n h w 3"]
    depth_z: Float[Array, "n h w"]
    normal: Int[Array, "n h w 3"]
    cameras: FrameCameras
    valid_pixels: Int[Array, "m"] | None = None
    num_valid: Int[Array, ""] | None = None
    is_valid: Bool[Array, "n h w"] | None = None
    stereo: StereoPixels | None = None

    def draw(self, key: PRNGKeyArray, count: int) -> Int[Array, "r"]:
        """Random pixels that show the scene."""
        if self.valid_pixels is None or self.num_valid is None:
            return jax.random.randint(key, (count,), 0, self.depth_z.size)
        drawn = jax.random.randint(key, (count,), 0, self.num_valid)
        return self.valid_pixels[drawn]

    def draw_lines(self, key: PRNGKeyArray, count: int) -> Int[Array, "3 n"]:
        """Random triples of pixels in line, a few pixels apart, along rows or columns.

        The middle one is a pixel of `draw`, or near one at the border. Where a
        neighbour does not show the scene, the triple is that pixel three times.
        """
        height, width = self.depth_z.shape[1:]
        keys = jax.random.split(key, 3)
        drawn = self.draw(keys[0], count)
        longest = max(min(MAX_LINE_STEP, (min(height, width) - 1) // 2), 0)
        step = jax.random.randint(keys[1], (count,), min(2, longest), longest + 1)
        is_down = jax.random.bernoulli(keys[2], 0.5, (count,))
        down, right = jnp.where(is_down, step, 0), jnp.where(is_down, 0, step)
        frame, place = drawn // (height * width), drawn % (height * width)
        row = jnp.clip(place // width, down, height - 1 - down)
        col = jnp.clip(place % width, right, width - 1 - right)
        middle = (frame * height + row) * width + col
        shift = down * width + right
        lines = jnp.stack([middle - shift, middle, middle + shift])
        if self.is_valid is None:
            return lines
        return jnp.where(self.is_valid.reshape(-1)[lines].all(axis=0), lines, drawn)


def valid_pixels(valid_mask: np.ndarray | None) -> dict[str, Any]:
    """The fields of `PixelData` that a mask ``[n h w]`` decides; none without one.

    Indices are padded, so that masks of one shape make arrays of one shape: of the mask
    (True, False, True) the indices are (0, 2, 0), of which two count.
    """
    if valid_mask is None:
        return {}
    index = np.flatnonzero(valid_mask).astype(np.int32)
    padded = np.zeros(valid_mask.size, np.int32)
    padded[: len(index)] = index
    return {
        "valid_pixels": jnp.asarray(padded),
        "num_valid": jnp.int32(len(index)),
        "is_valid": jnp.asarray(valid_mask),
    }


@pytree
class LabelledPixels:
    """Labelled pixels, padded to a fixed length; padding has label -1.

    Attributes:
        pixel: Index into the flattened pool.
        label: Class, -1 void.
        count: How many are real; at least 1 so that drawing stays defined.
    """

    pixel: Int[Array, "n"]
    label: Int[Array, "n"]
    count: Int[Array, ""]


@pytree
class LabelledSurface:
    """Labelled rays with their surface samples, padded like `LabelledPixels`.

    Attributes:
        pixel: Index into the flattened pool.
        compact: Samples of the surface cache, ``[n s ...]``.
        label: Class, -1 void.
        count: How many are real; at least 1.
        cameras: Cameras of the surface cache, for its ``decode``.
    """

    pixel: Int[Array, "n"]
    compact: Any
    label: Int[Array, "n"]
    count: Int[Array, ""]
    cameras: Any
