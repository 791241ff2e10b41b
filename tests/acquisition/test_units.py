"""Units of every granularity: one contract over all builders, and known answers."""

import numpy as np
import pytest
from corner_pool import FRAMES, HEIGHT, NODE, WIDTH, corner, partition

from alsem.acquisition.candidates import make_candidates
from alsem.acquisition.units import patches, pooling, superpixels, supervoxels
from alsem.acquisition.units.units import make_units, units_within

POOL = corner()
GRANULARITY = {
    "point": "point",
    "patch": "patch",
    "frame": "frame",
    "superpixel": "superpixel",
    "masks": "superpixel",
    "voxel": "volume",
    "supervoxel": "volume",
}
each_builder = pytest.mark.parametrize("name", GRANULARITY)


def numbers(name, pool):
    f, h, w = pool.rgb.shape[:3]
    return {
        "point": lambda: patches.point_units(f * h * w),
        "patch": lambda: patches.patch_units(f, h, w, side=5),
        "frame": lambda: patches.frame_units(f, h, w),
        "superpixel": lambda: superpixels.superpixel_units(pool.rgb, size=30),
        "masks": lambda: superpixels.region_units(pool.masks),
        "voxel": lambda: supervoxels.voxel_units(pool.candidates, size=0.25),
        "supervoxel": lambda: supervoxels.supervoxel_units(
            pool.candidates, size=0.4, node_size=NODE
        ),
    }[name]()


def units_of(name, pool=POOL):
    return make_units(
        GRANULARITY[name],
        numbers(name, pool),
        pool.candidates,
        image_size=(HEIGHT, WIDTH),
    )


@each_builder
def test_builders_number_units_densely_and_reproducibly(name):
    unit = numbers(name, POOL)
    assert unit.dtype == np.int32
    assert unit.shape == (len(POOL.candidates),)
    num = unit.max() + 1
    assert num > 1
    np.testing.assert_array_equal(np.unique(unit[unit >= 0]), np.arange(num))
    np.testing.assert_array_equal(unit, numbers(name, corner()))
    valid = POOL.candidates.is_valid
    assert not valid.all()
    outside = {"voxel": ~valid, "supervoxel": ~valid, "masks": POOL.masks.ravel() == 0}
    np.testing.assert_array_equal(unit < 0, outside.get(name, np.zeros(len(unit))))


@each_builder
def test_the_order_of_frames_changes_the_numbers_only(name):
    index = np.array([2, 0, 3, 1])
    moved = numbers(name, POOL.frames(index)).reshape(FRAMES, -1)
    back = np.empty_like(moved)
    back[index] = moved
    np.testing.assert_array_equal(
        partition(back.ravel()), partition(numbers(name, POOL))
    )


