"""The procedural room: exact depth and labels, the layout on disk, the command."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from alsem.core.errors import InputError
from alsem.rooms import CLASS_IDS, furnish, light_charts, render_room, write_room
from alsem.rooms.camera_paths import camera_paths
from alsem.rooms.layout import FloorPlan
from alsem.rooms.render import MAX_SOLIDS, tile_lists
from alsem.rooms.scene_builder import rotate, translate
from alsem.rooms.solids import (
    BOX,
    ELLIPSOID,
    FRUSTUM,
    INTERVALS,
    Solid,
    closest_hit,
    solid_table,
    to_local,
)
from alsem.rooms.write import intrinsics

ROOT = Path(__file__).resolve().parents[2]
SEED, WIDTH, HEIGHT, TRAIN, TEST = 3, 44, 33, 36, 18
SMALL = {"width": 24, "height": 18, "train_frames": 2, "test_frames": 1}


@pytest.fixture(scope="module", autouse=True)
def coarse_light():
    """Few texels: the tests look at shapes, and light is most of the work."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(light_charts, "TEXEL_M", 0.4)
        yield


@pytest.fixture(scope="module")
def room():
    return furnish(SEED)


@pytest.fixture(scope="module")
def sequences():
    return render_room(
        SEED, width=WIDTH, height=HEIGHT, train_frames=TRAIN, test_frames=TEST
    )


def is_inside(solid, points):
    """Membership by definition, float64: points ``[... 3]`` in world metres."""
    part_from_world = np.linalg.inv(solid.world_from_part)
    local = points @ part_from_world[:3, :3].T + part_from_world[:3, 3]
    x, y, z = np.moveaxis(local / solid.half_size, -1, 0)
    if solid.kind == BOX:
        return (abs(x) <= 1) & (abs(y) <= 1) & (abs(z) <= 1)
    if solid.kind == ELLIPSOID:
        return x * x + y * y + z * z <= 1
    radius = 1 + (solid.taper - 1) * (z + 1) / 2
    return (abs(z) <= 1) & (x * x + y * y <= radius**2)


def pixel_rays(world_from_cam, rows, columns):
    """Rays of pixels whose camera z component is one."""
    pinhole = intrinsics(WIDTH, HEIGHT)
    cam = np.stack(
        [
            (columns - pinhole.cx) / pinhole.fx,
            (rows - pinhole.cy) / pinhole.fy,
            1 + 0.0 * rows,
        ],
        -1,
    )
    return world_from_cam[:3, 3], cam @ world_from_cam[:3, :3].T


@pytest.mark.parametrize(
    ("kind", "taper"), [(BOX, 1.0), (ELLIPSOID, 1.0), (FRUSTUM, 1.0), (FRUSTUM, 0.3)]
)
def test_a_ray_enters_and_leaves_a_solid_where_its_definition_says(kind, taper):
    rng = np.random.default_rng(kind)
    place = translate(0.3, -0.2, 0.5) @ rotate(0, 0.7) @ rotate(2, 1.1)
    solid = Solid(kind, place, np.array([0.5, 0.3, 0.4]), "table", 0, taper)
    table = solid_table([solid], CLASS_IDS, rows=1)
    away = rng.normal(size=(400, 3))
    origin = 2 * away / np.linalg.norm(away, axis=-1, keepdims=True) + place[:3, 3]
    aim = place[:3, 3] + rng.normal(size=(400, 3)) * 0.35
    direction = aim - origin
    matrix = table.local_from_world[0]
    o = to_local(matrix, jnp.asarray(origin.T, jnp.float32), w=1.0)
    d = to_local(matrix, jnp.asarray(direction.T, jnp.float32), w=0.0)
    enter, leave = map(np.asarray, INTERVALS[kind](o, d, table.taper[0]))
    t = np.linspace(0, 4, 4001)
    sampled = is_inside(solid, origin[:, None] + t[:, None] * direction[:, None])
    hit = sampled.any(axis=1)
    assert 50 < hit.sum() < 390
    first, last = t[sampled.argmax(1)], t[len(t) - 1 - sampled[:, ::-1].argmax(1)]
    # 1e-3 is the sampling step, and a chord shorter than it may be missed.
    np.testing.assert_allclose(enter[hit], first[hit], atol=1.2e-3)
    np.testing.assert_allclose(leave[hit], last[hit], atol=1.2e-3)
    assert np.all((leave - enter)[~hit] < 2e-3)


