"""Fields: from a point and a direction to density, colour and a description.

Two fields, one interface: ``field(x_world, direction) -> FieldSamples`` and
``field.density(x_world)``; the direction may have length-1 axes that broadcast.
Neither knows of classes; a semantic head looks at the view-independent
``SurfacePoints`` it is given (``heads.py``).
"""

import flax.linen as nn
import jax.numpy as jnp

from alsem.core import numerics
from alsem.core.arrays import Array, Float
from alsem.core.types import FieldSamples, SurfacePoints
from alsem.nerf import encodings, hash_grid


class HashField(nn.Module):
    """Multi-resolution hash grid with small MLPs (after arXiv 2201.05989).

    Attributes:
        low: Low corner of the box the grid covers, metres.
        extent: Size of the box, metres.
        cells: Cell size of every level, metres, coarsest first.
        log2_rows: Two-logarithm of the rows in a level's table.
        row_features: Features a row.
        width: Width of the geometry MLP.
        colour_width: Width of the view-dependent colour MLP.
        feature_dim: Length of the description handed to colour and semantics.
        density_bias: Added to the log-density: negative, the scene starts empty.
    """

    low: tuple[float, float, float]
    extent: tuple[float, float, float]
    cells: tuple[float, ...]
    log2_rows: int = 17
    row_features: int = 4
    width: int = 64
    colour_width: int = 32
    feature_dim: int = 15
    density_bias: float = -1.0

    def setup(self):
        """Declares parameters and layers; their names are the checkpoint's."""
        shape = (len(self.cells), 2**self.log2_rows, self.row_features)
        self.table = self.param("table", nn.initializers.uniform(2e-4), shape)
        self.trunk = nn.Dense(self.width)
        self.head = nn.Dense(1 + self.feature_dim)
        self.albedo = nn.Dense(3)
        self.shading_hidden = nn.Dense(self.colour_width)
        self.shading_view = nn.Dense(self.colour_width, use_bias=False)
        self.shading = nn.Dense(3)
        self.normal = nn.Dense(3)

    def _geometry(self, x_world: Float[Array, "*b 3"]):
        encoded = hash_grid.hash_grid(
            self.table,
            x_world - jnp.broadcast_to(jnp.array(self.low), x_world.shape),
            cells=self.cells,
            extent=self.extent,
        )
        out = self.head(nn.relu(self.trunk(encoded)))
        return numerics.trunc_exp(out[..., 0] + self.density_bias), out[..., 1:]

    def density(self, x_world: Float[Array, "*b 3"]) -> Float[Array, "*b"]:
        """Extinction coefficient at points, 1/metre."""
        return self._geometry(x_world)[0]

    def __call__(
        self, x_world: Float[Array, "*b 3"], direction: Float[Array, "*#b 3"]
    ) -> FieldSamples:
        """Density and colour at points seen along unit ``direction``."""
        density, feature = self._geometry(x_world)
        diffuse_logit = self.albedo(nn.relu(feature))
        # A layer over both, in two parts: that of the direction costs once a ray.
        view = self.shading_view(encodings.spherical_harmonics(direction))
        hidden = self.shading_hidden(feature) + view
        return FieldSamples(
            density=density,
            rgb=nn.sigmoid(diffuse_logit + self.shading(nn.relu(hidden))),
            surface=SurfacePoints(
                x_world=x_world,
                normal=numerics.safe_normalize(self.normal(feature)),
                diffuse=nn.sigmoid(diffuse_logit),
                feature=feature,
            ),
        )


class PaperField(nn.Module):
    """The MLP of Semantic-NeRF (arXiv 2103.15875), without its semantic head.

    Its description of a point is the trunk's output; it knows no normal and no
    view-independent colour, so those stay zero.

    Attributes:
        depth: Layers of the trunk.
        width: Width of the trunk.
        skip: Index of the layer after which the input is concatenated again.
        octaves_x: Octaves of the position encoding.
        octaves_d: Octaves of the direction encoding.
        scale: Metres per unit of the position encoding's input.
    """

    depth: int = 8
    width: int = 256
    skip: int = 4
    octaves_x: int = 10
    octaves_d: int = 4
    scale: float = 10.0

    def setup(self):
        """Declares the layers; their names are the checkpoint's."""
        self.trunk = [nn.Dense(self.width) for _ in range(self.depth)]
        self.sigma = nn.Dense(1)
        self.bottleneck = nn.Dense(self.width)
        self.colour_hidden = nn.Dense(self.width // 2)
        self.colour = nn.Dense(3)

    def _trunk(self, x_world: Float[Array, "*b 3"]) -> Float[Array, "*b f"]:
        encoded = encodings.sinusoidal(x_world / self.scale, octaves=self.octaves_x)
        h = encoded
        for i, layer in enumerate(self.trunk):
            h = nn.relu(layer(h))
            if i == self.skip:
                h = jnp.concatenate([encoded, h], axis=-1)
        return h

    def density(self, x_world: Float[Array, "*b 3"]) -> Float[Array, "*b"]:
        """Extinction coefficient at points, 1/metre."""
        return nn.relu(self.sigma(self._trunk(x_world)))[..., 0]

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
        raw = self.sigma(feature)[..., 0]
        if noise is not None:  # training only: keeps thin haze from paying
            raw = raw + noise
        direction = jnp.broadcast_to(direction, x_world.shape)
        view = encodings.sinusoidal(direction, octaves=self.octaves_d)
        hidden = jnp.concatenate([self.bottleneck(feature), view], axis=-1)
        rgb = nn.sigmoid(self.colour(nn.relu(self.colour_hidden(hidden))))
        zeros = jnp.zeros_like(rgb)
        return FieldSamples(
            density=nn.relu(raw),
            rgb=rgb,
            surface=SurfacePoints(
                x_world=x_world, normal=zeros, diffuse=zeros, feature=feature
            ),
        )
