"""Exposure and white balance of every photograph.

A gain and an offset a frame and channel, in place of the embeddings of *NeRF in the
Wild* (Martin-Brualla et al., CVPR 2021): they model light that changes from frame to
frame. Their means over the frames are zero, so that the field's own colours are those
of the average photograph.
"""

from typing import Any

import jax.numpy as jnp

from alsem.core.arrays import Array, Float, Int


def init_appearance(frames: int) -> dict[str, Array]:
    """Gains of one and offsets of zero: log gains and offsets ``[frames 3]``."""
    return {"log_gain": jnp.zeros((frames, 3)), "offset": jnp.zeros((frames, 3))}


def as_photographed(
    params: Any, rgb: Float[Array, "r 3"], frame: Int[Array, "r"]
) -> Float[Array, "r 3"]:
    """Rendered colours with the exposure and white balance of their frames.

    Args:
        params: Of the field; without ``appearance`` colours stay as they are.
        rgb: Rendered colours.
        frame: Index of the training frame.
    """
    if "appearance" not in params:
        return rgb
    learned = params["appearance"]
    log_gain = learned["log_gain"] - jnp.mean(
        learned["log_gain"], axis=0, keepdims=True
    )
    offset = learned["offset"] - jnp.mean(learned["offset"], axis=0, keepdims=True)
    return rgb * jnp.exp(log_gain[frame]) + offset[frame]
