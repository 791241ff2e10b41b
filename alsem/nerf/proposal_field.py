"""The proposal field: densities of a small hash grid that place a ray's samples."""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from alsem.core import numerics
from alsem.core.arrays import Array, Float
from alsem.core.pytrees import pytree
from alsem.nerf.hash_grid import GridBox, grid_box, hash_grid


class ProposalField(nn.Module):
    """Density of a coarse hash grid (proposal MLP of arXiv 2111.12077, section 3).

    Attributes:
        cells: Cell size of every level, metres, coarsest first.
        log2_rows: Two-logarithm of the rows in a level's table.
        row_features: Features a row.
        width: Width of the MLP.
        density_bias: Added to the log-density: negative, the scene starts empty.
        dtype: Of the products of matrices.
    """

    cells: tuple[float, ...]
    log2_rows: int = 16
    row_features: int = 2
    width: int = 16
    density_bias: float = -3.0
    dtype: DTypeLike = jnp.float32

    @nn.nowrap
    def box(self, low: Sequence[float], high: Sequence[float]) -> GridBox:
        """The grid over a box, from its low and high corner in metres."""
        return grid_box(low, high, cells=self.cells, rows=2**self.log2_rows)

    @nn.compact
    def __call__(
        self,
        x_world: Float[Array, "*b 3"],
        box: GridBox,
        mesh: jax.sharding.Mesh | None = None,
    ) -> Float[Array, "*b"]:
        """Extinction coefficient at points, 1/metre."""
        shape = (len(self.cells), 2**self.log2_rows, self.row_features)
        table = self.param("table", nn.initializers.uniform(2e-4), shape)
        encoded = hash_grid(table, x_world, box, cells=self.cells, mesh=mesh)
        hidden = nn.relu(nn.Dense(self.width, dtype=self.dtype)(encoded))
        raw = nn.Dense(1, dtype=self.dtype)(hidden).astype(jnp.float32)
        return numerics.trunc_exp(raw[..., 0] + self.density_bias)


@pytree
class ProposalBoxes:
    """The box of a scene, as the field and the proposal field divide it into cells.

    Attributes:
        box: Of the field's grid.
        proposal: Of the proposal field's.
        near: Where rays start, metres.
    """

    box: GridBox
    proposal: GridBox
    near: Float[Array, ""]
