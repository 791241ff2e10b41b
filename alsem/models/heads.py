"""Semantic heads: from view-independent surface points to class logits.

A wall is a wall from any side: no head sees the view direction.
"""

from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp

from alsem import encoding
from alsem.types import SurfacePoints
from alsem.typing import Array, Float


class SemanticHead(nn.Module):
    """MLP over chosen properties of a surface point.

    Attributes:
        num_classes: Classes without void.
        inputs: Which of ``position``, ``normal``, ``albedo``, ``feature`` it sees.
        width: Width of the hidden layers.
        depth: Hidden layers.
        octaves: Octaves of the position encoding: few, so that a label reaches far.
        wavelength: Longest wavelength of that encoding over 2 pi, metres.
        feature_scale: Multiplies ``feature``.
    """

    num_classes: int
    inputs: Sequence[str] = ("position", "normal", "albedo", "feature")
    width: int = 64
    depth: int = 2
    octaves: int = 4
    wavelength: float = 1.0
    feature_scale: float = 1.0

    @nn.compact
    def __call__(self, surface: SurfacePoints) -> Float[Array, "*b c"]:
        """Class logits of surface points."""
        available = {
            "position": lambda: encoding.sinusoidal(
                surface.x_world / self.wavelength, octaves=self.octaves
            ),
            "normal": lambda: surface.normal,
            "albedo": lambda: 2.0 * surface.albedo - 1.0,
            "feature": lambda: self.feature_scale * surface.feature,
        }
        h = jnp.concatenate([available[name]() for name in self.inputs], axis=-1)
        for i in range(self.depth):
            h = nn.relu(nn.Dense(self.width, name=f"hidden_{i}")(h))
        return nn.Dense(self.num_classes, name="logits")(h)


class SemanticMembers(nn.Module):
    """K heads with parameters of their own, as samples of a posterior.

    Attributes:
        head: The head every member is a copy of.
        members: K.
    """

    head: SemanticHead
    members: int = 1

    @nn.compact
    def __call__(self, surface: SurfacePoints) -> Float[Array, "k *b c"]:
        """Class logits of every member at the same surface points."""
        many = nn.vmap(
            lambda head: head(surface),  # every member sees the same points
            axis_size=self.members,
            variable_axes={"params": 0},
            split_rngs={"params": True},
        )
        return many(self.head)
