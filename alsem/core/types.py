"""Types that cross modules: pytrees of arrays, the camera, and the user's error."""

import dataclasses
from typing import Any

import flax.struct

from alsem.core.arrays import Leaf


@dataclasses.dataclass(frozen=True)
class Intrinsics:
    """A pinhole camera; pixel centres have integer coordinates.

    Attributes:
        width: Image width, pixels.
        height: Image height, pixels.
        fx: Focal length along columns, pixels.
        fy: Focal length along rows, pixels.
        cx: Column of the optical axis, pixels.
        cy: Row of the optical axis, pixels.
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float


@flax.struct.dataclass
class Rays:
    """A bundle of camera rays; all fields share the leading axes ``*b``.

    Attributes:
        origins: ``[*b 3]`` world frame, metres.
        directions: ``[*b 3]`` world frame, unit length, so ``t`` is metres.
        z_scale: ``[*b]`` depth along the optical axis per metre of ray.
    """

    origins: Leaf
    directions: Leaf
    z_scale: Leaf


@flax.struct.dataclass
class FieldSamples:
    """What a field says of points; all fields share the leading axes ``*b``.

    Attributes:
        density: ``[*b]`` extinction coefficient, 1/metre.
        rgb: ``[*b 3]`` colour seen from the direction asked, sRGB in [0, 1].
        surface: What does not depend on the direction.
    """

    density: Leaf
    rgb: Leaf
    surface: "SurfacePoints"


@flax.struct.dataclass
class SurfacePoints:
    """What a semantic head may look at: nothing here depends on the view.

    Attributes:
        x_world: ``[*b 3]`` metres.
        normal: ``[*b 3]`` unit outward normal as the field predicts it; zero where a
            field has none.
        diffuse: ``[*b 3]`` colour without its view-dependent part, sRGB in [0, 1].
        feature: ``[*b f]`` the field's own description of the point.
    """

    x_world: Leaf
    normal: Leaf
    diffuse: Leaf
    feature: Leaf


@flax.struct.dataclass
class RenderedRays:
    """Rays through a field: composited colour and the samples it was made of.

    Attributes:
        rgb: ``[r 3]`` composited colour.
        t_edges: ``[r s+1]`` metres along the ray.
        weights: ``[r s]`` compositing weights.
        samples: FieldSamples ``[r s]``.
    """

    rgb: Leaf
    t_edges: Leaf
    weights: Leaf
    samples: FieldSamples


@flax.struct.dataclass
class Posterior:
    """What the model believes of candidates, leading axes ``*b`` (none for one).

    Attributes:
        probs: ``[*b k c]`` class probabilities of every posterior member.
        view_probs: ``[*b g c]`` those of members fitted on disjoint groups of frames,
            frame f belonging to group ``f % g``; g is 0 where none were fitted.
        embedding: ``[*b d]`` what the first member's last layer sees.
        x_world: ``[*b 3]`` where the ray ends, metres.
        normal: ``[*b 3]`` unit normal there.
        diffuse: ``[*b 3]`` colour there.
        distance: ``[*b]`` metres along the ray.
        purity: ``[*b]`` share of the ray's weight that ends on that one surface.
        gain: ``[*b]`` what the query policy expects of asking there; None without one.
    """

    probs: Leaf
    view_probs: Leaf
    embedding: Leaf
    x_world: Leaf
    normal: Leaf
    diffuse: Leaf
    distance: Leaf
    purity: Leaf
    gain: Any = None