def test_depth_and_class_are_those_of_an_independent_ray_cast(room, sequences):
    images, world_from_cam = sequences["Sequence_1"]
    rng = np.random.default_rng(0)
    checked = 0
    for frame in (0, 13, 29):
        rows, columns = rng.integers(0, HEIGHT, 12), rng.integers(0, WIDTH, 12)
        origin, rays = pixel_rays(world_from_cam[frame], rows, columns)
        z = np.arange(0.05, 8, 1e-3)
        points = origin + z[:, None] * rays[:, None]
        first = np.full(len(rows), np.inf)
        class_id = np.zeros(len(rows), int)
        for solid in room.solids:
            inside = is_inside(solid, points)
            at = np.where(inside.any(axis=1), z[inside.argmax(axis=1)], np.inf)
            class_id = np.where(at < first, CLASS_IDS[solid.class_name], class_id)
            first = np.minimum(first, at)
        depth = images.depth_z[frame, rows, columns]
        # Samples lie up to one step behind the surface.
        agrees = (first - depth > -1e-4) & (first - depth < 1.1e-3)
        # A chord shorter than the step is missed: at most one ray in the lot.
        assert agrees.sum() >= 11
        seen = images.class_id[frame, rows, columns]
        assert (seen == class_id)[agrees].all()
        checked += agrees.sum()
    assert checked >= 34


def test_depth_and_pose_carry_pixels_from_one_frame_to_another(sequences):
    images, world_from_cam = sequences["Sequence_1"]
    pinhole = intrinsics(WIDTH, HEIGHT)
    rows, columns = map(np.ravel, np.mgrid[:HEIGHT, :WIDTH])
    same_surface = []
    for a in range(0, TRAIN - 1, 5):
        b = a + 1
        origin, rays = pixel_rays(world_from_cam[a], rows, columns)
        x_world = origin + images.depth_z[a].ravel()[:, None] * rays
        x_cam = (x_world - world_from_cam[b, :3, 3]) @ world_from_cam[b, :3, :3]
        ahead = x_cam[:, 2] > 0.1
        x_cam = x_cam[ahead]
        column = np.round(pinhole.fx * x_cam[:, 0] / x_cam[:, 2] + pinhole.cx).astype(
            int
        )
        row = np.round(pinhole.fy * x_cam[:, 1] / x_cam[:, 2] + pinhole.cy).astype(int)
        seen = (row >= 0) & (row < HEIGHT) & (column >= 0) & (column < WIDTH)
        there = images.depth_z[b, row[seen], column[seen]]
        close = abs(there - x_cam[seen, 2]) < 0.1  # a pixel is 3 cm wide at 1.5 m
        class_a = images.class_id[a].ravel()[ahead][seen]
        class_b = images.class_id[b, row[seen], column[seen]]
        assert close.mean() > 0.75  # the rest is hidden behind nearer things
        same_surface.append((class_a == class_b)[close].mean())
    assert np.mean(same_surface) > 0.93


def test_most_classes_are_seen_in_both_sequences(sequences):
    for images, _ in sequences.values():
        fraction = (
            np.bincount(images.class_id.ravel(), minlength=64) / images.class_id.size
        )
        assert fraction[0] == 0
        assert set(np.flatnonzero(fraction)) <= set(CLASS_IDS.values())
        assert (fraction > 5e-4).sum() >= 14
        assert 0.2 < images.rgb.mean() / 255 < 0.75
        assert (images.rgb.min(axis=-1) >= 254).mean() < 0.03


