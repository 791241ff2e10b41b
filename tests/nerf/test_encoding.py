"""Encodings: equal to their definitions, and the grid is continuous."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alsem.nerf import encodings, hash_grid

pytestmark = pytest.mark.usefixtures("strict_dtypes")

LARGE = 100_000  # points; the CPU compiler has gone wrong beyond 32768 numbers


def simplex_np(x):
    """Kuhn's tetrahedron of one point by sorting its fractions, float64."""
    low = np.floor(x)
    frac = x - low
    corner, previous = low.astype(int), 1.0
    corners, weights = [corner.copy()], []
    for axis in np.argsort(-frac, kind="stable"):
        weights.append(previous - frac[axis])
        previous = frac[axis]
        corner[axis] += 1
        corners.append(corner.copy())
    return np.array(corners), np.array([*weights, previous])


def row_np(corner, shape, size):
    """Row of a corner by Python's own integers."""
    if np.prod(shape) <= size:
        i, j, k = (min(max(int(c), 0), n - 1) for c, n in zip(corner, shape, strict=1))
        return (i * shape[1] + j) * shape[2] + k
    mixed = 0
    for c, prime in zip(corner, (1, 2654435761, 805459861), strict=True):
        mixed ^= (int(c) * prime) % 2**32
    return mixed % size


def columns(corners):
    """The three coordinates as vectors of their own."""
    x, y, z = (jnp.asarray(corners)[..., i] for i in range(3))
    return x, y, z


def simplex(x):
    """Corners ``[*b 4 3]`` and weights ``[*b 4]``."""
    corners, weights = hash_grid.simplex_corners(*columns(x))
    corners = jnp.stack([jnp.stack(corner, axis=-1) for corner in corners], axis=-2)
    return corners, jnp.stack(weights, axis=-1)


def hash_grid_np(table, x, cells, extent):
    """Level by level, corner by corner, for one point, float64."""
    x = np.clip(x, 0.0, extent)
    out = []
    for level, cell in enumerate(cells):
        shape = [int(np.ceil(side / cell)) + 2 for side in extent]
        feature = np.zeros(table.shape[-1])
        for corner, weight in zip(*simplex_np(x / cell), strict=True):
            feature += weight * table[level, row_np(corner, shape, table.shape[1])]
        out.append(feature)
    return np.concatenate(out)


def test_sinusoidal_equals_the_definition():
    x = np.random.default_rng(0).normal(size=(4, 5, 3))
    expected = np.zeros((4, 5, 3 * 7))
    for point in np.ndindex(4, 5):
        angles = [0.5 * 2.0**k * v for k in range(3) for v in x[point]]
        expected[point] = [*x[point], *np.sin(angles), *np.cos(angles)]
    actual = encodings.sinusoidal(jnp.asarray(x, jnp.float32), octaves=3, base=0.5)
    np.testing.assert_allclose(actual, expected, atol=2e-6)


def test_sinusoidal_has_the_published_sizes():
    x = jnp.ones(3)
    assert encodings.sinusoidal(x, octaves=10).shape == (63,)
    assert encodings.sinusoidal(x, octaves=4).shape == (27,)
    np.testing.assert_array_equal(encodings.sinusoidal(x, octaves=0), x)


def test_spherical_harmonics_are_orthonormal():
    # Gauss-Legendre in z and even angles integrate degree 4 exactly.
    z, z_weight = np.polynomial.legendre.leggauss(6)
    angle = 2 * np.pi * np.arange(8) / 8
    radius = np.sqrt(1 - z**2)
    direction = np.stack(
        [
            np.outer(radius, np.cos(angle)),
            np.outer(radius, np.sin(angle)),
            np.outer(z, np.ones(8)),
        ],
        axis=-1,
    )
    values = encodings.spherical_harmonics(jnp.asarray(direction, jnp.float32))
    area = np.outer(z_weight, np.full(8, 2 * np.pi / 8))
    values = np.asarray(values, float)
    gram = np.einsum("zai,zaj,za->ij", values, values, area)
    np.testing.assert_allclose(gram, np.eye(9), atol=1e-6)
    # Degree 1 is (y, z, x), so that the order is not free.
    degree_one = values[..., 1:4] * np.sqrt(4 * np.pi / 3)
    np.testing.assert_allclose(degree_one, direction[..., [1, 2, 0]], atol=1e-6)


