"""Hash grid: equal to its definition in loops, also on borders of its cells."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from linen_modules import LARGE

from alsem.nerf import hash_grid

pytestmark = pytest.mark.usefixtures("strict_dtypes")


def simplex_np(x):
    """Kuhn's tetrahedron of one point by sorting its fractions, float64."""
    low = np.floor(x)
    order = np.argsort(low - x, kind="stable")
    steps = np.insert(np.eye(3, dtype=int)[order], 0, 0, axis=0)
    fractions = np.array([1.0, *(x - low)[order], 0.0])
    return low.astype(int) + np.cumsum(steps, axis=0), -np.diff(fractions)


def row_np(corner, shape, size):
    """Row of a corner by Python's own integers."""
    if np.prod(shape) <= size:
        return int(np.ravel_multi_index(corner, shape))
    x, y, z = map(int, corner)
    return (x ^ y * 2654435761 ^ z * 805459861) % size


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


def random_points():
    """Points in a box and beyond it, where they share its border."""
    low, high = np.array([-1.0, 0.5, 0.0]), np.array([1.0, 2.0, 1.0])
    rng = np.random.default_rng(4)
    return rng.uniform(low - 0.3, high + 0.3, (2, LARGE // 2, 3)), low, high


def points_on_borders():
    """Of cells and of the tetrahedra in them: every tie between fractions occurs."""
    eighths = np.array(list(itertools.product(np.arange(-8, 9) / 8, repeat=3)))
    return eighths[None], np.full(3, -1.0), np.full(3, 1.0)


# Of the levels the first is dense, the others are hashed.
@pytest.mark.parametrize(
    ("points", "cells"),
    [(random_points, (0.9, 0.31, 0.08)), (points_on_borders, (1.0, 0.25))],
)
def test_grid_features_equal_the_loops(points, cells):
    x, low, high = points()
    rng = np.random.default_rng(5)
    table = rng.normal(size=(len(cells), 128, 2)).astype(np.float32)
    box = hash_grid.grid_box(tuple(low), tuple(high), cells=cells, rows=128)
    assert box.is_dense[0] and not box.is_dense[1:].any()
    compiled = jax.jit(lambda *args: hash_grid.hash_grid(*args, cells=cells))
    found = compiled(table, x, box)
    assert found.shape == (*x.shape[:2], 2 * len(cells))
    found, x = np.reshape(found, (-1, found.shape[-1])), x.reshape(-1, 3)
    for i in rng.choice(len(x), 1000, replace=False):
        expected = hash_grid_np(table, x[i] - low, cells, high - low)
        # x / cell is off by 1e-6 of a cell; neighbouring rows differ by up to 6.
        np.testing.assert_allclose(found[i], expected, atol=1e-4)


def table_rows(corners, shape, size):
    """`hash_grid.table_index` of corners ``[n 3]``."""
    x, y, z = jnp.asarray(corners, jnp.int32).T
    return hash_grid.table_index(
        (x, y, z),
        shape=jnp.asarray(shape, jnp.int32),
        is_dense=jnp.asarray(np.prod(shape, dtype=float) <= size),
        size=size,
    )


def test_rows_of_far_corners_equal_integer_arithmetic():
    corners = np.random.default_rng(3).integers(0, 10**6, (500, 3))
    rows = table_rows(corners, (10**6,) * 3, 2**14)
    expected = [row_np(corner, (10**6,) * 3, 2**14) for corner in corners]
    np.testing.assert_array_equal(rows, expected)


def test_rows_of_the_docstring():
    corner = [[1, 2, 3]]
    assert table_rows(corner, (10, 8, 6), 512).tolist() == [63]
    assert table_rows(corner, (10, 8, 6), 64).tolist() == [28]
    with pytest.raises(ValueError, match="power of two"):
        table_rows(corner, (10, 8, 6), 100)
    anything = [[-1, 0, 0], [3, 4, 50]]  # of a point that is not a number
    assert np.all(table_rows(anything, (3, 4, 5), 64) < 64)


def test_the_box_of_the_docstring():
    box = hash_grid.grid_box(
        (1.0, 1.0, 1.0), (5.0, 4.0, 3.0), cells=(0.5, 0.25), rows=2**9
    )
    assert box.level_shape.tolist() == [[10, 8, 6], [18, 14, 10]]
    assert box.is_dense.tolist() == [True, False]
    np.testing.assert_allclose(hash_grid.grid_cells(0.8, 0.1, 4), [0.8, 0.4, 0.2, 0.1])


def test_gradients_of_mixed_rows_equal_automatic_ones():
    rng = np.random.default_rng(11)
    rows = [jnp.asarray(rng.integers(0, 32, 200)) for _ in range(3)]
    table, pull = rng.normal(size=(32, 4)), rng.normal(size=(200, 8))
    weights = list(rng.normal(size=(3, 200)))

    def ours(table, w):
        levels = [[w[0]], [w[1], w[2]]]
        return hash_grid.mix_rows(table, [[rows[0]], [rows[1], rows[2]]], levels)

    def theirs(table, w):
        parts = [w[i][:, None] * table[rows[i]] for i in range(3)]
        return jnp.concatenate([parts[0], parts[1] + parts[2]], axis=-1)

    def gradients(mix):
        pulled = jax.grad(lambda t, w, pull: jnp.sum(pull * mix(t, w)), argnums=(0, 1))
        return jax.jit(pulled)(table, weights, pull)

    # Sums of about 20 terms of size 1 in another order.
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5),
        gradients(ours),
        gradients(theirs),
    )
