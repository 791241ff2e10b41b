"""Types that several packages use: cameras, rays, samples, predictions."""

import jax
import jax.numpy as jnp
import numpy as np

from alsem.core.arrays import Array, Float
from alsem.core.pytrees import pytree, static


@pytree
class Intrinsics:
    """A pinhole camera; pixel centres have integer coordinates.

    The image size is static; inside compiled functions the other fields are traced,
    so that one program serves all cameras of one image size.

    Attributes:
        width: Image width, pixels.
        height: Image height, pixels.
        fx: Focal length along columns, pixels.
        fy: Focal length along rows, pixels.
        cx: Column of the optical axis, pixels.
        cy: Row of the optical axis, pixels.
    """

    width: int = static()
    height: int = static()
    fx: float
    fy: float
    cx: float
    cy: float


@pytree
class FrameCameras:
    """The cameras of some frames of one size, as arguments of compiled functions.

    Attributes:
        world_from_cam: Poses.
        intrinsics: Of all frames.
        pixel_offset: Row and column of the point of a pixel at which depth and labels
            were sampled, relative to its centre, pixels.
    """

    world_from_cam: Float[Array, "n 4 4"]
    intrinsics: Intrinsics
    pixel_offset: Float[Array, "2"]

    @property
    def rays_per_frame(self) -> int:
        """Pixels of one frame."""
        return self.intrinsics.width * self.intrinsics.height

    @property
    def num_rays(self) -> int:
        """Pixels of all frames."""
        return len(self.world_from_cam) * self.rays_per_frame


def frame_cameras(
    world_from_cam: np.ndarray,
    intrinsics: Intrinsics,
    pixel_offset: tuple[float, float],
) -> FrameCameras:
    """`FrameCameras` whose leaves are float32 arrays, whatever they are made from."""
    return FrameCameras(
        world_from_cam=jnp.asarray(world_from_cam, jnp.float32),
        intrinsics=jax.tree.map(jnp.float32, intrinsics),
        pixel_offset=jnp.asarray(pixel_offset, jnp.float32),
    )


@pytree
class Rays:
    """A bundle of camera rays; all fields share the leading axes ``*b``.

    Attributes:
        origins: World frame, metres.
        directions: World frame, unit length, so that distances along rays are metres.
        z_scale: Depth along the optical axis per metre of ray.
    """

    origins: Float[Array, "*b 3"]
    directions: Float[Array, "*b 3"]
    z_scale: Float[Array, "*b"]


@pytree
class SurfacePoints:
    """Properties of points: the inputs of semantic heads.

    All but ``evidence`` are view-independent.

    Attributes:
        x_world: Position, metres.
        normal: Unit outward normal as the field predicts it; zero where a field
            predicts none.
        diffuse: Colour without its view-dependent part, sRGB in [0, 1].
        feature: Geometry feature of the field.
        evidence: What the photograph shows around the pixel whose ray ends there,
            standardised; None without it.
    """

    x_world: Float[Array, "*b 3"]
    normal: Float[Array, "*b 3"]
    diffuse: Float[Array, "*b 3"]
    feature: Float[Array, "*b f"]
    evidence: Float[Array, "*b e"] | None = None


@pytree
class FieldSamples:
    """A field's values at points; all fields share the leading axes ``*b``.

    Attributes:
        density: Extinction coefficient, 1/metre.
        rgb: Colour seen from the given direction, sRGB in [0, 1].
        surface: What does not depend on the direction.
    """

    density: Float[Array, "*b"]
    rgb: Float[Array, "*b 3"]
    surface: SurfacePoints


@pytree
class RayHistogram:
    """Where the light of rays ends, as a histogram along each.

    Attributes:
        t_edges: Interval edges, metres along the ray.
        weights: Compositing weights.
    """

    t_edges: Float[Array, "r e"]
    weights: Float[Array, "r s"]


@pytree
class RenderedRays:
    """Composited colour of rays, and the samples it was made of.

    Attributes:
        rgb: Composited colour.
        t_edges: Interval edges, metres along the ray.
        weights: Compositing weights.
        samples: Of every interval.
        proposal: What the samples were placed by, where that is trained; else None.
    """

    rgb: Float[Array, "r 3"]
    t_edges: Float[Array, "r e"]
    weights: Float[Array, "r s"]
    samples: FieldSamples
    proposal: RayHistogram | None = None


@pytree
class Posterior:
    """Class predictions and end points of candidates, leading axes ``*b``.

    Attributes:
        probs: Class probabilities of every ensemble member.
        view_probs: Those of members fitted on disjoint groups of frames, frame f
            belonging to group ``f % g``; g is 0 where none were fitted.
        embedding: Input of the first member's last layer.
        x_world: Where the ray ends, metres.
        normal: Unit normal there.
        diffuse: Diffuse colour there.
        distance: Metres along the ray.
        purity: Fraction of the ray's weight that ends on that one surface.
        gain: Gain that the query policy expects of a label there; None without one.
    """

    probs: Float[Array, "*b k c"]
    view_probs: Float[Array, "*b g c"]
    embedding: Float[Array, "*b d"]
    x_world: Float[Array, "*b 3"]
    normal: Float[Array, "*b 3"]
    diffuse: Float[Array, "*b 3"]
    distance: Float[Array, "*b"]
    purity: Float[Array, "*b"]
    gain: Float[Array, "*b"] | None = None
