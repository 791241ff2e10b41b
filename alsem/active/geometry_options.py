"""Options of the geometry stage."""

import dataclasses

from alsem import training
from alsem.stereo import StereoOptions
from alsem.training.optimiser import Fit


@dataclasses.dataclass(frozen=True)
class GeometryOptions:
    """The geometry fit.

    Attributes:
        fit: Its length and optimiser.
        loss: Weights of its loss.
        low: Low corner of the box that the field covers, metres; None where stereo
            finds the box.
        high: High corner; likewise.
        near: Where rays start, metres; likewise.
        seed: Its own, so that runs of all seeds share one fit.
        grid_fraction: Fraction of the proposal grid refreshed after each compiled call.
        appearance: Whether every photograph has an exposure of its own.
        stereo: How photographs without depth are matched; None where there is depth.
        far: Metres that such photographs are taken to see where they do not match.
    """

    fit: Fit
    loss: training.GeometryLoss
    low: tuple[float, float, float] | None
    high: tuple[float, float, float] | None
    near: float
    seed: int = 0
    grid_fraction: float = 0.05
    appearance: bool = False
    stereo: StereoOptions | None = None
    far: float = 10.0


@dataclasses.dataclass(frozen=True)
class SurfaceOptions:
    """The surface caches.

    Attributes:
        t_max: Metres that no ray is longer than; None where stereo finds the box.
        samples: Surface points kept of a ray.
        gap: Metres within which samples are one surface point.
        render_chunk: Rays rendered in one call.
    """

    t_max: float | None
    samples: int = 2
    gap: float = 0.05
    render_chunk: int = 9600
