"""The fast renderer: samples placed by the depth sensor, else by a density grid.

In training a ray with a measured distance is sampled across its surface. Any other
ray, and every ray at test time, marches through a coarse grid of the field's own
density, which says where the field itself is worth asking.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from alsem.core import geometry
from alsem.core.arrays import Array, Float, PRNGKeyArray
from alsem.core.types import FieldSamples, Rays, RenderedRays
from alsem.nerf import ray_sampling, volume_rendering
from alsem.nerf.fields import HashField
from alsem.nerf.renderers.base import Params

MIN_OPACITY = 1e-4  # less of a ray's light says nothing of its colour


@dataclasses.dataclass(frozen=True)
class GridNerf:
    """A fast field with samples placed by sensor depth or by a density grid.

    Attributes:
        field: The field, over the box it covers.
        near: Where rays start, metres.
        sensor: ``all`` if every training pixel has depth, ``some``, or ``none``.
        free_samples: Training samples before a measured surface.
        band_samples: Training samples across it.
        band: How far before the surface the band begins, metres.
        reach: How far behind it the band ends, metres.
        cell: Wished cell of the proposal grid, metres; coarsened so that the grid has
            at most ``max_cells``.
        max_cells: Bound on the grid's size.
        march_samples: Grid look-ups a ray.
        proposal_samples: Density samples placed by the grid.
        render_samples: Samples placed by those, which are composited.
        grid_density_cap: The grid's densities are cut here (1/metre): a cell is only
            a hint, and must not hide the thin thing behind it.
        floor: Share of samples spread over the whole ray.
    """

    field: HashField
    near: float = 0.05
    sensor: str = "all"
    free_samples: int = 8
    band_samples: int = 8
    band: float = 0.1
    reach: float = 0.03
    cell: float = 0.05
    max_cells: int = 2**21
    march_samples: int = 128
    proposal_samples: int = 32
    render_samples: int = 24
    grid_density_cap: float = 10.0
    floor: float = 0.05

    levels = 1

    def init(self, key: PRNGKeyArray) -> Params:
        """Fresh parameters."""
        point = jnp.zeros((1, 3))
        return self.field.init(key, point, point + 1.0)

    @property
    def grid_cell(self) -> float:
        """Cell of the proposal grid, metres."""
        smallest = (float(np.prod(self.field.extent)) / self.max_cells) ** (1 / 3)
        return max(self.cell, 1.05 * smallest)

    @property
    def grid_shape(self) -> tuple[int, int, int]:
        """Cells along each axis."""
        x, y, z = (int(np.ceil(side / self.grid_cell)) for side in self.field.extent)
        return (x, y, z)

    def init_grid(self) -> Array:
        """An empty grid: rays are then sampled evenly."""
        return jnp.zeros(self.grid_shape)

    def refresh(
        self, params: Params, grid: Array | None, key: PRNGKeyArray, *, fraction: float
    ) -> Array:
        """Asks the field at a random point of a random share of the cells.

        A cell keeps the most it has seen, forgetting a tenth at each look.
        """
        assert grid is not None
        count = int(np.prod(self.grid_shape))
        start_key, point_key = jax.random.split(key)
        num = max(1, int(fraction * count))
        # A stride that shares no factor with the count visits distinct cells.
        stride = _coprime(count)
        first = jax.random.randint(start_key, (), 0, count)
        # Added up modulo the count: the product would overflow 32 bits.
        hops = jax.lax.associative_scan(
            lambda a, b: (a + b) % count, jnp.full(num, stride, jnp.int32)
        )
        cells = (first + hops) % count
        index = jnp.unravel_index(cells, self.grid_shape)
        corner = jnp.stack(index, axis=-1).astype(jnp.float32)
        inside = jax.random.uniform(point_key, corner.shape)
        low = jnp.array(self.field.low)
        x_world = low[None] + (corner + inside) * self.grid_cell
        density = jax.lax.map(
            lambda x: self.density(params, x), x_world, batch_size=2**16
        )
        old = grid.reshape(-1)[cells]
        return (
            grid.reshape(-1)
            .at[cells]
            .set(jnp.maximum(0.9 * old, density))
            .reshape(self.grid_shape)
        )

    def density(
        self, params: Params, x_world: Float[Array, "*b 3"]
    ) -> Float[Array, "*b"]:
        """Density of the field, 1/metre."""
        density: Any = self.field.apply(params, x_world, method="density")
        return density

    def look(
        self, params: Params, x_world: Float[Array, "*b 3"], direction: Array
    ) -> FieldSamples:
        """The field at points seen from directions."""
        return self._bind(params)(x_world, direction)

    def _proposal(
        self, grid: Array, rays: Rays, key: PRNGKeyArray | None, *, num: int
    ) -> Float[Array, "r {num}+1"]:
        """Edges by the light that the grid's cells would stop."""
        low = jnp.array(self.field.low)
        high = low + jnp.array(self.field.extent)
        leave = geometry.ray_box_exit(rays.origins, rays.directions, low, high)
        near = jnp.full_like(leave, self.near)
        far = jnp.maximum(leave, self.near + 0.1)
        edges = ray_sampling.stratified_edges(None, near, far, num=self.march_samples)
        t_mids = ray_sampling.midpoints(edges)
        last = jnp.array(self.grid_shape) - 1
        index = [
            jnp.clip(
                (
                    (rays.origins[:, None, i] - low[i])
                    + rays.directions[:, None, i] * t_mids
                )
                / self.grid_cell,
                0,
                last[i],
            ).astype(jnp.int32)
            for i in range(3)
        ]
        density = jnp.minimum(grid[tuple(index)], self.grid_density_cap)
        weights = volume_rendering.alpha_weights(density, edges)
        return ray_sampling.resample_edges(
            key, edges, weights, num=num, floor=self.floor
        )

    def render_train(
        self,
        params: Params,
        grid: Array | None,
        rays: Rays,
        distance: Float[Array, "r"],
        key: PRNGKeyArray,
    ) -> tuple[RenderedRays, ...]:
        """Renders with jittered samples, across the measured surface where known."""
        num = self.free_samples + self.band_samples
        grid_key, band_key = jax.random.split(key)
        edges = None
        if self.sensor != "none":
            edges = ray_sampling.surface_edges(
                band_key,
                jnp.full_like(distance, self.near),
                distance,
                num_free=self.free_samples,
                num_band=self.band_samples,
                band=self.band,
                reach=self.reach,
            )
        if self.sensor != "all":
            assert grid is not None
            proposed = self._proposal(grid, rays, grid_key, num=num)
            if edges is None:
                edges = proposed
            else:
                edges = jnp.where((distance > 0)[:, None], edges, proposed)
        assert edges is not None
        edges = jax.lax.stop_gradient(edges)
        return (volume_rendering.render_rays(self._bind(params), rays, edges),)

    def render(self, params: Params, grid: Array | None, rays: Rays) -> RenderedRays:
        """Renders through the grid, then through the field's own densities.

        A ray that slips through a thin surface between two samples gets the colour
        of what little it met, not black: in a photograph every ray ends somewhere.
        """
        assert grid is not None
        edges = self._proposal(grid, rays, None, num=self.proposal_samples)
        t_mids = ray_sampling.midpoints(edges)
        x_world = rays.origins[:, None] + rays.directions[:, None] * t_mids[..., None]
        weights = volume_rendering.alpha_weights(self.density(params, x_world), edges)
        # A neighbour's share keeps the edge of a surface inside the samples.
        spread = jnp.pad(weights, ((0, 0), (1, 1)))
        spread = jnp.maximum(jnp.maximum(spread[:, :-2], spread[:, 2:]), weights)
        fine = ray_sampling.resample_edges(None, edges, spread, num=self.render_samples)
        rendered = volume_rendering.render_rays(self._bind(params), rays, fine)
        opacity = jnp.sum(rendered.weights, axis=-1, keepdims=True)
        rgb = rendered.rgb / jnp.maximum(opacity, MIN_OPACITY)
        return rendered.replace(rgb=rgb)  # pyright: ignore[reportAttributeAccessIssue]

    def _bind(self, params: Params) -> Callable[[Array, Array], Any]:
        return lambda x, d: self.field.apply(params, x, d)


def _coprime(count: int) -> int:
    """A stride near the golden section of ``count`` that shares no factor with it."""
    stride = max(1, int(0.618 * count))
    while np.gcd(stride, count) != 1:
        stride += 1
    return stride
