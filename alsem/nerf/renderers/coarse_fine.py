"""The published renderer: NeRF's coarse and fine pair, as Semantic-NeRF trains it."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from alsem.core.arrays import Array, Float, PRNGKeyArray
from alsem.core.types import FieldSamples, Rays, RenderedRays
from alsem.nerf import ray_sampling, volume_rendering
from alsem.nerf.fields import PaperField
from alsem.nerf.renderers.base import Params


@dataclasses.dataclass(frozen=True)
class PaperNerf:
    """Semantic-NeRF's coarse and fine networks (arXiv 2103.15875).

    Attributes:
        field: The architecture, used twice with parameters of its own.
        near: Depth along the optical axis where samples start, metres.
        far: Depth where they end, metres.
        coarse_samples: Samples of the coarse network.
        fine_samples: Further samples of the fine network, by the coarse weights.
        noise: Standard deviation of the noise on raw densities in training.
    """

    field: PaperField
    near: float = 0.1
    far: float = 10.0
    coarse_samples: int = 64
    fine_samples: int = 128
    noise: float = 1.0

    levels = 2

    def init(self, key: PRNGKeyArray) -> Params:
        """Initial parameters of both networks."""
        point = jnp.zeros((1, 3))
        keys = jax.random.split(key)
        return {
            "coarse": self.field.init(keys[0], point, point),
            "fine": self.field.init(keys[1], point, point),
        }

    def init_grid(
        self, low: Sequence[float], high: Sequence[float], near: float
    ) -> None:
        """There is no grid: this field is defined everywhere."""

    def longest_ray(
        self, low: Sequence[float], high: Sequence[float], near: float
    ) -> float:
        """Depth is along the optical axis; rays are longer."""
        return 2.0 * self.far

    def refresh(
        self,
        params: Params,
        grid: Any,
        key: PRNGKeyArray,
        *,
        fraction: float,
    ) -> None:
        """There is no grid."""
        del params, grid, key, fraction

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
        """Coarse, then fine; sensor depth is not used, as published."""
        del grid, distance, mesh
        return self._both(params, rays, key)

    def render(self, params: Params, grid: Any, rays: Rays) -> RenderedRays:
        """The fine level without noise or jitter."""
        del grid
        return self._both(params, rays, None)[-1]

    def density(
        self,
        params: Params,
        grid: Any,
        x_world: Float[Array, "*b 3"],
    ) -> Float[Array, "*b"]:
        """Density of the fine network, 1/metre."""
        del grid
        density: Any = self.field.apply(params["fine"], x_world, method="density")
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
        """The fine network at points seen from directions."""
        del grid, mesh
        return self._bind(params["fine"], None)(x_world, direction)

    def _both(self, params: Params, rays: Rays, key: PRNGKeyArray | None):
        keys = [None] * 4 if key is None else list(jax.random.split(key, 4))
        near, far = self.near / rays.z_scale, self.far / rays.z_scale
        edges = ray_sampling.stratified_edges(
            keys[0], near, far, num=self.coarse_samples
        )
        coarse = volume_rendering.render_rays(
            self._bind(params["coarse"], keys[1]), rays, edges
        )
        drawn = ray_sampling.resample_edges(
            keys[2],
            edges,
            jax.lax.stop_gradient(coarse.weights),
            num=self.fine_samples - 1,
        )
        union = jnp.sort(jnp.concatenate([edges, drawn], axis=-1), axis=-1)
        fine = volume_rendering.render_rays(
            self._bind(params["fine"], keys[3]), rays, union
        )
        return coarse, fine

    def _bind(
        self, params: Params, key: PRNGKeyArray | None
    ) -> Callable[[Array, Array], Any]:
        def field(x: Array, d: Array) -> Any:
            noise = None
            if key is not None and self.noise > 0:
                noise = self.noise * jax.random.normal(key, x.shape[:-1])
            return self.field.apply(params, x, d, noise)

        return field
