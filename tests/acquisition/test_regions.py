"""Units of every granularity: one contract over all builders, and known answers."""

import dataclasses

import numpy as np
import pytest
from scipy import ndimage
from scipy.cluster.hierarchy import fcluster, ward

from alsem.acquisition.candidates import make_candidates
from alsem.acquisition.units import regions, segments

FRAMES, HEIGHT, WIDTH = 4, 18, 24
STEP = 0.05  # metres between rays
NODE = 0.1
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


@dataclasses.dataclass(frozen=True)
class Pool:
    candidates: object
    rgb: np.ndarray
    masks: np.ndarray

    def frames(self, index):
        """The pool of other frames, or of the same in another order."""
        c = self.candidates
        rays = np.arange(len(c)).reshape(FRAMES, -1)[index].ravel()
        return Pool(
            make_candidates(
                c.x_world[rays],
                c.normal[rays],
                c.diffuse[rays],
                np.repeat(np.arange(len(index), dtype=np.int32), HEIGHT * WIDTH),
                c.purity[rays],
                voxel_size=c.voxel_size,
                min_purity=0.5,
            ),
            self.rgb[index],
            self.masks[index],
        )


def corner(*, seed=0, invalid=0.1, noise=0.002, shift=(0.0, 0.0, 0.0)):
    """Frames of a floor and a wall that meet, each of two colours, a little noisy."""
    rng = np.random.default_rng(seed)
    row, column = np.mgrid[:HEIGHT, :WIDTH]
    place = np.zeros((FRAMES, HEIGHT, WIDTH, 3))
    place[..., 0] = column + 3 * np.arange(FRAMES)[:, None, None]
    place[..., 1] = np.minimum(row, HEIGHT // 2)  # the floor, and then up the wall
    place[..., 2] = np.maximum(row - HEIGHT // 2, 0)
    normal = np.where((row > HEIGHT // 2)[..., None], [0, -1, 0], [0, 0, 1])
    is_red = place[..., 0] < 15
    rgb = np.where(is_red[..., None], [200, 40, 40], [40, 40, 200]).astype(np.uint8)
    place = place + shift + rng.normal(0, noise / STEP, place.shape)
    n = FRAMES * HEIGHT * WIDTH
    candidates = make_candidates(
        (place * STEP).astype(np.float32).reshape(n, 3),
        np.broadcast_to(normal, place.shape).astype(np.float32).reshape(n, 3),
        rgb.reshape(n, 3),
        np.repeat(np.arange(FRAMES, dtype=np.int32), HEIGHT * WIDTH),
        np.where(rng.random(n) < invalid, 0.2, 1.0),
        voxel_size=NODE,
        min_purity=0.5,
    )
    masks = rng.choice([0, 0, 3, 7, -2, 90], (FRAMES, HEIGHT, WIDTH)).astype(np.int32)
    return Pool(candidates, rgb, masks)


POOL = corner()


def numbers(name, pool):
    f, h, w = pool.rgb.shape[:3]
    return {
        "point": lambda: regions.point_units(f * h * w),
        "patch": lambda: regions.patch_units(f, h, w, side=5),
        "frame": lambda: regions.frame_units(f, h, w),
        "superpixel": lambda: segments.superpixel_units(pool.rgb, size=30),
        "masks": lambda: regions.region_units(pool.masks),
        "voxel": lambda: regions.voxel_units(pool.candidates, size=0.25),
        "supervoxel": lambda: segments.supervoxel_units(
            pool.candidates, size=0.4, node_size=NODE
        ),
    }[name]()


def units_of(name, pool=POOL):
    return regions.make_units(
        GRANULARITY[name],
        numbers(name, pool),
        pool.candidates,
        image_size=(HEIGHT, WIDTH),
    )


def partition(unit):
    """First candidate of each one's unit: the same whatever the units are called."""
    first = np.full(unit.max() + 1, len(unit))
    np.minimum.at(first, unit[unit >= 0], np.flatnonzero(unit >= 0))
    return np.where(unit >= 0, first[unit], -1)


# The contract


@each_builder
def test_builders_number_units_densely_and_always_alike(name):
    unit = numbers(name, POOL)
    assert unit.dtype == np.int32
    assert unit.shape == (len(POOL.candidates),)
    num = unit.max() + 1
    assert num > 1
    np.testing.assert_array_equal(np.unique(unit[unit >= 0]), np.arange(num))
    np.testing.assert_array_equal(unit, numbers(name, corner()))
    valid = POOL.candidates.is_valid
    assert not valid.all()
    nowhere = {"voxel": ~valid, "supervoxel": ~valid, "masks": POOL.masks.ravel() == 0}
    np.testing.assert_array_equal(unit < 0, nowhere.get(name, np.zeros(len(unit))))


@each_builder
def test_the_order_of_frames_changes_only_numbers(name):
    index = np.array([2, 0, 3, 1])
    moved = numbers(name, POOL.frames(index)).reshape(FRAMES, -1)
    back = np.empty_like(moved)
    back[index] = moved
    np.testing.assert_array_equal(
        partition(back.ravel()), partition(numbers(name, POOL))
    )


@each_builder
def test_units_of_one_image_stay_in_it(name):
    if GRANULARITY[name] == "volume":
        return
    units = units_of(name)
    frame = POOL.candidates.frame
    for u in range(0, units.num_units, 7):
        assert len(set(frame[units.members(u)])) == 1


def test_volumes_hold_valid_candidates_only():
    unit = np.zeros(len(POOL.candidates), np.int32)
    units = regions.make_units("volume", unit, POOL.candidates, image_size=(1, 1))
    valid = np.flatnonzero(POOL.candidates.is_valid)
    np.testing.assert_array_equal(units.members(0), valid)


@each_builder
def test_members_against_a_search(name):
    units = units_of(name)
    assert sorted(units.order) == list(np.flatnonzero(units.unit >= 0))
    for u in range(units.num_units):
        members = units.members(u)
        assert members.dtype == np.int64
        np.testing.assert_array_equal(members, np.flatnonzero(units.unit == u))
        assert units.sizes[u] == len(members)


@each_builder
def test_anchors_against_a_loop(name):
    units, c = units_of(name), POOL.candidates
    assert units.anchor.dtype == np.int64
    pixel = np.arange(len(c)) % (HEIGHT * WIDTH)
    in_image = np.stack([pixel // WIDTH, pixel % WIDTH], axis=-1)
    place = c.x_world.astype(float) if GRANULARITY[name] == "volume" else in_image
    for u in range(units.num_units):
        valid = [i for i in units.members(u) if c.is_valid[i]]
        if not valid:
            assert units.anchor[u] == -1
            continue
        assert units.anchor[u] in valid
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
    rows = regions.unit_candidates(pool.candidates, units)
    assert not rows.is_valid.any()
    if name == "point":
        return
    scores = np.ones(len(units.unit), np.float32)
    for how in regions.POOLINGS:
        pooled = regions.pool_scores(scores, units, pool.candidates, how=how)
        np.testing.assert_array_equal(pooled, np.zeros(units.num_units))
    first = [units.members(u)[0] for u in range(units.num_units)]
    np.testing.assert_array_equal(rows.frame, pool.candidates.frame[first])


@each_builder
@pytest.mark.parametrize("how", regions.POOLINGS)
def test_pooling_against_a_loop(name, how):
    units, c = units_of(name), POOL.candidates
    scores = np.random.default_rng(3).normal(1, 2, len(c)).astype(np.float32)
    scores[~c.is_valid] = np.nan  # never looked at
    pooled = regions.pool_scores(scores, units, c, how=how)
    if name == "point":
        assert pooled is scores
        return
    assert pooled.dtype == np.float32
    for u in range(units.num_units):
        found = [float(scores[i]) for i in units.members(u) if c.is_valid[i]]
        expected = getattr(np, how)(found) if found else 0.0
        np.testing.assert_allclose(pooled[u], expected, rtol=1e-5, atol=1e-6)


@each_builder
def test_rows_of_units_are_those_of_their_anchors(name):
    units, c = units_of(name), POOL.candidates
    rows = regions.unit_candidates(c, units)
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


# Known answers


def test_points_share_their_arrays():
    units = units_of("point")
    assert units.order is units.unit
    assert units.sizes.strides == (0,)
    valid = POOL.candidates.is_valid
    np.testing.assert_array_equal(
        units.anchor, np.where(valid, np.arange(len(valid)), -1)
    )


def test_patches_by_hand():
    unit = regions.patch_units(2, 3, 5, side=2).reshape(2, 3, 5)
    first = [[0, 0, 1, 1, 2], [0, 0, 1, 1, 2], [3, 3, 4, 4, 5]]
    np.testing.assert_array_equal(unit, [first, np.array(first) + 6])
    one = regions.patch_units(2, 3, 5, side=1)
    np.testing.assert_array_equal(one, np.arange(30))
    whole = regions.patch_units(2, 3, 5, side=9)
    np.testing.assert_array_equal(whole, regions.frame_units(2, 3, 5))


def test_ids_of_masks_hold_within_an_image():
    masks = np.array([[[0, 7, 7], [2, 0, -5]], [[7, 7, 7], [0, 0, 1 << 30]]])
    unit = regions.region_units(masks)
    np.testing.assert_array_equal(unit, [-1, 2, 2, 1, -1, 0, 3, 3, 3, -1, -1, 4])
    ends = np.array([[[-(1 << 31), 0, (1 << 31) - 1]]], np.int32)
    np.testing.assert_array_equal(regions.region_units(ends), [0, -1, 1])
    narrow = regions.region_units(np.array([[[0, 255, 3]]], np.uint8))
    np.testing.assert_array_equal(narrow, [-1, 1, 0])
    assert (regions.region_units(np.zeros((1, 2, 2), np.int32)) == -1).all()


def test_anchor_is_the_middle_of_what_is_valid():
    n = 5 * 5
    valid = np.ones(n, bool)
    valid[12] = False  # the middle: of the four beside it the lowest is taken
    candidates = make_candidates(
        np.zeros((n, 3), np.float32),
        np.zeros((n, 3), np.float32),
        np.zeros((n, 3), np.float32),
        np.zeros(n, np.int32),
        valid.astype(np.float32),
        voxel_size=1.0,
        min_purity=0.5,
    )
    unit = regions.frame_units(1, 5, 5)
    units = regions.make_units("frame", unit, candidates, image_size=(5, 5))
    assert units.anchor.tolist() == [7]
    assert units.sizes.tolist() == [n]


def test_voxels_of_the_pool_are_taken_as_they_are():
    candidates = POOL.candidates
    assert regions.voxel_units(candidates, size=NODE) is candidates.voxel
    unit = regions.voxel_units(candidates, size=0.25)
    cell = np.floor(candidates.x_world.astype(float) / 0.25)
    for u in range(0, unit.max(), 5):
        assert len(np.unique(cell[unit == u], axis=0)) == 1


# Segments


def image(seed=0):
    """Noise over a bright disc on a dark ground, and where the disc is."""
    row, column = np.mgrid[:40, :60]
    disc = (row - 19) ** 2 + (column - 33) ** 2 < 150
    noise = np.random.default_rng(seed).normal(0, 5, (40, 60, 3))
    rgb = np.where(disc[..., None], [200, 180, 60], [40, 60, 120]) + noise
    return np.clip(rgb, 0, 255).astype(np.uint8), disc


@pytest.mark.parametrize("size", [15, 60, 400])
def test_superpixels_are_connected_and_of_about_the_size(size):
    rgb = np.stack([image(0)[0], image(1)[0]])
    unit = segments.superpixel_units(rgb, size=size).reshape(rgb.shape[:3])
    assert set(unit[0].ravel()).isdisjoint(unit[1].ravel())
    for frame in unit:
        for u in np.unique(frame):
            assert ndimage.label(frame == u)[1] == 1
        assert 0.5 < frame.size / len(np.unique(frame)) / size < 2


def test_superpixels_follow_edges():
    rgb, disc = image()
    unit = segments.superpixel_units(rgb[None], size=40).reshape(disc.shape)
    inside = np.bincount(unit.ravel(), disc.ravel()) / np.bincount(unit.ravel())
    wrong = np.minimum(inside, 1 - inside) * np.bincount(unit.ravel())
    patch = regions.patch_units(1, *disc.shape, side=6)
    fraction = np.bincount(patch, disc.ravel()) / np.bincount(patch)
    wrong_patch = np.minimum(fraction, 1 - fraction) * np.bincount(patch)
    assert wrong.sum() < 0.2 * wrong_patch.sum()


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (5, 2)])
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_superpixels_of_tiny_images(shape, size):
    unit = segments.superpixel_units(np.zeros((2, *shape, 3), np.uint8), size=size)
    assert np.unique(unit).tolist() == list(range(unit.max() + 1))
    assert unit.max() >= 1


def cells(pool, unit):
    """Which cells of a grid hold a member, bool [x y z]."""
    cell = np.floor(pool.candidates.x_world[unit].astype(float) / NODE).astype(int)
    cell -= cell.min(axis=0)
    grid = np.zeros(cell.max(axis=0) + 1, bool)
    grid[tuple(cell.T)] = True
    return grid


@pytest.mark.parametrize("size", [0.15, 0.3, 0.6])
def test_supervoxels_are_connected_and_as_many_as_asked_for(size):
    pool = corner(invalid=0.3)
    c = pool.candidates
    unit = segments.supervoxel_units(c, size=size, node_size=NODE)
    for u in range(unit.max() + 1):
        assert ndimage.label(cells(pool, unit == u), np.ones((3, 3, 3)))[1] == 1
    assert unit.max() + 1 == round(c.num_voxels * (NODE / size) ** 2)


def test_supervoxels_follow_colour_and_creases():
    # Shifted so that no cell holds rays of two of the four parts.
    c = corner(noise=0.0, shift=(1.5, 0.5, 1.5)).candidates
    part = 2 * (c.diffuse[:, 0] > 100) + (c.normal[:, 2] > 0)
    area = c.num_voxels * NODE**2
    unit = segments.supervoxel_units(c, size=(area / 4) ** 0.5, node_size=NODE)
    assert unit.max() + 1 == 4
    for p in range(4):
        assert len(set(unit[c.is_valid & (part == p)])) == 1
    # Without colour and normal nothing is left but place.
    blind = segments.supervoxel_units(
        c,
        size=(area / 4) ** 0.5,
        node_size=NODE,
        normal_metres=0.0,
        diffuse_metres=0.0,
    )
    mixed = [len(set(part[blind == u])) for u in range(blind.max() + 1)]
    assert max(mixed) > 1


def test_supervoxels_are_the_same_for_any_order_of_the_pool():
    rng = np.random.default_rng(0)
    c = corner().candidates
    # From metres to almost nothing: the order of a sum would show in its last digits.
    x_world = c.x_world * rng.choice([1.0, 1e-13], c.x_world.shape)
    c = dataclasses.replace(c, x_world=x_world.astype(np.float32), voxel_size=1.0)
    order = rng.permutation(len(c))
    per_ray = {
        field: getattr(c, field)[order]
        for field in ("x_world", "normal", "diffuse", "frame", "is_valid")
    }
    shuffled = dataclasses.replace(c, **per_ray)
    node = regions.voxel_units(c, size=NODE)
    means = segments._node_means(c, node[c.is_valid], NODE)
    others = segments._node_means(shuffled, node[order][shuffled.is_valid], NODE)
    np.testing.assert_array_equal(means, others)
    x, first = c.x_world[node == 0].astype(float), means[0][0]
    np.testing.assert_allclose(first, x.mean(axis=0), atol=NODE / segments.SUBSTEPS)
    unit = segments.supervoxel_units(c, size=0.3, node_size=NODE)
    found = segments.supervoxel_units(shuffled, size=0.3, node_size=NODE)
    np.testing.assert_array_equal(found, unit[order])


def islands(gap):
    """Two patches of surface, alike, a gap apart; the second one of a single ray."""
    grid = np.stack(np.meshgrid(range(6), range(6), [0]), axis=-1).reshape(-1, 3)
    x_world = np.concatenate([grid, [[5 + gap / NODE, 3, 0]]]) * NODE + NODE / 2
    n = len(x_world)
    return make_candidates(
        x_world.astype(np.float32),
        np.tile(np.float32([0, 0, 1]), (n, 1)),
        np.full((n, 3), 0.5, np.float32),
        np.zeros(n, np.int32),
        np.ones(n, np.float32),
        voxel_size=NODE,
        min_purity=0.5,
    )


def test_loose_pieces_are_tied_within_reach_only():
    def num(gap):
        unit = segments.supervoxel_units(islands(gap), size=0.7, node_size=NODE)
        return unit.max() + 1

    assert num(gap=0.5) == 1
    assert num(gap=0.9) == 2


def test_neighbours_against_all_pairs():
    cell = np.random.default_rng(0).integers(-4, 4, (60, 3))
    cell = np.unique(cell, axis=0)
    near = np.abs(cell[:, None] - cell).max(axis=-1) == 1
    expected = {tuple(pair) for pair in np.argwhere(np.triu(near))}
    found = segments._neighbours(cell)
    assert {tuple(sorted(pair)) for pair in found.T} == expected
    assert found.shape[1] == len(expected)


def test_merging_is_ward_clustering_where_all_are_neighbours():
    rng = np.random.default_rng(2)
    middle = rng.normal(0, 10, (6, 1, 2))
    points = (middle + rng.normal(0, 0.3, (6, 15, 2))).reshape(-1, 2)
    pairs = np.stack(np.triu_indices(len(points), 1))
    tree = ward(points)
    for num in (6, 4, 2, 1):
        segment = segments._merged(points, pairs, num=num)
        expected = fcluster(tree, num, "maxclust")
        np.testing.assert_array_equal(partition(segment), partition(expected))


def test_merging_weighs_a_segment_by_its_nodes():
    # 0.9 apart: two heavy pairs, and a light one that is 1.0 from its neighbour.
    points = np.array([0.0, 0.0, 0.0, 0.0, 0.9, 0.9, 0.9, 0.9, 1.9])[:, None]
    pairs = np.stack([np.arange(8), np.arange(1, 9)])
    segment = segments._merged(points, pairs, num=2)
    assert segment.tolist() == [0, 0, 0, 0, 1, 1, 1, 1, 1]


def test_merging_stops_where_no_neighbours_are_left():
    pairs = np.array([[0, 2], [1, 3]])
    segment = segments._merged(np.zeros((5, 1)), pairs, num=1)
    assert segment.tolist() == [0, 0, 1, 1, 2]


# Errors


def test_what_cannot_be():
    c = POOL.candidates
    unit = regions.frame_units(FRAMES, HEIGHT, WIDTH)
    size = (HEIGHT, WIDTH)
    with pytest.raises(ValueError, match="granularity 'room'"):
        regions.make_units("room", unit, c, image_size=size)
    with pytest.raises(ValueError, match="units int32"):
        regions.make_units("frame", unit[1:], c, image_size=size)
    with pytest.raises(ValueError, match="units int64"):
        regions.make_units("frame", unit.astype(np.int64), c, image_size=size)
    with pytest.raises(ValueError, match="densely: 1 is empty"):
        regions.make_units("frame", 2 * unit, c, image_size=size)
    with pytest.raises(ValueError, match="its own number"):
        regions.make_units("point", unit, c, image_size=size)
    units = regions.make_units("frame", unit, c, image_size=size)
    with pytest.raises(ValueError, match="pooling 'median'"):
        regions.pool_scores(np.ones(len(c), np.float32), units, c, how="median")
    with pytest.raises(ValueError, match="a patch of 0"):
        regions.patch_units(1, 2, 3, side=0)
    with pytest.raises(ValueError, match="superpixels of 0"):
        segments.superpixel_units(POOL.rgb, size=0)
    with pytest.raises(ValueError, match=r"supervoxels of 0\.02 m"):
        segments.supervoxel_units(c, size=0.02)
