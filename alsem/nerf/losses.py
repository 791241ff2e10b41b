"""Training losses: masked means over the global batch, as scalars without weights."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from alsem.core.arrays import Array, Bool, Float, Int
from alsem.core.numerics import safe_log
from alsem.core.types import RayHistogram
from alsem.nerf import ray_sampling

LEAST_LIGHT = 1e-3  # of a ray, near a surface that stereo found: less costs no more


def masked_mean(
    values: Float[Array, "*b"], mask: Bool[Array, "*b"]
) -> Float[Array, ""]:
    """Mean of the values whose mask is set; zero when none is, never NaN."""
    count = jnp.maximum(jnp.sum(mask), 1).astype(values.dtype)
    return jnp.sum(jnp.where(mask, values, 0.0)) / count


def colour_error(
    rgb: Float[Array, "*b 3"], target: Float[Array, "*b 3"]
) -> Float[Array, ""]:
    """Mean squared error over rays and channels (NeRF, eq. 6)."""
    return jnp.mean(jnp.square(rgb - target))


def cross_entropy(
    logits: Float[Array, "*b c"], label: Int[Array, "*b"]
) -> Float[Array, ""]:
    """Mean cross entropy in nats of the rays whose label is not -1.

    Semantic-NeRF, arXiv 2103.15875, eq. 5, with void left out; zero, with a zero
    gradient, for a batch without labels. Logits (0, 0) cost log 2 = 0.693 whatever
    the label, logits (0, 2) 0.127 for label 1 and 2.127 for label 0.
    """
    log_probs = jax.nn.log_softmax(logits, axis=-1)
    index = jnp.maximum(label, 0)[..., None]
    chosen = jnp.take_along_axis(log_probs, index, axis=-1)[..., 0]
    return masked_mean(-chosen, label >= 0)


def occupancy(
    density: Float[Array, "*b s"],
    t_mids: Float[Array, "*b s"],
    distance: Float[Array, "*b"],
    *,
    thickness: float,
    reach: float,
) -> Float[Array, ""]:
    """Binary cross entropy of opacity at samples on either side of measured depth.

    Before the measured surface space should be empty; from it on, for ``reach``
    metres, full. Opacity is that of a fixed ``thickness``, so that the loss does not
    depend on the sample spacing and the field's surface is not shifted. The targets
    are those of the line-of-sight prior of Urban Radiance Fields (arXiv 2111.14643,
    section 3.3), for every sample by itself. Rays with ``distance <= 0`` are ignored.

    With a thickness of 2 cm and a density of 5 per metre the optical depth is 0.1: a
    sample before the surface costs 0.1, one behind it -log(1 - exp(-0.1)) = 2.35.
    """
    behind = t_mids - distance[..., None]
    optical_depth = density * thickness
    log_empty = -optical_depth
    log_full = safe_log(-jnp.expm1(-optical_depth), eps=1e-4)
    # Capped, so that one opaque floater does not dominate the batch.
    error = -jnp.where(behind > 0, log_full, jnp.maximum(log_empty, -10.0))
    counts = (distance[..., None] > 0) & (behind < reach)
    return masked_mean(error, counts)


def depth_error(
    expected: Float[Array, "*b"], distance: Float[Array, "*b"]
) -> Float[Array, ""]:
    """Mean absolute error in metres of the rendered distance where it was measured.

    Rendered 1, 2 and 9 m against measured 1.5, 1.75 and 0 (unknown): 0.375 m.
    """
    return masked_mean(jnp.abs(expected - distance), distance > 0)


def distortion(
    weights: Float[Array, "*b s"], t_edges: Float[Array, "*b s+1"]
) -> Float[Array, ""]:
    """Extent of a ray's weights (mip-NeRF 360, arXiv 2111.12077, eq. 15), metres.

    The sum over pairs of samples of ``w_i w_j |t_i - t_j|`` and over samples of
    ``w_i^2 width_i / 3``, in O(s) by running sums over sorted samples. Weights (.5, .5)
    in intervals [1, 2] and [3, 4]: 2 * .25 * 2 + 2 * .25 / 3 = 1.167 m.
    """
    t_mids = ray_sampling.midpoints(t_edges)
    weight_before = jnp.cumsum(weights, axis=-1) - weights
    moment_before = jnp.cumsum(weights * t_mids, axis=-1) - weights * t_mids
    between = 2.0 * weights * (t_mids * weight_before - moment_before)
    within = jnp.square(weights) * jnp.diff(t_edges) / 3.0
    return jnp.mean(jnp.sum(between + within, axis=-1))


def direction_error(
    normal: Float[Array, "*b 3"], target: Float[Array, "*b 3"]
) -> Float[Array, ""]:
    """Mean of one minus the cosine; rows whose target has no length are ignored."""
    cosine = jnp.sum(normal * target, axis=-1)
    return masked_mean(1.0 - cosine, jnp.sum(jnp.square(target), axis=-1) > 0.5)


def interlevel(fine: RayHistogram, proposal: RayHistogram) -> Float[Array, ""]:
    """Light that ends where proposals do not say so (arXiv 2111.12077, eq. 13).

    The bound of a fine interval is the sum of the proposal weights of all intervals
    that touch it; what exceeds the bound is squared and divided by the weight. Moves
    the proposals only. A fine weight of .6 in [1, 2] and proposals of .2 in [0, 1.5]
    and .1 in [1.5, 3]: (.6 - .3)^2 / .6 = .15.
    """
    weights = jax.lax.stop_gradient(fine.weights)
    until = jnp.cumsum(proposal.weights, axis=-1)
    until = jnp.concatenate([jnp.zeros_like(until[..., :1]), until], axis=-1)
    find = functools.partial(jnp.searchsorted, method="scan_unrolled")
    starts, ends = fine.t_edges[..., :-1], fine.t_edges[..., 1:]
    last = proposal.weights.shape[-1]
    first = jax.vmap(functools.partial(find, side="right"))(proposal.t_edges, starts)
    behind = jax.vmap(functools.partial(find, side="left"))(proposal.t_edges, ends)
    first, behind = jnp.clip(first - 1, 0, last), jnp.clip(behind, 0, last)
    bound = jnp.take_along_axis(until, behind, axis=-1)
    bound = bound - jnp.take_along_axis(until, first, axis=-1)
    excess = jnp.square(jnp.maximum(weights - bound, 0.0)) / (weights + 1e-5)
    return jnp.mean(jnp.sum(excess, axis=-1))


def light_before(
    weights: Float[Array, "r s"],
    t_mids: Float[Array, "r s"],
    distance: Float[Array, "r"],
    tolerance: Float[Array, "r"],
) -> Float[Array, ""]:
    """Light that ends well before an estimated surface: mean over rays with one.

    Bounded, so that an estimate that is quite wrong pulls no more than another. Weights
    .3 and .7 at 1 and 2 m, a surface at 2 m and a tolerance of 0.2 m: .3.

    Args:
        weights: Compositing weights.
        t_mids: Middles of their intervals, metres.
        distance: That of the surface, metres; 0 unknown.
        tolerance: Its error, metres; light may end three times as much before it.
    """
    is_before = t_mids < (distance - 3.0 * tolerance)[:, None]
    light = jnp.sum(jnp.where(is_before, weights, 0.0), axis=-1)
    return masked_mean(light, distance > 0)


def light_elsewhere(
    weights: Float[Array, "r s"],
    t_mids: Float[Array, "r s"],
    distance: Float[Array, "r"],
    tolerance: Float[Array, "r"],
) -> Float[Array, ""]:
    """Light that does not end within twice the tolerance of an estimated surface.

    By the logarithm of what does: where space is clear, light itself has hardly a
    gradient in density, and small objects that the first steps have cleared never
    come back. Bounded by 1, which is where none does. Weights .3 and .6 at 1 and 2 m,
    a surface at 2 m and a tolerance of 0.2 m: log(1.001 / .601) / log(1001) = .0738.
    Arguments as in `light_before`.
    """
    is_near = jnp.abs(t_mids - distance[:, None]) < 2.0 * tolerance[:, None]
    light = jnp.sum(jnp.where(is_near, weights, 0.0), axis=-1)
    error = jnp.log((1.0 + LEAST_LIGHT) / (light + LEAST_LIGHT))
    return masked_mean(error / np.log(1.0 / LEAST_LIGHT + 1.0), distance > 0)


def bending(
    depth_z: Float[Array, "3 r"], rgb: Float[Array, "3 r 3"]
) -> Float[Array, ""]:
    """Departure from a plane of three pixels in line, less where their colours differ.

    The inverse depth of a plane is linear in the image. The second difference of it,
    over the middle one, is the relative error of the middle depth, cut at .3; colour
    differences of .03 take a factor of e from its weight. Depths 2, 2.2 and 2 m of one
    colour: |.5 - 2 * .4545 + .5| * 2.2 = .2.

    Args:
        depth_z: Rendered depth of a pixel, the next and the one behind it.
        rgb: Their colours in the photograph.
    """
    inverse = 1.0 / jnp.maximum(depth_z, 1e-3)
    change = jnp.abs(inverse[0] - 2.0 * inverse[1] + inverse[2])
    bend = jnp.minimum(change / jax.lax.stop_gradient(inverse[1]), 0.3)
    edge = jnp.max(jnp.abs(jnp.diff(rgb, axis=0)), axis=(0, -1))
    return jnp.mean(jnp.exp(-jnp.square(edge / 0.03)) * bend)
