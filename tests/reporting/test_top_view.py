import numpy as np
import pytest

from alsem.reporting import palette, top_view


def test_the_highest_point_below_the_ceiling_is_visible():
    x, y = (axis.ravel() for axis in np.meshgrid(np.arange(8.0), np.arange(4.0)))
    floor = np.stack([x, y, np.zeros(32)], -1)
    ceiling = np.stack([x, y, np.full(32, 2.5)], -1)
    # A table top in the corner of low x and high y, listed before the floor under it.
    table = floor[(x < 2) & (y > 2)] + [0, 0, 1]
    points = np.concatenate([ceiling, table, floor])
    labels = np.repeat([2, 1, 0], [32, len(table), 32])
    rgb = np.array([[10, 0, 0], [20, 0, 0], [30, 0, 0]], np.uint8)[labels]
    labels[-32 + int(np.argmax(x - y))] = -1  # void, at the far corner from the table
    view = top_view.draw_top_view(points, labels, rgb, size=8)
    floor_rgb, table_rgb = palette.class_colours(2)
    assert view.by_class.shape == (4, 8, 3)
    np.testing.assert_array_equal(view.by_class[0, 0], table_rgb)  # +y is up, +x right
    np.testing.assert_array_equal(view.by_class[0, -1], floor_rgb)
    np.testing.assert_array_equal(view.by_class[-1, 0], floor_rgb)
    np.testing.assert_array_equal(view.by_class[-1, -1], palette.VOID_RGB)
    assert view.by_colour[[0, -1], 0, 0].tolist() == [20, 10]
    assert view.pixel_size == pytest.approx(7 / 8)  # 7 m between the outermost points
    high = top_view.draw_top_view(points, labels, rgb, size=8, ceiling_cut=0.0)
    assert (high.by_colour[..., 0] == 30).all()


def test_outliers_do_not_shrink_the_room():
    rng = np.random.default_rng(0)
    outliers = [[900.0, 0, 0], [np.nan, 0, 0]]
    points = np.append(rng.uniform(0, 4, (5000, 3)), outliers, axis=0)
    labels, rgb = np.zeros(len(points), int), np.zeros((len(points), 3), np.uint8)
    view = top_view.draw_top_view(points, labels, rgb)
    assert max(view.by_class.shape[:2]) * view.pixel_size < 4.5
    with pytest.raises(ValueError, match="no finite point"):
        top_view.draw_top_view(points[-1:], labels[-1:], rgb[-1:])


def test_holes_of_a_surface_are_filled_and_the_outside_stays_empty():
    x, y = (axis.ravel() for axis in np.meshgrid(np.arange(0, 40, 3.0), np.arange(41)))
    points = np.stack([x, y, np.zeros(len(x))], -1)
    points = points[(x < 12) | (x > 30)]
    labels, rgb = np.zeros(len(points), int), np.full((len(points), 3), 9, np.uint8)
    view = top_view.draw_top_view(points, labels, rgb, size=40)
    is_empty = (view.by_colour == top_view.EMPTY_RGB).all(axis=-1)
    assert not is_empty[20, :9].any()
    assert is_empty[20, 12:29].all()
