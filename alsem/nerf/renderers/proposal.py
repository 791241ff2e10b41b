"""The renderer for photographs without depth: samples placed by a proposal field.

The proposal field learns, beside the field, where a ray's light ends (arXiv
2111.12077, section 3). In training some samples also lie about what stereo found.
There the first samples of a ray are spaced evenly in the square of the distance: even
spacing has, per volume, the more samples the nearer a camera is, and fog in front of
cameras is what a field of colours alone learns first.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from alsem.core import geometry
from alsem.core.arrays import Array, Float, PRNGKeyArray
from alsem.core.types import FieldSamples, RayHistogram, Rays, RenderedRays
from alsem.nerf import ray_sampling, volume_rendering
from alsem.nerf.fields import HashField
from alsem.nerf.proposal_field import ProposalBoxes, ProposalField
from alsem.nerf.renderers.base import Params

MIN_OPACITY = 1e-4  # colours of rays with less are not defined
POWER = 2.0  # of the distance in which training's first samples are evenly spaced
LEAST_WEIGHT = 1e-4  # of a proposal interval, so that none is lost to training


@dataclasses.dataclass(frozen=True)
class ProposalNerf:
    """A fast field with samples placed by a proposal field.

    Attributes:
        field: The field.
        proposal: The proposal field.
        proposal_samples: Samples of the proposal field on a training ray.
        field_samples: Samples of the field on a training ray.
        test_proposal_samples: The same where a ray is rendered to be seen or cached.
        test_field_samples: Likewise.
        even: Fraction of the field's training samples that is spaced evenly.
        guided_samples: How many of them lie about the surface that stereo found.
        guided_reach: Within so much of its distance, as a fraction.
    """

    field: HashField
    proposal: ProposalField
    proposal_samples: int = 32
    field_samples: int = 16
    test_proposal_samples: int = 64
    test_field_samples: int = 24
    even: float = 0.1
    guided_samples: int = 4
    guided_reach: float = 0.06

    levels = 1

    def init(self, key: PRNGKeyArray) -> Params:
        """Initial parameters of both fields."""
        point = jnp.zeros((1, 3))
        corners = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
        keys = jax.random.split(key)
        return {
            "field": self.field.init(
                keys[0], point, point + 1.0, self.field.box(*corners)
            ),
            "proposal": self.proposal.init(keys[1], point, self.proposal.box(*corners)),
        }

    def init_grid(
        self, low: Sequence[float], high: Sequence[float], near: float
    ) -> ProposalBoxes:
        """The cells of both fields over the box of a scene."""
        return ProposalBoxes(
            box=self.field.box(low, high),
            proposal=self.proposal.box(low, high),
            near=jnp.float32(near),
        )

    def longest_ray(
        self, low: Sequence[float], high: Sequence[float], near: float
    ) -> float:
        """The diagonal of the box, or a little beyond the start."""
        return float(np.linalg.norm(np.subtract(high, low))) + 2.0 * near

    def refresh(
        self, params: Params, grid: Any, key: PRNGKeyArray, *, fraction: float
    ) -> ProposalBoxes:
        """The same boxes: proposals are trained, not refreshed."""
        del params, key, fraction
        return grid

    def density(
        self, params: Params, grid: Any, x_world: Float[Array, "*b 3"]
    ) -> Float[Array, "*b"]:
        """Density of the field, 1/metre."""
        density: Any = self.field.apply(
            params["field"], x_world, grid.box, method="density"
        )
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
        """Renders with jittered samples, some of them about an estimated distance.

        Proposals learn from the field's samples only: to a place that is clear they
        send none, and nothing would ever grow there.

        Args:
            params: Of both fields.
            grid: Their boxes.
            rays: The rays.
            distance: Of the surface that stereo found, metres; 0 unknown.
            key: Randomness.
            mesh: Devices that the rays are split over.
        """
        *keys, guide_key = jax.random.split(key, 3)
        proposal, edges = self._edges(
            params,
            grid,
            rays,
            keys,
            num=(self.proposal_samples, self.field_samples - self.guided_samples),
            even=self.even,
            power=POWER,
            mesh=mesh,
        )
        edges = self._guided(guide_key, edges, distance)
        field = self._bind(params, grid, mesh)
        rendered = volume_rendering.render_rays(field, rays, edges)
        return (dataclasses.replace(rendered, proposal=proposal),)

    def render(self, params: Params, grid: Any, rays: Rays) -> RenderedRays:
        """Renders with more samples and without jitter; colours are of what is met."""
        _, edges = self._edges(
            params,
            grid,
            rays,
            (None, None),
            num=(self.test_proposal_samples, self.test_field_samples),
            even=0.0,
        )
        rendered = volume_rendering.render_rays(self._bind(params, grid), rays, edges)
        opacity = jnp.sum(rendered.weights, axis=-1, keepdims=True)
        rgb = rendered.rgb / jnp.maximum(opacity, MIN_OPACITY)
        return dataclasses.replace(rendered, rgb=rgb)

    def _edges(
        self,
        params: Params,
        grid: ProposalBoxes,
        rays: Rays,
        keys: Any,
        *,
        num: tuple[int, int],
        even: float,
        power: float = 1.0,
        mesh: jax.sharding.Mesh | None = None,
    ) -> tuple[RayHistogram, Float[Array, "r e"]]:
        """The proposals of rays, and the edges of the field's samples."""
        low, high = grid.box.low, grid.box.low + grid.box.extent
        leave = geometry.ray_box_exit(rays.origins, rays.directions, low, high)
        near = jnp.broadcast_to(grid.near, leave.shape)
        far = jnp.maximum(leave, 2.0 * near)
        edges = ray_sampling.stratified_edges(
            keys[0], near**power, far**power, num=num[0]
        ) ** (1.0 / power)
        t_mids = ray_sampling.midpoints(edges)
        x_world = rays.origins[:, None] + rays.directions[:, None] * t_mids[..., None]
        density: Any = self.proposal.apply(
            params["proposal"], x_world, grid.proposal, mesh
        )
        weights = volume_rendering.alpha_weights(density, edges)
        # The larger of a bin and its neighbours: the samples hold the surface's edge.
        widened = jnp.pad(weights, ((0, 0), (1, 1)))
        widened = jnp.maximum(jnp.maximum(widened[:, :-2], widened[:, 2:]), weights)
        widened = widened + LEAST_WEIGHT
        widened = widened / jnp.sum(widened, axis=-1, keepdims=True)
        fine = ray_sampling.resample_edges(
            keys[1], edges, widened, num=num[1], floor=even
        )
        return RayHistogram(edges, weights), jax.lax.stop_gradient(fine)

    def _guided(
        self,
        key: PRNGKeyArray,
        edges: Float[Array, "r e"],
        distance: Float[Array, "r"],
    ) -> Float[Array, "r g"]:
        """Edges with further ones about a distance, or between them where unknown."""
        num = self.guided_samples
        if not num:
            return edges
        place = jax.random.uniform(key, (len(edges), num))
        place = (jnp.arange(num)[None] + place) / num  # one in each of so many parts
        about = 1.0 + self.guided_reach * (2.0 * place - 1.0)
        steps = jnp.broadcast_to(jnp.linspace(0.0, 1.0, edges.shape[-1]), edges.shape)
        further = jnp.where(
            distance[:, None] > 0,
            jnp.clip(distance[:, None] * about, edges[:, :1], edges[:, -1:]),
            ray_sampling.interpolate(place, steps, edges),
        )
        return jnp.sort(jnp.concatenate([edges, further], axis=-1), axis=-1)

    def _bind(
        self,
        params: Params,
        grid: ProposalBoxes,
        mesh: jax.sharding.Mesh | None = None,
    ) -> Callable[[Array, Array], Any]:
        return lambda x, d: self.field.apply(params["field"], x, d, grid.box, mesh)