def test_cell_sizes_are_a_geometric_progression():
    cells = hash_grid.grid_cells(0.8, 0.1, 4)
    np.testing.assert_allclose(cells, [0.8, 0.4, 0.2, 0.1])
    assert all(type(cell) is float for cell in cells)


def test_the_tetrahedron_equals_that_of_a_sort():
    rng = np.random.default_rng(1)
    x = rng.uniform(-5, 5, (300, 3)).astype(np.float32)
    corners, weights = simplex(jnp.asarray(x))
    expected = [simplex_np(p.astype(float)) for p in x]
    np.testing.assert_array_equal(corners, [c for c, _ in expected])
    np.testing.assert_allclose(weights, [w for _, w in expected], atol=1e-6)


def test_weights_are_a_partition_of_unity_that_reproduces_the_point():
    # A grid of eighths: every tie between fractions, and every cell border, occurs.
    x = np.array(list(itertools.product(np.arange(-8, 9) / 8, repeat=3)), np.float32)
    corners, weights = simplex(jnp.asarray(x))
    np.testing.assert_allclose(weights.sum(axis=-1), 1.0, atol=1e-6)
    assert (weights >= 0).all()
    again = np.sum(np.asarray(weights)[..., None] * np.asarray(corners), axis=-2)
    np.testing.assert_allclose(again, x, atol=1e-6)
    # Four different corners, from the cell's low one to its high one.
    assert (np.diff(corners, axis=-2).sum(axis=-1) == 1).all()
    assert (np.diff(corners, axis=-2) >= 0).all()


@pytest.mark.parametrize("log2_rows", [6, 12])  # hashed, dense
def test_the_grid_is_continuous_across_borders_of_cells_and_tetrahedra(log2_rows):
    rng = np.random.default_rng(2)
    table = rng.normal(size=(1, 2**log2_rows, 2))
    x = rng.uniform(1.0, 5.0, (4000, 3))
    x[:1000, 0] = np.round(x[:1000, 0])  # faces
    x[1000:2000, :2] = np.round(x[1000:2000, :2])  # edges
    x[2000:3000] = np.floor(x[2000:3000]) + rng.uniform(size=(1000, 1))  # diagonals
    x[3000:, 1] = x[3000:, 2] % 1 + np.floor(x[3000:, 1])  # planes of the cut
    step = rng.normal(size=x.shape)
    step *= 1e-4 / np.linalg.norm(step, axis=-1, keepdims=True)
    f = jax.jit(
        lambda t, x: hash_grid.hash_grid(t, x, cells=(1.0,), extent=(6.0, 6.0, 6.0))
    )
    table, low, high = _float32(table, x - step, x + step)
    # Rows differ by up to 8, so slopes reach 14 in all; 2e-4 of that.
    np.testing.assert_allclose(f(table, low), f(table, high), atol=4e-3)


def test_dense_rows_are_one_to_one_and_clamped():
    shape = (3, 4, 5)
    corners = np.array(list(np.ndindex(shape)), np.int32)
    rows = hash_grid.table_index(columns(corners), shape=shape, size=64)
    np.testing.assert_array_equal(rows, np.arange(60))
    outside = jnp.array([[-1, 0, 0], [3, 4, 5]])
    rows = hash_grid.table_index(columns(outside), shape=shape, size=64)
    np.testing.assert_array_equal(rows, [0, 59])


def test_hashed_rows_equal_integer_arithmetic():
    rng = np.random.default_rng(3)
    corners = rng.integers(-(10**5), 10**5, (500, 3), dtype=np.int32)
    shape, size = (10**6,) * 3, 2**14
    rows = hash_grid.table_index(columns(corners), shape=shape, size=size)
    np.testing.assert_array_equal(rows, [row_np(c, shape, size) for c in corners])
    assert len(np.unique(rows)) > 470  # 500 of 16384 rows: 8 collisions are usual


