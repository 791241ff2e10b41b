"""Units of every granularity: one contract over all builders, and known answers."""

import numpy as np
import pytest
from corner_pool import FRAMES, HEIGHT, NODE, WIDTH, corner, partition
from pools import candidates_at

from alsem.acquisition.units import patches, pooling, superpixels, supervoxels
from alsem.acquisition.units.units import make_units, units_within

POOL = corner()
SIZE = (HEIGHT, WIDTH)
SHAPE = (FRAMES, HEIGHT, WIDTH)
# Granularity and numbers of the units of a pool.
BUILDERS = {
    "point": ("point", lambda pool: patches.point_units(pool.masks.size)),
    "patch": ("patch", lambda pool: patches.patch_units(*SHAPE, side=5)),
    "frame": ("frame", lambda pool: patches.frame_units(*SHAPE)),
    "superpixel": (
        "superpixel",
        lambda pool: superpixels.superpixel_units(pool.rgb, size=30),
    ),
    "masks": ("superpixel", lambda pool: superpixels.region_units(pool.masks)),
    "voxel": (
        "volume",
        lambda pool: supervoxels.voxel_units(pool.candidates, size=0.25),
    ),
    "supervoxel": (
        "volume",
        lambda pool: supervoxels.supervoxel_units(
            pool.candidates, size=0.4, node_size=NODE
        ),
    ),
}
each_builder = pytest.mark.parametrize("name", BUILDERS)
all_but_points = pytest.mark.parametrize("name", sorted(BUILDERS.keys() - {"point"}))


def numbers(name, pool=POOL):
    return BUILDERS[name][1](pool)


def units_of(name, pool=POOL):
    granularity = BUILDERS[name][0]
    return make_units(
        granularity, numbers(name, pool), pool.candidates, image_size=SIZE
    )


@each_builder
def test_builders_number_units_densely_and_reproducibly(name):
    unit = numbers(name)
    assert unit.dtype == np.int32 and unit.shape == (len(POOL.candidates),)
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
    back = moved[np.argsort(index)].ravel()
    np.testing.assert_array_equal(partition(back), partition(numbers(name)))


@each_builder
def test_pixels_and_anchors_against_a_search(name):
    units, candidates = units_of(name), POOL.candidates
    is_volume = units.granularity == "volume"
    assert sorted(units.order) == list(np.flatnonzero(units.unit >= 0))
    assert units.anchor.dtype == np.int64
    in_image = np.stack(np.unravel_index(np.arange(len(candidates)), SHAPE)[1:], -1)
    place = candidates.x_world.astype(float) if is_volume else in_image
    for u in range(units.num_units):
        pixels = units.unit_pixels(u)
        assert pixels.dtype == np.int64
        np.testing.assert_array_equal(pixels, np.flatnonzero(units.unit == u))
        assert units.sizes[u] == len(pixels)
        assert is_volume or len(set(candidates.frame[pixels])) == 1
        valid = pixels[candidates.is_valid[pixels]]
        assert not is_volume or len(valid) == len(pixels)
        if not len(valid):
            assert units.anchor[u] == -1
            continue
        off = np.square(place[valid] - place[valid].mean(axis=0)).sum(axis=-1)
        # Sums in another order differ in the last digits.
        assert off[valid == units.anchor[u]] <= off.min() + 1e-9


@each_builder
def test_without_any_valid_candidate(name):
    pool = corner(invalid=1.0)
    units = units_of(name, pool)
    assert (units.anchor == -1).all()
    assert (units.num_units == 0) == (units.granularity == "volume")
    candidates = pooling.unit_candidates(pool.candidates, units)
    assert not candidates.is_valid.any()
    if name == "point":
        return
    scores = np.ones(len(units.unit), np.float32)
    for how in pooling.POOLINGS:
        pooled = pooling.pool_scores(scores, units, pool.candidates, how=how)
        np.testing.assert_array_equal(pooled, np.zeros(units.num_units))
    first = [units.unit_pixels(u)[0] for u in range(units.num_units)]
    np.testing.assert_array_equal(candidates.frame, pool.candidates.frame[first])


@all_but_points
@pytest.mark.parametrize("how", pooling.POOLINGS)
def test_pooling_against_a_loop(name, how):
    units, c = units_of(name), POOL.candidates
    scores = np.random.default_rng(3).normal(1, 2, len(c)).astype(np.float32)
    scores[~c.is_valid] = np.nan  # never used
    pooled = pooling.pool_scores(scores, units, c, how=how)
    assert pooled.dtype == np.float32
    for u in range(units.num_units):
        found = [float(scores[i]) for i in units.unit_pixels(u) if c.is_valid[i]]
        expected = getattr(np, how)(found) if found else 0.0
        np.testing.assert_allclose(pooled[u], expected, rtol=1e-5, atol=1e-6)


