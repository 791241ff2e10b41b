"""The fast renderer: samples placed by the depth sensor, else by a density grid.

In training a ray with a measured distance is sampled across its surface. Any other
ray, and every ray at test time, marches through a coarse grid of the field's own
density, and the field is evaluated where that grid says that light is stopped.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from alsem.core import geometry
from alsem.core.arrays import Array, Float, PRNGKeyArray
from alsem.core.types import FieldSamples, Rays, RenderedRays
from alsem.nerf import ray_sampling, volume_rendering
from alsem.nerf.fields import HashField
from alsem.nerf.proposal_grid import (
    ProposalGrid,
    cell_density,
    init_proposal_grid,
    refreshed_density,
)
from alsem.nerf.renderers.base import Params

MIN_OPACITY = 1e-4  # colours of rays with less are not defined


@dataclasses.dataclass(frozen=True)
class GridNerf:
    """A fast field with samples placed by sensor depth or by a density grid.

    Attributes:
        field: The field.
        sensor: ``all`` if every training pixel has depth, or ``some``.
        free_samples: Training samples before a measured surface.
        band_samples: Training samples across it.
        band: How far before the surface the band begins, metres.
        reach: How far behind it the band ends, metres.
        cell: Wished cell of the proposal grid, metres; larger where there would be
            more than ``max_cells``.
        max_cells: Bound on the grid's size.
        march_samples: Grid look-ups a ray.
        proposal_samples: Density samples placed by the grid.
        render_samples: Samples placed by those, which are composited.
        grid_density_cap: The grid's densities are cut here (1/metre), so that a full
            cell does not hide what lies behind it.
        floor: Fraction of the samples that is spaced evenly over the whole ray.
    """

    field: HashField
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
        """Initial parameters."""
        point = jnp.zeros((1, 3))
        unit = self.field.box((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
        return self.field.init(key, point, point + 1.0, unit)

    def init_grid(
        self, low: Sequence[float], high: Sequence[float], near: float
    ) -> ProposalGrid:
        """An empty grid over the box of a scene: rays are then sampled evenly."""
        return init_proposal_grid(
            self.field.box(low, high),
            np.subtract(high, low, dtype=np.float64),
            near=near,
            cell=self.cell,
            max_cells=self.max_cells,
        )

    def longest_ray(
        self, low: Sequence[float], high: Sequence[float], near: float
    ) -> float:
        """The diagonal of the box, or a little beyond the start."""
        return float(np.linalg.norm(np.subtract(high, low))) + near + 0.1

    def refresh(
        self,
        params: Params,
        grid: Any,
        key: PRNGKeyArray,
        *,
        fraction: float,
    ) -> ProposalGrid:
        """The grid with a random fraction of its cells evaluated anew."""
        density = refreshed_density(
            grid, lambda x: self.density(params, grid, x), key, fraction=fraction
        )
        return dataclasses.replace(grid, density=density)

    def density(
        self,
        params: Params,
        grid: Any,
        x_world: Float[Array, "*b 3"],
    ) -> Float[Array, "*b"]:
        """Density of the field, 1/metre."""
        density: Any = self.field.apply(params, x_world, grid.box, method="density")
        return density

    def evaluate(
        self,
        params: Params,
        grid: Any,
        x_world: Float[Array, "*b 3"],
        direction: Float[Array, "*#b 3"],
        *,
        mesh: jax.sharding.Mesh | None = None,
    ) -> FieldSamples:
        """The field at points seen from directions."""
        return self._bind(params, grid, mesh)(x_world, direction)

    def _proposal(
        self, grid: ProposalGrid, rays: Rays, key: PRNGKeyArray | None, *, num: int
    ) -> Float[Array, "r {num}+1"]:
        """Edges placed by the light that the grid's cells would stop."""
        low, extent = grid.box.low, grid.box.extent
        leave = geometry.ray_box_exit(rays.origins, rays.directions, low, low + extent)
        near = jnp.broadcast_to(grid.near, leave.shape)
        far = jnp.maximum(leave, near + 0.1)
        edges = ray_sampling.stratified_edges(None, near, far, num=self.march_samples)
        t_mids = ray_sampling.midpoints(edges)
        x_in_box = [
            (rays.origins[:, None, i] - low[i]) + rays.directions[:, None, i] * t_mids
            for i in range(3)
        ]
        density = jnp.minimum(cell_density(grid, x_in_box), self.grid_density_cap)
        weights = volume_rendering.alpha_weights(density, edges)
        return ray_sampling.resample_edges(
            key, edges, weights, num=num, floor=self.floor
        )

    def render_train(
        self,
        params: Params,
        grid: Any,
        rays: Rays,
        distance: Float[Array, "r"],
        key: PRNGKeyArray,
        *,
        mesh: jax.sharding.Mesh | None = None,
    ) -> tuple[RenderedRays, ...]:
        """Renders with jittered samples, across the measured surface where known."""
        num = self.free_samples + self.band_samples
        grid_key, band_key = jax.random.split(key)
        edges = ray_sampling.surface_edges(
            band_key,
            jnp.broadcast_to(grid.near, distance.shape),
            distance,
            num_free=self.free_samples,
            num_band=self.band_samples,
            band=self.band,
            reach=self.reach,
        )
        if self.sensor != "all":
            proposed = self._proposal(grid, rays, grid_key, num=num)
            edges = jnp.where((distance > 0)[:, None], edges, proposed)
        edges = jax.lax.stop_gradient(edges)
        field = self._bind(params, grid, mesh)
        return (volume_rendering.render_rays(field, rays, edges),)

    def render(self, params: Params, grid: Any, rays: Rays) -> RenderedRays:
        """Renders through the grid, then through the field's own densities.

        Colours are divided by the opacity: where a ray slips through a thin surface
        between two samples, it has the colour of the little that it met, not black.
        """
        edges = self._proposal(grid, rays, None, num=self.proposal_samples)
        t_mids = ray_sampling.midpoints(edges)
        x_world = rays.origins[:, None] + rays.directions[:, None] * t_mids[..., None]
        density = self.density(params, grid, x_world)
        weights = volume_rendering.alpha_weights(density, edges)
        # The larger of a bin and its neighbours: the samples hold the surface's edge.
        widened = jnp.pad(weights, ((0, 0), (1, 1)))
        widened = jnp.maximum(jnp.maximum(widened[:, :-2], widened[:, 2:]), weights)
        fine = ray_sampling.resample_edges(
            None, edges, widened, num=self.render_samples
        )
        rendered = volume_rendering.render_rays(self._bind(params, grid), rays, fine)
        opacity = jnp.sum(rendered.weights, axis=-1, keepdims=True)
        rgb = rendered.rgb / jnp.maximum(opacity, MIN_OPACITY)
        return dataclasses.replace(rendered, rgb=rgb)

    def _bind(
        self,
        params: Params,
        grid: ProposalGrid,
        mesh: jax.sharding.Mesh | None = None,
    ) -> Callable[[Array, Array], Any]:
        return lambda x, d: self.field.apply(params, x, d, grid.box, mesh)
