"""Training losses: sums over what counts, divided by how much counted.

Every loss is a scalar of the global batch; weights and schedules are the caller's.
"""

import jax
import jax.numpy as jnp

from alsem.core.arrays import Array, Bool, Float, Int
from alsem.core.numerics import safe_log
from alsem.nerf import ray_sampling


def masked_mean(
    values: Float[Array, "*b"], mask: Bool[Array, "*b"]
) -> Float[Array, ""]:
    """Mean of the values that count; zero when none does, never NaN."""
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

    Divides by ``max(count, 1)``: a batch without labels costs nothing and its slope
    is zero (Semantic-NeRF, arXiv 2103.15875, eq. 5, with void left out).
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
    """Binary cross entropy of opacity at samples that a depth sensor has decided.

    Before the measured surface space is empty; from it on, for ``reach`` metres, it is
    full. Opacity is taken over a fixed ``thickness``, so the term knows no sample
    spacing and its level crossing sits at the surface without bias (the same decision
    as the line-of-sight prior of Urban Radiance Fields, arXiv 2111.14643, section 3.3,
    asked of every sample by itself). Rays with ``distance <= 0`` do not count.
    """
    behind = t_mids - distance[..., None]
    optical_depth = density * thickness
    log_empty = -optical_depth
    log_full = safe_log(-jnp.expm1(-optical_depth), eps=1e-4)
    # The cap keeps one opaque floater from outshouting the whole batch.
    error = -jnp.where(behind > 0, log_full, jnp.maximum(log_empty, -10.0))
    counts = (distance[..., None] > 0) & (behind < reach)
    return masked_mean(error, counts)


def depth_error(
    expected: Float[Array, "*b"], distance: Float[Array, "*b"]
) -> Float[Array, ""]:
    """Mean absolute error in metres of the rendered distance where it was measured."""
    return masked_mean(jnp.abs(expected - distance), distance > 0)


def distortion(
    weights: Float[Array, "*b s"], t_edges: Float[Array, "*b s+1"]
) -> Float[Array, ""]:
    """Spread of a ray's weights (mip-NeRF 360, arXiv 2111.12077, eq. 15), metres.

    The double sum over sample pairs in O(s), by running sums over sorted samples.
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
    """Mean of one minus the cosine; target rows of zero length do not count."""
    cosine = jnp.sum(normal * target, axis=-1)
    return masked_mean(1.0 - cosine, jnp.sum(jnp.square(target), axis=-1) > 0.5)
