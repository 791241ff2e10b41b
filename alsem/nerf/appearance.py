"""What a camera did to the colours of each photograph: exposure and white balance.

A gain and an offset a frame and channel, as in *NeRF in the Wild* (Martin-Brualla et
al., CVPR 2021) but linear: they explain light that changes from frame to frame, so that
the field need not. Their means over the frames are nought: the field's own colours are
those of the average photograph.
"""

from typing import Any

import jax.numpy as jnp

from alsem.core.arrays import Array, Float, Int


def init_appearance(frames: int) -> dict[str, Array]:
    """Photographs as the field gives them: log gains and offsets ``[frames 3]``."""
    return {"log_gain": jnp.zeros((frames, 3)), "offset": jnp.zeros((frames, 3))}


def as_photographed(
    params: Any, rgb: Float[Array, "r 3"], frame: Int[Array, "r"]
) -> Float[Array, "r 3"]:
    """Rendered colours as the frames' photographs show them.

    Args:
        params: The nerf's; without ``appearance`` all frames are alike.
        rgb: Rendered.
        frame: Number of the training frame.
    """
    if "appearance" not in params:
        return rgb
    held = params["appearance"]
    log_gain = held["log_gain"] - jnp.mean(held["log_gain"], axis=0, keepdims=True)
    offset = held["offset"] - jnp.mean(held["offset"], axis=0, keepdims=True)
    return rgb * jnp.exp(log_gain[frame]) + offset[frame]