def test_hashing_needs_a_power_of_two():
    corner = jnp.zeros((1, 3), jnp.int32)
    hash_grid.table_index(columns(corner), shape=(2, 2, 2), size=10)
    with pytest.raises(ValueError, match="power of two"):
        hash_grid.table_index(columns(corner), shape=(9, 9, 9), size=10)


def test_grid_features_equal_the_loops():
    rng = np.random.default_rng(4)
    cells, extent = (0.9, 0.31, 0.08), (2.0, 1.5, 1.0)
    table = rng.normal(size=(3, 128, 2)).astype(np.float32)
    x = rng.uniform(-0.3, 2.3, (10, 12, 3))
    expected = np.zeros((10, 12, 6))
    for point in np.ndindex(10, 12):
        expected[point] = hash_grid_np(table, x[point], cells, extent)
    actual = hash_grid.hash_grid(*_float32(table, x), cells=cells, extent=extent)
    # x / cell is off by 1e-6 of a cell; neighbouring rows differ by up to 6.
    np.testing.assert_allclose(actual, expected, atol=1e-4)


def test_a_hashed_level_without_collisions_equals_a_dense_one():
    rng = np.random.default_rng(5)
    shape = (6, 6, 6)
    values = rng.normal(size=(216, 3))
    corners = np.array(list(np.ndindex(shape)), np.int32)
    dense = np.zeros((1, 2**8, 3))
    dense[0, :216] = values
    # The same grid, looked at through a box too large to be stored densely.
    size = 2**18
    large = (100, 100, 100)
    rows = hash_grid.table_index(columns(corners), shape=large, size=size)
    assert len(np.unique(rows)) == 216
    hashed = np.zeros((1, size, 3))
    hashed[0, np.asarray(rows)] = values
    x = rng.uniform(0, 4, (200, 3))
    hashed, dense, x = _float32(hashed, dense, x)
    one = hash_grid.hash_grid(dense, x, cells=(1.0,), extent=(4.0, 4.0, 4.0))
    two = hash_grid.hash_grid(hashed, x, cells=(1.0,), extent=(98.0, 98.0, 98.0))
    np.testing.assert_allclose(one, two, atol=1e-6)


def test_points_beyond_the_box_share_its_border():
    rng = np.random.default_rng(6)
    table = rng.normal(size=(2, 256, 2))
    border = np.array([[0.0, 1.0, 2.0], [1.0, 0.0, 2.0]])
    beyond = np.array([[-9.0, 1.0, 2.7], [1.0, -0.1, 7.0]])
    table, border, beyond = _float32(table, border, beyond)
    kwargs = {"cells": (0.7, 0.21), "extent": (2.0, 2.0, 2.0)}
    np.testing.assert_array_equal(
        hash_grid.hash_grid(table, beyond, **kwargs),
        hash_grid.hash_grid(table, border, **kwargs),
    )


def test_slopes_share_the_weight_among_the_rows():
    rng = np.random.default_rng(7)
    table, x = rng.normal(size=(2, 64, 2)), rng.uniform(-0.1, 2.1, (50, 3))
    table, x = _float32(table, x)

    def total(table, x):
        return jnp.sum(
            hash_grid.hash_grid(table, x, cells=(0.7, 0.2), extent=(2.0, 2.0, 2.0))
        )

    by_row, by_x = jax.grad(total, argnums=(0, 1))(table, x)
    np.testing.assert_allclose(by_row.sum(axis=1), 50.0, rtol=1e-5)
    assert np.isfinite(by_x).all()


