"""Sample placement along rays: edges of sample intervals.

``t`` is metres along a unit-length ray; ``e`` edges bound ``e-1`` intervals. A function
given ``key=None`` is the deterministic version used for evaluation.
"""

import jax
import jax.numpy as jnp

from alsem.core.arrays import Array, Float, PRNGKeyArray


def _jitter(key: PRNGKeyArray | None, edges: Float[Array, "*b s"]):
    """Moves inner edges at random by up to half the way to their neighbours."""
    if key is None:
        return edges
    gap = jnp.diff(edges)
    shift = jax.random.uniform(key, edges[..., 1:-1].shape, minval=-0.5, maxval=0.5)
    step = jnp.where(shift < 0, gap[..., :-1], gap[..., 1:])
    return edges.at[..., 1:-1].add(shift * step)


def stratified_edges(
    key: PRNGKeyArray | None,
    near: Float[Array, "*b"],
    far: Float[Array, "*b"],
    *,
    num: int,
) -> Float[Array, "*b {num}+1"]:
    """Edges of ``num`` intervals that split [near, far] evenly, jittered by ``key``."""
    fraction = jnp.broadcast_to(jnp.linspace(0.0, 1.0, num + 1), (*near.shape, num + 1))
    edges = near[..., None] + (far - near)[..., None] * fraction
    return _jitter(key, edges)


def resample_edges(
    key: PRNGKeyArray | None,
    t_edges: Float[Array, "*b e"],
    weights: Float[Array, "*b e-1"],
    *,
    num: int,
    floor: float = 0.0,
) -> Float[Array, "*b {num}+1"]:
    """Edges that split the histogram ``weights`` into ``num`` parts of equal mass.

    Inverse-transform sampling of the piecewise constant density (NeRF, section 5.2),
    jittered in quantile space by ``key``. A histogram of masses .5, 0, .5 over edges
    0, 1, 2, 3 is split into four parts at 0, .5, 1.5, 2.5, 3.

    Args:
        key: Randomness, or None for the evenly spaced quantiles.
        t_edges: Edges of the histogram, metres, sorted.
        weights: Mass of every interval, non-negative.
        num: How many intervals to return.
        floor: Mass that is added evenly over the whole length, so that empty space is
            sampled too. Without any mass the result is uniform.
    """
    width = jnp.diff(t_edges)
    length = jnp.maximum(t_edges[..., -1:] - t_edges[..., :1], 1e-9)
    mass = weights + (floor + 1e-5) * width / length
    cdf = jnp.cumsum(mass, axis=-1)
    cdf = jnp.concatenate([jnp.zeros_like(cdf[..., :1]), cdf], axis=-1)
    cdf = cdf / cdf[..., -1:]
    quantiles = jnp.broadcast_to(
        jnp.linspace(0.0, 1.0, num + 1), (*t_edges.shape[:-1], num + 1)
    )
    quantiles = _jitter(key, quantiles)
    return interpolate(quantiles, cdf, t_edges)


def interpolate(
    x: Float[Array, "*b q"], xp: Float[Array, "*b s"], fp: Float[Array, "*b s"]
) -> Float[Array, "*b q"]:
    """Piecewise linear function through sorted (xp, fp), on the last axis."""
    find = jnp.vectorize(
        lambda row, q: jnp.searchsorted(row, q, side="right", method="scan_unrolled"),
        signature="(s),(q)->(q)",
    )
    high = jnp.clip(find(xp, x), 1, xp.shape[-1] - 1)
    x0 = jnp.take_along_axis(xp, high - 1, axis=-1)
    x1 = jnp.take_along_axis(xp, high, axis=-1)
    f0 = jnp.take_along_axis(fp, high - 1, axis=-1)
    f1 = jnp.take_along_axis(fp, high, axis=-1)
    fraction = jnp.clip((x - x0) / jnp.maximum(x1 - x0, 1e-12), 0.0, 1.0)
    # Where the last points coincide, the end is that of the last.
    fraction = jnp.where(x >= x1, 1.0, fraction)
    return f0 + fraction * (f1 - f0)


def surface_edges(
    key: PRNGKeyArray | None,
    near: Float[Array, "*b"],
    distance: Float[Array, "*b"],
    *,
    num_free: int,
    num_band: int,
    band: float,
    reach: float,
) -> Float[Array, "*b {num_free}+{num_band}+1"]:
    """Edges around a known surface: free space before it, a fine band across it.

    Sorted for any distance; one below ``near`` (0 for a pixel without depth) gives
    intervals of a millimetre at ``near``. For a surface at 3 m, a band of 0.4 m and a
    reach of 0.2 m, two free intervals from 0.1 m and three in the band are bounded by
    0.1, 1.35, 2.6, 2.8, 3.0, 3.2.

    Args:
        key: Randomness, or None.
        near: Where the ray starts, metres.
        distance: The known distance of the surface along the ray, metres.
        num_free: Intervals between ``near`` and the band.
        num_band: Intervals in the band.
        band: How far before the surface the band begins, metres.
        reach: How far behind the surface it ends, metres.
    """
    keys = (None, None) if key is None else jax.random.split(key)
    start = jnp.maximum(distance - band, near + 1e-3)
    end = jnp.maximum(distance + reach, start + 1e-3)
    free = stratified_edges(keys[0], near, start, num=num_free)
    fine = stratified_edges(keys[1], start, end, num=num_band)
    return jnp.concatenate([free, fine[..., 1:]], axis=-1)


def midpoints(t_edges: Float[Array, "*b e"]) -> Float[Array, "*b e-1"]:
    """Middle of every interval."""
    return 0.5 * (t_edges[..., 1:] + t_edges[..., :-1])
