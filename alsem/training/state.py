"""What training holds and what it draws from."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

import flax.struct
import jax
import jax.numpy as jnp
import optax

from alsem.core import rng
from alsem.core.arrays import Array, Int, Leaf, PRNGKeyArray

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
    params: Any, tx: optax.GradientTransformation, *, grid: Any = None
) -> TrainState:
    """A state at step 0."""
    return TrainState(
        step=jnp.int32(0), params=params, opt_state=tx.init(params), grid=grid
    )


def update(
    state: TrainState, tx: optax.GradientTransformation, grads: Any
) -> TrainState:
    """The state after one optimiser step."""
    updates, opt_state = tx.update(grads, state.opt_state, state.params)
    return state.replace(  # pyright: ignore[reportAttributeAccessIssue]
        step=state.step + 1,
        params=optax.apply_updates(state.params, updates),
        opt_state=opt_state,
    )


@flax.struct.dataclass
class PixelData:
    """The pool on the device.

    Attributes:
        rgb: ``[n h w 3]`` uint8.
        depth_z: ``[n h w]`` metres along the optical axis, 0 unknown.
        normal: ``[n h w 3]`` int8 (127 = 1), world frame, zero where unknown.
        world_from_cam: ``[n 4 4]``.
        valid_mask: int32 ``[m]``, the pixels that show the scene, as indices into the
            flattened pool; None if all do.
    """

    rgb: Leaf
    depth_z: Leaf
    normal: Leaf
    world_from_cam: Leaf
    valid_mask: Leaf | None = None

    def draw(self, key: PRNGKeyArray, count: int) -> Int[Array, "r"]:
        """Random pixels that show the scene."""
        if self.valid_mask is None:
            return jax.random.randint(key, (count,), 0, self.depth_z.size)
        return self.valid_mask[
            jax.random.randint(key, (count,), 0, self.valid_mask.size)
        ]


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