@each_builder
def test_pixels_and_anchors_against_a_search(name):
    units, candidates = units_of(name), POOL.candidates
    is_volume = GRANULARITY[name] == "volume"
    assert sorted(units.order) == list(np.flatnonzero(units.unit >= 0))
    assert units.anchor.dtype == np.int64
    pixel = np.arange(len(candidates)) % (HEIGHT * WIDTH)
    in_image = np.stack([pixel // WIDTH, pixel % WIDTH], axis=-1)
    place = candidates.x_world.astype(float) if is_volume else in_image
    for u in range(units.num_units):
        pixels = units.unit_pixels(u)
        assert pixels.dtype == np.int64
        np.testing.assert_array_equal(pixels, np.flatnonzero(units.unit == u))
        assert units.sizes[u] == len(pixels)
        if is_volume:
            assert candidates.is_valid[pixels].all()
        else:
            assert len(set(candidates.frame[pixels])) == 1
        valid = [i for i in pixels if candidates.is_valid[i]]
        if not valid:
            assert units.anchor[u] == -1
            continue
        off = np.square(place[valid] - place[valid].mean(axis=0)).sum(axis=-1)
        # Sums in another order differ in the last digits.
        assert off[valid.index(units.anchor[u])] <= off.min() + 1e-9


@each_builder
def test_without_any_valid_candidate(name):
    pool = corner(invalid=1.0)
    assert not pool.candidates.is_valid.any()
    units = units_of(name, pool)
    assert (units.anchor == -1).all()
    assert units.num_units == (0 if GRANULARITY[name] == "volume" else len(units.sizes))
    rows = pooling.unit_candidates(pool.candidates, units)
    assert not rows.is_valid.any()
    if name == "point":
        return
    scores = np.ones(len(units.unit), np.float32)
    for how in pooling.POOLINGS:
        pooled = pooling.pool_scores(scores, units, pool.candidates, how=how)
        np.testing.assert_array_equal(pooled, np.zeros(units.num_units))
    first = [units.unit_pixels(u)[0] for u in range(units.num_units)]
    np.testing.assert_array_equal(rows.frame, pool.candidates.frame[first])


@each_builder
@pytest.mark.parametrize("how", pooling.POOLINGS)
def test_pooling_against_a_loop(name, how):
    units, c = units_of(name), POOL.candidates
    scores = np.random.default_rng(3).normal(1, 2, len(c)).astype(np.float32)
    scores[~c.is_valid] = np.nan  # never used
    pooled = pooling.pool_scores(scores, units, c, how=how)
    if name == "point":
        assert pooled is scores
        return
    assert pooled.dtype == np.float32
    for u in range(units.num_units):
        found = [float(scores[i]) for i in units.unit_pixels(u) if c.is_valid[i]]
        expected = getattr(np, how)(found) if found else 0.0
        np.testing.assert_allclose(pooled[u], expected, rtol=1e-5, atol=1e-6)


@each_builder
def test_rows_of_units_are_those_of_their_anchors(name):
    units, c = units_of(name), POOL.candidates
    rows = pooling.unit_candidates(c, units)
    if name == "point":
        assert rows is c
        return
    assert len(rows) == units.num_units
    assert (rows.num_voxels, rows.voxel_size) == (c.num_voxels, c.voxel_size)
    there = units.anchor >= 0
    np.testing.assert_array_equal(rows.is_valid, there)
    assert (rows.voxel[~there] == -1).all()
    for field in ("x_world", "normal", "diffuse", "frame", "purity", "voxel"):
        got, expected = getattr(rows, field), getattr(c, field)
        assert got.dtype == expected.dtype
        np.testing.assert_array_equal(got[there], expected[units.anchor[there]])


def test_units_lose_their_pixels_outside_a_mask():
    inside = np.array([True, False, True, True, False])
    unit = np.array([0, 0, 1, -1, 2], np.int32)
    np.testing.assert_array_equal(units_within(inside, unit), [0, -1, 1, -1, -1])


def test_volumes_hold_valid_candidates_only():
    unit = np.zeros(len(POOL.candidates), np.int32)
    units = make_units("volume", unit, POOL.candidates, image_size=(1, 1))
    valid = np.flatnonzero(POOL.candidates.is_valid)
    np.testing.assert_array_equal(units.unit_pixels(0), valid)


def test_points_share_their_arrays():
    units = units_of("point")
    assert units.order is units.unit
    assert units.sizes.strides == (0,)
    valid = POOL.candidates.is_valid
    np.testing.assert_array_equal(
        units.anchor, np.where(valid, np.arange(len(valid)), -1)
    )


def test_patches_by_hand():
    unit = patches.patch_units(2, 3, 5, side=2).reshape(2, 3, 5)
    first = [[0, 0, 1, 1, 2], [0, 0, 1, 1, 2], [3, 3, 4, 4, 5]]
    np.testing.assert_array_equal(unit, [first, np.array(first) + 6])
    one = patches.patch_units(2, 3, 5, side=1)
    np.testing.assert_array_equal(one, np.arange(30))
    whole = patches.patch_units(2, 3, 5, side=9)
    np.testing.assert_array_equal(whole, patches.frame_units(2, 3, 5))


def test_ids_of_region_images_hold_within_an_image():
    masks = np.array([[[0, 7, 7], [2, 0, -5]], [[7, 7, 7], [0, 0, 1 << 30]]])
    unit = superpixels.region_units(masks)
    np.testing.assert_array_equal(unit, [-1, 2, 2, 1, -1, 0, 3, 3, 3, -1, -1, 4])
    ends = np.array([[[-(1 << 31), 0, (1 << 31) - 1]]], np.int32)
    np.testing.assert_array_equal(superpixels.region_units(ends), [0, -1, 1])
    narrow = superpixels.region_units(np.array([[[0, 255, 3]]], np.uint8))
    np.testing.assert_array_equal(narrow, [-1, 1, 0])
    assert (superpixels.region_units(np.zeros((1, 2, 2), np.int32)) == -1).all()


def test_anchors_are_in_the_middle_and_the_lowest_of_equals():
    n = 5 * 5
    valid = np.ones(n, bool)
    valid[12] = False  # the middle; of the four beside it the lowest is taken
    candidates = make_candidates(
        np.zeros((n, 3), np.float32),
        np.zeros((n, 3), np.float32),
        np.zeros((n, 3), np.float32),
        np.zeros(n, np.int32),
        valid.astype(np.float32),
        voxel_size=1.0,
        min_purity=0.5,
    )
    unit = patches.frame_units(1, 5, 5)
    units = make_units("frame", unit, candidates, image_size=(5, 5))
    assert units.anchor.tolist() == [7]
    assert units.sizes.tolist() == [n]


def test_bad_units_are_refused():
    c = POOL.candidates
    unit = patches.frame_units(FRAMES, HEIGHT, WIDTH)
    size = (HEIGHT, WIDTH)
    with pytest.raises(ValueError, match="granularity 'room'"):
        make_units("room", unit, c, image_size=size)
    with pytest.raises(ValueError, match="units int32"):
        make_units("frame", unit[1:], c, image_size=size)
    with pytest.raises(ValueError, match="units int64"):
        make_units("frame", unit.astype(np.int64), c, image_size=size)
    with pytest.raises(ValueError, match="densely: 1 is empty"):
        make_units("frame", 2 * unit, c, image_size=size)
    with pytest.raises(ValueError, match="its own number"):
        make_units("point", unit, c, image_size=size)
    units = make_units("frame", unit, c, image_size=size)
    with pytest.raises(ValueError, match="pooling 'median'"):
        pooling.pool_scores(np.ones(len(c), np.float32), units, c, how="median")
    with pytest.raises(ValueError, match="a patch of 0"):
        patches.patch_units(1, 2, 3, side=0)
    with pytest.raises(ValueError, match="superpixels of 0"):
        superpixels.superpixel_units(POOL.rgb, size=0)
    with pytest.raises(ValueError, match=r"supervoxels of 0\.02 m"):
        supervoxels.supervoxel_units(c, size=0.02)
