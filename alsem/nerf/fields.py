"""Fields: from a point and a direction to density, colour and a geometry feature.

No field predicts classes; a semantic head reads the view-independent `SurfacePoints`
that a field returns (``semantic_heads``). Directions may have length-1 axes that
broadcast. Multiplications of matrices are computed in ``dtype``; parameters, densities
and colours are float32.
"""

import functools
from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from alsem.core import numerics
from alsem.core.arrays import Array, Float
from alsem.core.types import FieldSamples, SurfacePoints
from alsem.nerf import encodings
from alsem.nerf.hash_grid import GridBox, grid_box, hash_grid


class HashField(nn.Module):
    """Multi-resolution hash grid with small MLPs (after arXiv 2201.05989).

    Attributes:
        cells: Cell size of every level, metres, coarsest first.
        log2_rows: Two-logarithm of the rows in a level's table.
        row_features: Features a row.
        width: Width of the geometry MLP.
        colour_width: Width of the view-dependent colour MLP.
        feature_dim: Length of the geometry feature, input of colour and semantics.
        density_bias: Added to the log-density: negative, the scene starts empty.
        dtype: Of the products of matrices.
    """

    cells: tuple[float, ...]
    log2_rows: int = 17
    row_features: int = 4
    width: int = 64
    colour_width: int = 32
    feature_dim: int = 15
    density_bias: float = -1.0
    dtype: DTypeLike = jnp.float32

    @nn.nowrap
    def box(self, low: Sequence[float], high: Sequence[float]) -> GridBox:
        """The grid over a box, from its low and high corner in metres."""
        return grid_box(low, high, cells=self.cells, rows=2**self.log2_rows)

    def setup(self):
        """Declares parameters and layers; their names are the checkpoint's."""
        shape = (len(self.cells), 2**self.log2_rows, self.row_features)
        self.table = self.param("table", nn.initializers.uniform(2e-4), shape)
        dense = functools.partial(nn.Dense, dtype=self.dtype)
        self.trunk = dense(self.width)
        self.head = dense(1 + self.feature_dim)
        self.diffuse = dense(3)
        self.shading_hidden = dense(self.colour_width)
        self.shading_view = dense(self.colour_width, use_bias=False)
        self.shading = dense(3)
        self.normal = dense(3)

    def _geometry(
        self,
        x_world: Float[Array, "*b 3"],
        box: GridBox,
        mesh: jax.sharding.Mesh | None = None,
    ) -> tuple[Float[Array, "*b"], Float[Array, "*b f"]]:
        """Density, 1/metre, and geometry feature."""
        encoded = hash_grid(self.table, x_world, box, cells=self.cells, mesh=mesh)
        out = self.head(nn.relu(self.trunk(encoded))).astype(jnp.float32)
        return numerics.trunc_exp(out[..., 0] + self.density_bias), out[..., 1:]

    def density(
        self, x_world: Float[Array, "*b 3"], box: GridBox
    ) -> Float[Array, "*b"]:
        """Extinction coefficient at points, 1/metre."""
        return self._geometry(x_world, box)[0]

    def __call__(
        self,
        x_world: Float[Array, "*b 3"],
        direction: Float[Array, "*#b 3"],
        box: GridBox,
        mesh: jax.sharding.Mesh | None = None,
    ) -> FieldSamples:
        """Density and colour at points seen along unit ``direction``.

        In training, ``mesh`` holds the devices that points are split over.
        """
        density, feature = self._geometry(x_world, box, mesh)
        diffuse_logit = self.diffuse(nn.relu(feature)).astype(jnp.float32)
        # A layer over both, in two parts: that of the direction costs once a ray.
        view = self.shading_view(encodings.spherical_harmonics(direction))
        hidden = self.shading_hidden(feature) + view
        shading = self.shading(nn.relu(hidden)).astype(jnp.float32)
        normal = self.normal(feature).astype(jnp.float32)
        return FieldSamples(
            density=density,
            rgb=nn.sigmoid(diffuse_logit + shading),
            surface=SurfacePoints(
                x_world=x_world,
                normal=numerics.safe_normalize(normal),
                diffuse=nn.sigmoid(diffuse_logit),
                feature=feature,
            ),
        )


class PaperField(nn.Module):
    """The MLP of Semantic-NeRF (arXiv 2103.15875), without its semantic head.

    The geometry feature of a point is the trunk's output. The field predicts neither
    normals nor a view-independent colour: those are zero.

    Attributes:
        depth: Layers of the trunk.
        width: Width of the trunk.
        skip: Index of the layer after which the input is concatenated again.
        octaves_x: Octaves of the position encoding.
        octaves_d: Octaves of the direction encoding.
        scale: Metres per unit of the position encoding's input.
        dtype: Of the products of matrices.
    """

    depth: int = 8
    width: int = 256
    skip: int = 4
    octaves_x: int = 10
    octaves_d: int = 4
    scale: float = 10.0
    dtype: DTypeLike = jnp.float32

    def setup(self):
        """Declares the layers; their names are the checkpoint's."""
        dense = functools.partial(nn.Dense, dtype=self.dtype)
        self.trunk = [dense(self.width) for _ in range(self.depth)]
        self.sigma = dense(1)
        self.bottleneck = dense(self.width)
        self.colour_hidden = dense(self.width // 2)
        self.colour = dense(3)

    def _trunk(self, x_world: Float[Array, "*b 3"]) -> Float[Array, "*b f"]:
        encoded = encodings.sinusoidal(x_world / self.scale, octaves=self.octaves_x)
        h = encoded
        for i, layer in enumerate(self.trunk):
            h = nn.relu(layer(h))
            if i == self.skip:
                h = jnp.concatenate([encoded, h], axis=-1)
        return h.astype(jnp.float32)

    def _raw_density(self, feature: Float[Array, "*b f"]) -> Float[Array, "*b"]:
        return self.sigma(feature)[..., 0].astype(jnp.float32)

    def density(self, x_world: Float[Array, "*b 3"]) -> Float[Array, "*b"]:
        """Extinction coefficient at points, 1/metre."""
        return nn.relu(self._raw_density(self._trunk(x_world)))

    def __call__(
        self,
        x_world: Float[Array, "*b 3"],
        direction: Float[Array, "*#b 3"],
        noise: Float[Array, "*b"] | None = None,
    ) -> FieldSamples:
        """Density and colour at points seen along unit ``direction``.

        ``noise`` (1/metre) is added to the raw density, before its ReLU.
        """
        feature = self._trunk(x_world)
        raw = self._raw_density(feature)
        if noise is not None:  # training only: thin haze lowers no loss
            raw = raw + noise
        direction = jnp.broadcast_to(direction, x_world.shape)
        view = encodings.sinusoidal(direction, octaves=self.octaves_d)
        hidden = jnp.concatenate([self.bottleneck(feature), view], axis=-1)
        colour = self.colour(nn.relu(self.colour_hidden(hidden)))
        rgb = nn.sigmoid(colour.astype(jnp.float32))
        zeros = jnp.zeros_like(rgb)
        return FieldSamples(
            density=nn.relu(raw),
            rgb=rgb,
            surface=SurfacePoints(
                x_world=x_world, normal=zeros, diffuse=zeros, feature=feature
            ),
        )