@pytest.mark.parametrize("seed", [SEED, 40, 41])
def test_cameras_keep_clear_of_furniture_and_stay_in_the_room(seed):
    room = furnish(seed)
    directions = np.random.default_rng(0).normal(size=(200, 3))
    ball = np.concatenate([np.zeros((1, 3)), directions])
    ball[1:] *= 0.34 / np.linalg.norm(directions, axis=-1, keepdims=True)
    for world_from_cam in camera_paths(room, seed, 40, 20):
        centre = world_from_cam[:, :3, 3]
        assert np.all(centre > 0.34) and np.all(centre < room.size - 0.34)
        rotation = world_from_cam[:, :3, :3]
        eye = np.broadcast_to(np.eye(3), rotation.shape)
        np.testing.assert_allclose(rotation.swapaxes(1, 2) @ rotation, eye, atol=1e-9)
        np.testing.assert_allclose(np.linalg.det(rotation), 1.0)
        assert np.all(rotation[:, 2, 1] < 0)  # the image's y axis points down
        for solid in room.solids:
            assert not is_inside(solid, centre[:, None] + ball).any()


def test_a_walk_is_closed():
    world_from_cam, _ = camera_paths(furnish(SEED), SEED, 240, 10)
    step = np.linalg.norm(np.diff(world_from_cam[:, :3, 3], axis=0), axis=-1)
    last = np.linalg.norm(world_from_cam[0, :3, 3] - world_from_cam[-1, :3, 3])
    assert last <= 1.2 * step.max()
    turned = np.einsum(
        "nij,nij->n", world_from_cam[1:, :3, :3], world_from_cam[:-1, :3, :3]
    )
    assert np.all(turned > 1 + 2 * np.cos(np.deg2rad(20)))  # trace of the rotation


