"""What a renderer is: a field with its way of placing samples along a ray."""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import jax

from alsem.core.arrays import Array, Float, PRNGKeyArray
from alsem.core.types import FieldSamples, Rays, RenderedRays
from alsem.nerf.proposal_field import ProposalBoxes
from alsem.nerf.proposal_grid import ProposalGrid

Params = Any
Grid = ProposalGrid | ProposalBoxes | None


@runtime_checkable
class Nerf(Protocol):
    """A field with its way of sampling; static and hashable.

    All that differs between scenes is passed in: parameters are trained, the grid is
    not. ``grid`` is what `init_grid` returns, None for a renderer without one.
    """

    @property
    def levels(self) -> int:
        """How many renderings `render_train` returns."""
        ...

    def init(self, key: PRNGKeyArray) -> Params:
        """Initial parameters."""
        ...

    def init_grid(
        self, low: Sequence[float], high: Sequence[float], near: float
    ) -> Grid:
        """What places samples in the box of a scene, before anything is known of it.

        Args:
            low: Low corner of the box, metres.
            high: High corner.
            near: Where rays start, metres.
        """
        ...

    def longest_ray(
        self, low: Sequence[float], high: Sequence[float], near: float
    ) -> float:
        """Metres that no ray's samples exceed; arguments as of `init_grid`."""
        ...

    def refresh(
        self,
        params: Params,
        grid: Any,
        key: PRNGKeyArray,
        *,
        fraction: float,
    ) -> Grid:
        """The grid with a random fraction of its cells evaluated anew."""
        ...

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
        """Renders with jittered samples, for training.

        Args:
            params: Of the field.
            grid: Where samples are proposed.
            rays: The rays.
            distance: That of the depth sensor, metres; 0 unknown.
            key: Randomness.
            mesh: Devices that the rays are split over.
        """
        ...

    def render(self, params: Params, grid: Any, rays: Rays) -> RenderedRays:
        """Renders without sensor depth and without randomness."""
        ...

    def density(
        self,
        params: Params,
        grid: Any,
        x_world: Float[Array, "*b 3"],
    ) -> Float[Array, "*b"]:
        """Density of the finest level, 1/metre."""
        ...

    def evaluate(
        self,
        params: Params,
        grid: Any,
        x_world: Float[Array, "*b 3"],
        direction: Float[Array, "*#b 3"],
        *,
        mesh: jax.sharding.Mesh | None = None,
    ) -> FieldSamples:
        """Density and colour of the finest level at points, seen from directions."""
        ...
