"""What a renderer is: a field with its way of placing samples along a ray."""

from typing import Any, Protocol, runtime_checkable

from alsem.core.arrays import Array, Float, PRNGKeyArray
from alsem.core.types import FieldSamples, Rays, RenderedRays

Params = Any


@runtime_checkable
class Nerf(Protocol):
    """A field with its way of sampling; static, all state is passed in."""

    @property
    def levels(self) -> int:
        """How many renderings `render_train` returns."""
        ...

    def init(self, key: PRNGKeyArray) -> Params:
        """Fresh parameters."""
        ...

    def init_grid(self) -> Array | None:
        """Fresh proposal grid, None where there is none."""
        ...

    def refresh(
        self, params: Params, grid: Array | None, key: PRNGKeyArray, *, fraction: float
    ) -> Array | None:
        """Looks at a random share of the grid's cells anew."""
        ...

    def render_train(
        self,
        params: Params,
        grid: Array | None,
        rays: Rays,
        distance: Float[Array, "r"],
        key: PRNGKeyArray,
    ) -> tuple[RenderedRays, ...]:
        """Renders with jittered samples; ``distance`` is the sensor's, 0 unknown."""
        ...

    def render(self, params: Params, grid: Array | None, rays: Rays) -> RenderedRays:
        """Renders without any knowledge of true depth and without randomness."""
        ...

    def density(
        self, params: Params, x_world: Float[Array, "*b 3"]
    ) -> Float[Array, "*b"]:
        """Density of the finest level, 1/metre."""
        ...

    def look(
        self, params: Params, x_world: Float[Array, "*b 3"], direction: Array
    ) -> FieldSamples:
        """The finest level's field at points seen from directions."""
        ...
