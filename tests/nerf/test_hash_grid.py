"""Hash grid: equal to its definition in loops, and continuous."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alsem.nerf import hash_grid

pytestmark = pytest.mark.usefixtures("strict_dtypes")

LARGE = 100_000  # points; the CPU compiler has gone wrong beyond 32768 numbers
ROWS = 128
# Of the levels the first is dense (80 corners), the others are hashed.
CELLS, LOW, HIGH = (0.9, 0.31, 0.08), (-1.0, 0.5, 0.0), (1.0, 2.0, 1.0)


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
        return int(np.ravel_multi_index(corner, shape))
    mixed = 0
    for c, prime in zip(corner, (1, 2654435761, 805459861), strict=True):
        mixed ^= (int(c) * prime) % 2**32
    return mixed % size


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


def columns(corners):
    """The three coordinates as vectors of their own."""
    x, y, z = (jnp.asarray(corners)[..., i] for i in range(3))
    return x, y, z


def simplex(x):
    """Corners ``[*b 4 3]`` and weights ``[*b 4]``."""
    corners, weights = hash_grid.simplex_corners(*columns(x))
    corners = jnp.stack([jnp.stack(corner, axis=-1) for corner in corners], axis=-2)
    return corners, jnp.stack(weights, axis=-1)


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


def table_rows(corners, shape, size):
    """`hash_grid.table_index` of corners ``[n 3]``."""
    return hash_grid.table_index(
        columns(corners),
        shape=jnp.asarray(shape, jnp.int32),
        is_dense=jnp.asarray(np.prod(shape, dtype=float) <= size),
        size=size,
    )


def test_dense_rows_are_one_to_one_and_in_bounds():
    shape = (3, 4, 5)
    corners = np.array(list(np.ndindex(shape)), np.int32)
    np.testing.assert_array_equal(table_rows(corners, shape, 64), np.arange(60))
    anything = jnp.array([[-1, 0, 0], [3, 4, 50]])  # of a point that is not a number
    assert np.all(table_rows(anything, shape, 64) < 64)


def test_hashed_rows_equal_integer_arithmetic():
    rng = np.random.default_rng(3)
    corners = rng.integers(0, 10**6, (500, 3), dtype=np.int32)
    shape, size = (10**6,) * 3, 2**14
    rows = table_rows(corners, shape, size)
    np.testing.assert_array_equal(rows, [row_np(c, shape, size) for c in corners])
    assert len(np.unique(rows)) > 470  # 500 of 16384 rows: 8 collisions are usual


def test_rows_of_the_docstring():
    corner = np.array([[1, 2, 3]], np.int32)
    assert table_rows(corner, (10, 8, 6), 512).tolist() == [63]
    assert table_rows(corner, (10, 8, 6), 64).tolist() == [28]
    with pytest.raises(ValueError, match="power of two"):
        table_rows(corner, (10, 8, 6), 100)


def test_the_box_of_the_docstring():
    box = hash_grid.grid_box(
        (1.0, 1.0, 1.0), (5.0, 4.0, 3.0), cells=(0.5, 0.25), rows=2**9
    )
    assert box.level_shape.tolist() == [[10, 8, 6], [18, 14, 10]]
    assert box.is_dense.tolist() == [True, False]
    np.testing.assert_allclose(hash_grid.grid_cells(0.8, 0.1, 4), [0.8, 0.4, 0.2, 0.1])


def look_up(table, x, cells=CELLS, low=LOW, high=HIGH):
    """The grid, compiled, with its box as an argument."""
    table, x = jnp.asarray(table, jnp.float32), jnp.asarray(x, jnp.float32)
    box = hash_grid.grid_box(low, high, cells=cells, rows=table.shape[1])
    return jax.jit(lambda *args: hash_grid.hash_grid(*args, cells=cells))(table, x, box)


@pytest.mark.parametrize("num", [120, LARGE])
def test_grid_features_equal_the_loops(num):
    rng = np.random.default_rng(4)
    table = rng.normal(size=(3, ROWS, 2)).astype(np.float32)
    low, high = np.array(LOW), np.array(HIGH)
    x = rng.uniform(low - 0.3, high + 0.3, (2, num // 2, 3))
    actual = look_up(table, x)
    assert actual.shape == (2, num // 2, 6)
    actual, x = actual.reshape(-1, 6), x.reshape(-1, 3) - low
    for i in range(0, num, 1 + num // 120):
        expected = hash_grid_np(table, x[i], CELLS, high - low)
        # x / cell is off by 1e-6 of a cell; neighbouring rows differ by up to 6.
        np.testing.assert_allclose(actual[i], expected, atol=1e-4)


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
    box = {"cells": (1.0,), "low": (0.0, 0.0, 0.0), "high": (6.0, 6.0, 6.0)}
    # Rows differ by up to 8, so slopes reach 14 in all; 2e-4 of that.
    before, after = (look_up(table, x + side, **box) for side in (-step, step))
    np.testing.assert_allclose(before, after, atol=4e-3)


def test_points_beyond_the_box_share_its_border():
    table = np.random.default_rng(6).normal(size=(3, ROWS, 2))
    border = np.array([[-1.0, 1.0, 1.0], [0.0, 0.5, 1.0]])
    beyond = np.array([[-9.0, 1.0, 1.7], [0.0, -0.1, 7.0]])
    np.testing.assert_array_equal(look_up(table, beyond), look_up(table, border))


def test_gradients_of_rows_are_the_interpolation_weights():
    rng = np.random.default_rng(7)
    table, x = rng.normal(size=(3, ROWS, 2)), rng.uniform(LOW, HIGH, (50, 3))
    table, x = jnp.asarray(table, jnp.float32), jnp.asarray(x, jnp.float32)
    by_row, by_x = jax.grad(lambda t, x: jnp.sum(look_up(t, x)), (0, 1))(table, x)
    np.testing.assert_allclose(by_row.sum(axis=1), 50.0, rtol=1e-5)
    assert np.isfinite(by_x).all()


def test_gradients_of_mixed_rows_equal_automatic_ones():
    rng = np.random.default_rng(11)
    table = rng.normal(size=(32, 4))
    rows = [jnp.asarray(rng.integers(0, 32, 200)) for _ in range(3)]
    numbers = (table, rng.normal(size=(200, 8)), *rng.normal(size=(3, 200)))
    table, pull, *weights = (jnp.asarray(a, jnp.float32) for a in numbers)

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