def test_tiles_leave_out_no_solid_that_a_ray_hits(room):
    table = solid_table(room.solids, CLASS_IDS, rows=MAX_SOLIDS)
    world_from_cam = camera_paths(room, SEED, 6, 1)[0][4]
    boxes = np.stack([solid.corners() for solid in room.solids])
    kinds = np.array([solid.kind for solid in room.solids])
    ids, bounds = tile_lists(boxes, kinds, world_from_cam, intrinsics(WIDTH, HEIGHT))
    everything = jnp.asarray(np.searchsorted(kinds, [0, 1, 2, 3]), jnp.int32)
    for tile in range(len(ids)):
        row, column = divmod(tile, -(-WIDTH // 20))
        rows, columns = np.mgrid[:20, :20].reshape(2, -1)
        origin, rays = pixel_rays(
            world_from_cam, rows + 20 * row, columns + 20 * column
        )
        origin = jnp.asarray(origin[:, None], jnp.float32)
        rays = jnp.asarray(rays.T, jnp.float32)
        listed = closest_hit(
            table, jnp.asarray(ids[tile]), jnp.asarray(bounds[tile]), origin, rays
        )
        full = closest_hit(table, jnp.arange(MAX_SOLIDS), everything, origin, rays)
        np.testing.assert_array_equal(listed[1], full[1])
        assert bounds[tile, 3] < len(room.solids)


def test_no_ray_slips_out_between_walls(room):
    table = solid_table(room.solids, CLASS_IDS, rows=MAX_SOLIDS)
    kinds = [solid.kind for solid in room.solids]
    bounds = jnp.asarray(np.searchsorted(kinds, [0, 1, 2, 3]), jnp.int32)
    along = np.random.default_rng(0).uniform(size=(2000, 3))
    edges = np.concatenate(
        [np.where(np.arange(3) == i, along, along > 0.5) for i in range(3)]
    )
    origin = camera_paths(room, SEED, 1, 1)[0][0, :3, 3]
    rays = edges * room.size - origin
    t, _ = closest_hit(
        table,
        jnp.arange(MAX_SOLIDS),
        bounds,
        jnp.asarray(origin[:, None], jnp.float32),
        jnp.asarray(rays.T, jnp.float32),
    )
    assert np.max(t) < 1.0001


def test_claimed_space_is_not_given_twice():
    plan = FloorPlan(np.random.default_rng(0), np.array([4.0, 4.0, 2.5]))
    box = [(-0.5, 0.5, 0.0, 1.0, 0.0, 1.0)]
    assert plan.claim(translate(2, 0), box)
    assert not plan.claim(translate(2.9, 0.5), box)
    assert plan.claim(translate(2, 0, 1.0), box)  # on top is free
    assert not plan.claim(translate(0.3, 2), box)  # through the wall
    assert plan.claim(translate(4, 2) @ rotate(2, np.pi / 2), box)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A room on disk, and the arrays it was written from."""
    kept = []

    def render_and_keep(*args, **kwargs):
        kept.append(render_room(*args, **kwargs))
        return kept[-1]

    out_dir = tmp_path_factory.mktemp("rooms")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("alsem.rooms.write.render_room", render_and_keep)
        folder = write_room(out_dir, seed=5, **SMALL)
    return folder, kept[0]


def test_a_room_on_disk_is_a_replica_scene(written):
    folder, arrays = written
    assert folder.name == "room_5"
    assert [p.name for p in folder.parent.iterdir()] == ["room_5"]
    info = json.loads((folder / "info.json").read_text())
    assert info["frames"] == {"Sequence_1": 2, "Sequence_2": 1}
    assert (info["width"], info["height"], info["fx"], info["fy"]) == (24, 18, 12, 12)
    assert (info["cx"], info["cy"], info["depth_scale"]) == (11.5, 8.5, 1000.0)
    assert info["classes"]["sofa"] == {"id": CLASS_IDS["sofa"]}
    for name, (images, world_from_cam) in arrays.items():
        for kind, stack, dtype in (
            ("rgb", images.rgb, np.uint8),
            ("depth", np.round(images.depth_z * 1000), np.uint16),
            ("semantic_class", images.class_id, np.uint8),
        ):
            files = [f"{kind}_{i}.png" for i in range(len(stack))]
            assert sorted(p.name for p in (folder / name / kind).iterdir()) == files
            for file, image in zip(files, stack, strict=True):
                read = np.asarray(Image.open(folder / name / kind / file))
                assert read.dtype == dtype
                np.testing.assert_array_equal(read, image)
        rows = np.loadtxt(folder / name / "traj_w_c.txt", ndmin=2)
        np.testing.assert_allclose(rows, world_from_cam.reshape(-1, 16), atol=1e-8)


def read_all(folder):
    files = (p for p in folder.rglob("*") if p.is_file())
    return {p.relative_to(folder): p.read_bytes() for p in files}


def test_a_seed_always_gives_the_same_bytes(written, tmp_path):
    assert read_all(write_room(tmp_path, seed=5, **SMALL)) == read_all(written[0])


def test_another_seed_gives_another_room(room):
    other = furnish(SEED + 1)
    assert not np.allclose(room.size, other.size)
    assert len(room.solids) != len(other.solids)
    assert room.materials[0] != other.materials[0]
    assert not np.allclose(
        camera_paths(room, SEED, 2, 1)[0], camera_paths(other, SEED + 1, 2, 1)[0]
    )


def test_a_finished_room_is_kept_and_a_different_one_is_not_overwritten(
    written, tmp_path, monkeypatch
):
    folder = shutil.copytree(written[0], tmp_path / "room_5")
    before = read_all(folder)

    def fail(*args, **kwargs):
        raise RuntimeError("must not render")

    monkeypatch.setattr("alsem.rooms.write.render_room", fail)
    assert write_room(tmp_path, seed=5, **SMALL) == folder
    with pytest.raises(InputError, match="room_5 exists"):
        write_room(tmp_path, seed=5, **{**SMALL, "width": 32})
    assert read_all(folder) == before
    with pytest.raises(RuntimeError):  # dies half-way: nothing is left behind
        write_room(tmp_path, seed=6, **SMALL)
    assert [p.name for p in tmp_path.iterdir()] == ["room_5"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": -1}, "seed"),
        ({"width": 0}, "image size"),
        ({"train_frames": 0}, "train_frames"),
        ({"test_frames": 0}, "test_frames"),
    ],
)
def test_senseless_numbers_are_refused(tmp_path, change, message):
    with pytest.raises(InputError, match=message):
        write_room(tmp_path, **{"seed": 0, **SMALL, **change})
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_is_the_users_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write rooms"):
        write_room(tmp_path / "file", seed=0, **SMALL)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "--out"),
        (["--out=x", "--count=0"], "--count"),
        (["--out=x", "--widht=3"], "widht"),
    ],
)
def test_the_command_answers_bad_input_in_one_line(tmp_path, flags, message):
    done = subprocess.run(
        [sys.executable, "-m", "alsem.make_rooms", *flags],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not done.stdout