def test_a_large_batch_under_jit():
    rng = np.random.default_rng(8)
    cells, extent = (0.9, 0.31, 0.08), (2.0, 1.5, 1.0)
    table = rng.normal(size=(3, 128, 4)).astype(np.float32)
    x = rng.uniform(0.0, 1.0, (LARGE, 3)).astype(np.float32)
    corners, weights = jax.jit(simplex)(jnp.asarray(x) * 7.0)

    frac = x.astype(float) * 7.0 % 1.0
    order = np.argsort(-frac, axis=-1)
    ranked = np.take_along_axis(frac, order, axis=-1)
    ranked = np.concatenate([np.ones((LARGE, 1)), ranked, np.zeros((LARGE, 1))], -1)
    np.testing.assert_allclose(weights, -np.diff(ranked), atol=2e-6)
    again = np.sum(np.asarray(weights)[..., None] * np.asarray(corners), axis=-2)
    np.testing.assert_allclose(again, x * 7.0, atol=2e-6)

    grid = jax.jit(lambda t, x: hash_grid.hash_grid(t, x, cells=cells, extent=extent))(
        *_float32(table, x)
    )
    for i in range(0, LARGE, 997):
        expected = hash_grid_np(table, x[i].astype(float), cells, extent)
        np.testing.assert_allclose(grid[i], expected, atol=1e-4)

    wave = jax.jit(lambda x: encodings.sinusoidal(x, octaves=4))(jnp.asarray(x))
    angles = (x[:, None].astype(float) * 2.0 ** np.arange(4)[:, None]).reshape(
        LARGE, -1
    )
    expected = np.concatenate([x, np.sin(angles), np.cos(angles)], axis=-1)
    np.testing.assert_allclose(wave, expected, atol=2e-6)


def test_a_large_batch_multiplied_and_reduced_under_jit():
    # Stacked columns that are broadcast and summed at once are what the compiler of
    # jaxlib 0.10 gets wrong; a field's first layer is such a sum.
    rng = np.random.default_rng(9)
    direction = rng.normal(size=(LARGE, 3))
    direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
    matrix = rng.normal(size=(9, 5))

    @jax.jit
    def layer(direction, matrix):
        values = encodings.spherical_harmonics(direction)
        spread = jnp.broadcast_to(matrix, (LARGE, 9, 5))
        return values, jnp.sum(values[..., None] * spread, axis=-2), values @ matrix

    values, by_sum, by_dot = layer(*_float32(direction, matrix))
    x, y, z = direction.T
    expected = np.stack(
        [
            np.full(LARGE, np.sqrt(1 / (4 * np.pi))),
            *(np.sqrt(3 / (4 * np.pi)) * v for v in (y, z, x)),
            *(np.sqrt(15 / (4 * np.pi)) * v for v in (x * y, y * z)),
            np.sqrt(5 / (16 * np.pi)) * (3 * z * z - 1),
            np.sqrt(15 / (4 * np.pi)) * x * z,
            np.sqrt(15 / (16 * np.pi)) * (x * x - y * y),
        ],
        axis=-1,
    )
    np.testing.assert_allclose(values, expected, atol=1e-6)
    np.testing.assert_allclose(by_sum, expected @ matrix, atol=1e-5)
    np.testing.assert_allclose(by_dot, expected @ matrix, atol=1e-5)


def _float32(*arrays):
    return [jnp.asarray(a, jnp.float32) for a in arrays]


def test_slopes_of_mixed_rows_equal_automatic_ones():
    rng = np.random.default_rng(11)
    table = rng.normal(size=(32, 4))
    rows = [jnp.asarray(rng.integers(0, 32, 200)) for _ in range(3)]
    table, pull, *weights = _float32(
        table, rng.normal(size=(200, 8)), *rng.normal(size=(3, 200))
    )

    def plain(table, weights):
        first = weights[0][:, None] * table[rows[0]]
        second = sum(weights[i][:, None] * table[rows[i]] for i in (1, 2))
        return jnp.concatenate([first, second], axis=-1)

    def ours_of(table, w):
        levels = [[w[0]], [w[1], w[2]]]
        return hash_grid.mix_rows(table, [[rows[0]], [rows[1], rows[2]]], levels)

    def total(mix, table, weights):
        return jnp.sum(pull * mix(table, weights))

    ours = jax.grad(lambda t, w: total(ours_of, t, w), (0, 1))(table, weights)
    theirs = jax.grad(lambda t, w: total(plain, t, w), (0, 1))(table, weights)
    # Sums of about 20 terms of size 1 in another order.
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), ours, theirs)
