"""Images are downscaled to any size."""

import captures
import numpy as np
import pytest
from captures import TEST, TRAIN, random_frames, write_capture
from hypothesis import given
from hypothesis import strategies as st

from alsem.core.types import Intrinsics
from alsem.data import downscale, writers
from alsem.data.readers.replica import read_replica

open_room, error_of = captures.openers()


def block_edges(full, small):
    return np.arange(small + 1) * (full / small)


def overlap(full, small):
    """Share of every pixel of an axis in every block, ``[small full]``."""
    edges, cells = block_edges(full, small), np.arange(full)
    low = np.maximum(edges[:-1, None], cells)
    return np.clip(np.minimum(edges[1:, None], cells + 1) - low, 0, 1)


@given(st.data())
def test_any_size_against_loops(data):
    full = data.draw(st.tuples(st.integers(1, 23), st.integers(1, 23)), "full")
    size = tuple(data.draw(st.integers(1, side)) for side in full)
    draw = np.random.default_rng(data.draw(st.integers(0, 9)))
    rgb = draw.integers(0, 256, (*full[::-1], 3), np.uint8)
    down, across = overlap(full[1], size[1]), overlap(full[0], size[0])
    area = down.sum(1)[:, None] * across.sum(1)
    mean = np.einsum("yr,xc,rck->yxk", down, across, rgb) / area[..., None]
    assert np.abs(downscale.area_average(rgb, size) - mean).max() < 0.51
    mask = draw.random(full[::-1]) < 0.9
    hidden = np.einsum("yr,xc,rc->yx", down, across, ~mask)
    np.testing.assert_array_equal(downscale.all_of(mask, size), hidden < 1e-6)
    # The sampled pixel holds the centre of its block.
    at = downscale.point_sample(np.arange(full[0] * full[1]).reshape(full[::-1]), size)
    for axis, index in ((0, at % full[0]), (1, at // full[0])):
        edges = block_edges(full[axis], size[axis])
        centre = (edges[1:] + edges[:-1]) / 2
        line = index[0] if axis == 0 else index[:, 0]
        assert ((line <= centre + 1e-9) & (centre <= line + 1 + 1e-9)).all()
        offset = downscale.point_sample_offset(full[axis], size[axis])
        mean_offset = (line + 0.5 - centre).mean() * size[axis] / full[axis]
        assert offset == pytest.approx(mean_offset, abs=1e-9)
    # A ray through a place of the full image is that of the small one's place.
    camera = Intrinsics(*full, 31.0, 29.0, 3.3, 2.2)
    small = downscale.downscaled(camera, size)
    for f, c, side in (("fx", "cx", 0), ("fy", "cy", 1)):
        place = (4.0 + 0.5) * size[side] / full[side] - 0.5
        ray = (place - getattr(small, c)) / getattr(small, f)
        assert ray == pytest.approx((4 - getattr(camera, c)) / getattr(camera, f))


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({"downscale": 2}, (8, 6)),
        ({"downscale": 3}, (5, 4)),
        ({"width": 10}, (10, 7)),
        ({"width": 15}, (15, 11)),
    ],
)
def test_odd_captures(tmp_path, options, size):
    write_capture(tmp_path, random_frames(size=(15, 11)))
    scene = open_room(tmp_path, **options)[0]
    assert scene.train.rgb.shape[2:0:-1] == size
    assert scene.train.depth_z.shape[2:0:-1] == size


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"downscale": 0}, "downscale=0"),
        ({"downscale": -1}, "downscale=-1"),
        ({"downscale": True}, "no whole number"),
        ({"downscale": 13}, "not possible for images of 8 x 6"),
        ({"width": 9}, "a width of at most that"),
        ({"width": -2}, "width=-2"),
        ({"width": 4, "downscale": 2}, "give one of them"),
    ],
)
def test_impossible_sizes(copy_of, options, reason):
    assert reason in error_of(copy_of("replica"), **options).replace("not a", "no")


def test_conversion_to_a_width_is_what_training_at_that_width_reads(copy_of, tmp_path):
    room = copy_of("replica")
    for sequence, count in ((TRAIN, 12), (TEST, 3)):
        masks = np.random.default_rng(3).random((count, 6, 8)) < 0.9
        captures.write_images(room / sequence / "mask", masks.astype(np.uint8))
    capture = read_replica(room, "").downscaled(5)
    writers.convert(capture, tmp_path / "small", to="replica")
    at_width, small = open_room(room, width=5), open_room(tmp_path / "small")
    for each in (at_width, small):
        assert each[0].intrinsics.width == 5
    np.testing.assert_array_equal(small[0].train.rgb, at_width[0].train.rgb)
    np.testing.assert_array_equal(
        small[0].train.valid_mask, at_width[0].train.valid_mask
    )
    np.testing.assert_array_equal(small[0].train.depth_z, at_width[0].train.depth_z)
    np.testing.assert_array_equal(small[1].test_labels, at_width[1].test_labels)