@all_but_points
def test_rows_of_units_are_those_of_their_anchors(name):
    units, c = units_of(name), POOL.candidates
    rows = pooling.unit_candidates(c, units)
    assert len(rows) == units.num_units
    assert (rows.num_voxels, rows.voxel_size) == (c.num_voxels, c.voxel_size)
    there = units.anchor >= 0
    np.testing.assert_array_equal(rows.is_valid, there)
    assert (rows.voxel[~there] == -1).all()
    for field in ("x_world", "normal", "diffuse", "frame", "purity", "voxel"):
        got, expected = getattr(rows, field), getattr(c, field)
        assert got.dtype == expected.dtype
        np.testing.assert_array_equal(got[there], expected[units.anchor[there]])


def test_points_share_their_arrays():
    units, c = units_of("point"), POOL.candidates
    assert units.order is units.unit
    assert units.sizes.strides == (0,)
    scores = np.ones(len(c), np.float32)
    assert pooling.pool_scores(scores, units, c) is scores
    assert pooling.unit_candidates(c, units) is c


def test_units_lose_their_pixels_outside_a_mask():
    inside = np.array([True, False, True, True, False])
    unit = np.array([0, 0, 1, -1, 2], np.int32)
    np.testing.assert_array_equal(units_within(inside, unit), [0, -1, 1, -1, -1])


def test_volumes_hold_valid_candidates_only():
    unit = np.zeros(len(POOL.candidates), np.int32)
    units = make_units("volume", unit, POOL.candidates, image_size=(1, 1))
    valid = np.flatnonzero(POOL.candidates.is_valid)
    np.testing.assert_array_equal(units.unit_pixels(0), valid)


def test_patches_by_hand():
    unit = patches.patch_units(2, 3, 5, side=2).reshape(2, 3, 5)
    first = [[0, 0, 1, 1, 2], [0, 0, 1, 1, 2], [3, 3, 4, 4, 5]]
    np.testing.assert_array_equal(unit, [first, np.array(first) + 6])
    one = patches.patch_units(2, 3, 5, side=1)
    np.testing.assert_array_equal(one, np.arange(30))
    whole = patches.patch_units(2, 3, 5, side=9)
    np.testing.assert_array_equal(whole, patches.frame_units(2, 3, 5))


@pytest.mark.parametrize(
    ("masks", "expected"),
    [
        # The same id in two images stands for two regions.
        ([[[0, 7, 7, -5]], [[7, 0, 1 << 30, 7]]], [-1, 1, 1, 0, 2, -1, 3, 2]),
        (np.array([[[-(1 << 31), 0, (1 << 31) - 1]]], np.int32), [0, -1, 1]),
        (np.array([[[0, 255, 3]]], np.uint8), [-1, 1, 0]),
        (np.zeros((1, 1, 3), np.int32), [-1, -1, -1]),
    ],
)
def test_ids_of_region_images_hold_within_an_image(masks, expected):
    found = superpixels.region_units(np.asarray(masks))
    np.testing.assert_array_equal(found, expected)


def test_anchors_are_in_the_middle_and_the_lowest_of_equals():
    # The middle is not valid; of the four beside it the lowest is taken.
    candidates = candidates_at(np.zeros((25, 3)), purity=np.arange(25) != 12)
    unit = patches.frame_units(1, 5, 5)
    units = make_units("frame", unit, candidates, image_size=(5, 5))
    assert units.anchor.tolist() == [7] and units.sizes.tolist() == [25]


FRAME = patches.frame_units(*SHAPE)


@pytest.mark.parametrize(
    ("granularity", "unit", "complaint"),
    [
        ("room", FRAME, "granularity 'room'"),
        ("frame", FRAME[1:], "units int32"),
        ("frame", FRAME.astype(np.int64), "units int64"),
        ("frame", 2 * FRAME, "densely: 1 is empty"),
        ("point", FRAME, "its own number"),
    ],
)
def test_bad_units_are_refused(granularity, unit, complaint):
    with pytest.raises(ValueError, match=complaint):
        make_units(granularity, unit, POOL.candidates, image_size=SIZE)


def test_bad_options_of_units_are_refused():
    c = POOL.candidates
    scores = np.ones(len(c), np.float32)
    with pytest.raises(ValueError, match="pooling 'median'"):
        pooling.pool_scores(scores, units_of("frame"), c, how="median")
    with pytest.raises(ValueError, match="a patch of 0"):
        patches.patch_units(1, 2, 3, side=0)
    with pytest.raises(ValueError, match="superpixels of 0"):
        superpixels.superpixel_units(POOL.rgb, size=0)
    with pytest.raises(ValueError, match=r"supervoxels of 0\.02 m"):
        supervoxels.supervoxel_units(c, size=0.02)
