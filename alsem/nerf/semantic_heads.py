"""Semantic heads: from surface points to class logits.

No head has the view direction as input: a class does not depend on it. Where geometry
is poor, a second branch sees what the photograph shows around the pixel.
"""

from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from alsem.core.arrays import Array, Float
from alsem.core.types import SurfacePoints
from alsem.nerf import encodings


class SemanticHead(nn.Module):
    """MLP over chosen properties of a surface point, and another over image evidence.

    Logits are linear in both embeddings side by side, hence the sum of what either
    branch says: a product of experts, each of which is heeded where it is sure.

    Attributes:
        num_classes: Classes without void.
        inputs: Its inputs, of ``position``, ``normal``, ``diffuse``, ``feature``.
        width: Width of the hidden layers.
        depth: Hidden layers.
        octaves: Octaves of the position encoding: few, so that predictions vary slowly
            in space.
        wavelength: Longest wavelength of that encoding over 2 pi, metres.
        feature_scale: Multiplies ``feature``.
        sees_evidence: Whether there is a branch for ``SurfacePoints.evidence``, which
            the points must then have.
        dtype: Of the products of matrices; embeddings and logits are float32.
    """

    num_classes: int
    inputs: Sequence[str] = ("position", "normal", "diffuse", "feature")
    width: int = 64
    depth: int = 2
    octaves: int = 4
    wavelength: float = 1.0
    feature_scale: float = 1.0
    sees_evidence: bool = False
    dtype: DTypeLike = jnp.float32

    def setup(self):
        """Declares the layers; their names are the checkpoint's."""
        self.hidden = [
            nn.Dense(self.width, dtype=self.dtype) for _ in range(self.depth)
        ]
        if self.sees_evidence:
            self.hidden_evidence = [
                nn.Dense(self.width, dtype=self.dtype) for _ in range(self.depth)
            ]
        self.logits = nn.Dense(self.num_classes, dtype=self.dtype)

    def embed(self, surface: SurfacePoints) -> Float[Array, "*b d"]:
        """Inputs of the last layer at surface points."""
        available = {
            "position": lambda: encodings.sinusoidal(
                surface.x_world / self.wavelength, octaves=self.octaves
            ),
            "normal": lambda: surface.normal,
            "diffuse": lambda: 2.0 * surface.diffuse - 1.0,
            "feature": lambda: self.feature_scale * surface.feature,
        }
        h = jnp.concatenate([available[name]() for name in self.inputs], axis=-1)
        for layer in self.hidden:
            h = nn.relu(layer(h))
        if self.sees_evidence:
            assert surface.evidence is not None
            e = surface.evidence
            for layer in self.hidden_evidence:
                e = nn.relu(layer(e))
            h = jnp.concatenate([h, e], axis=-1)
        return h.astype(jnp.float32)

    def classify(self, embedding: Float[Array, "*b d"]) -> Float[Array, "*b c"]:
        """Class logits of embeddings: linear, so it commutes with compositing."""
        return self.logits(embedding).astype(jnp.float32)

    def __call__(self, surface: SurfacePoints) -> Float[Array, "*b c"]:
        """Class logits of surface points."""
        return self.classify(self.embed(surface))


class SemanticMembers(nn.Module):
    """Heads with parameters of their own, as samples of a posterior.

    Attributes:
        head: The head every member is a copy of.
        members: All of them.
        view_groups: How many of them, the last ones, learn from disjoint frames: each
            from the labels of frames f with ``f % view_groups`` its number among
            them. Views of a place differ only between such members: one
            view-independent head predicts the same from every frame.
    """

    head: SemanticHead
    members: int = 1
    view_groups: int = 0

    def _each(self, method: Callable[..., Array], given: Any, members: int | None):
        """A method of the head for every member, each with its own parameters.

        All of ``*b`` is one axis meanwhile: one product of matrices is quicker than
        many small ones.

        Args:
            method: Of `SemanticHead`.
            given: Arrays ``[*b d]`` for every member, or ``[k *b d]``: each its own.
            members: The members' axis in them; None without one.
        """
        first = 0 if members is None else 1
        shape = jax.tree.leaves(given)[0].shape
        out = nn.vmap(
            method,
            in_axes=(members,),  # pyright: ignore[reportArgumentType]
            axis_size=self.members,
            variable_axes={"params": 0},
            split_rngs={"params": True},
        )(
            self.head,
            jax.tree.map(lambda x: x.reshape(*shape[:first], -1, x.shape[-1]), given),
        )
        return out.reshape(self.members, *shape[first:-1], out.shape[-1])

    def __call__(self, surface: SurfacePoints) -> Float[Array, "k *b c"]:
        """Class logits of every member at the same surface points."""
        return self._each(SemanticHead.__call__, surface, None)

    def embed(self, surface: SurfacePoints) -> Float[Array, "k *b d"]:
        """Inputs of every member's last layer at the same surface points."""
        return self._each(SemanticHead.embed, surface, None)

    def classify(self, embedding: Float[Array, "k *b d"]) -> Float[Array, "k *b c"]:
        """Class logits of every member's own embeddings."""
        return self._each(SemanticHead.classify, embedding, 0)
