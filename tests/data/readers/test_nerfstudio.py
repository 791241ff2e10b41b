"""nerfstudio's transforms.json is read, or refused with one line."""

import json
import os
import re
import shutil
from pathlib import Path

import captures
import layouts
import numpy as np
import pytest
from captures import TRAIN
from PIL import Image

from alsem.data import scene_box
from alsem.data.ply import write_points
from alsem.data.readers import transforms_lens
from alsem.data.readers.nerfstudio import read_nerfstudio

POSE = np.eye(4).tolist()
open_room, error_of = captures.openers(source="nerfstudio")


@pytest.fixture
def room(copy_of):
    return copy_of("nerfstudio")


def edit(room, change):
    captures.edit_json(room / "transforms.json", change)


def top(**changes):
    """Sets keys of the file; None removes one."""

    def change(info):
        for key, value in changes.items():
            info.pop(key, None) if value is None else info.update({key: value})

    return change


def every(**changes):
    """Sets keys of all frames."""
    return lambda info: [frame.update(changes) for frame in info["frames"]]


def frame(key, value=None):
    """Sets a key of one frame; None removes it."""
    return lambda info: top(**{key: value})(info["frames"][3])


def test_sequences_are_folders_all_frames_and_listed_splits(room):
    whole = open_room(room, train_split="frames[:12]", test_split="frames[12:]")[0]
    assert len(whole.train.names) == 12
    assert whole.train.names[9:] == tuple(f"rgb/{TRAIN}/{i}.png" for i in (9, 10, 11))

    paths = [f"rgb/{TRAIN}/{i}.png" for i in range(12)]
    listed = {"train_filenames": paths[:8], "test_filenames": paths[8:]}
    edit(room, top(**listed))
    listed = open_room(room, train_split="train[:]", test_split="test[:]")[0]
    assert len(listed.train.names) == 8
    error = error_of(room, train_split="hall[:]")
    assert "no sequence 'hall'; there are frames" in error


@pytest.mark.parametrize(
    ("paths", "sequences"),
    [
        (("a.png", "B/b.png"), {"root": 1, "B": 1}),
        (("x/frames/a.png", "x/B/b.png", "x/B/c.png"), {"frames_": 1, "B": 2}),
        (("a/im/1.png", "b/im/2.png"), {"a_im": 1, "b_im": 1}),
        (("x/A/../a.png", "x/B/b.png"), {"root": 1, "B": 1}),
        (("x/a.png", "x/b.png"), {}),
    ],
)
def test_names_of_sequences(room, paths, sequences):
    (room / "x" / "A").mkdir(parents=True)
    for path in paths:
        (room / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(room / "rgb" / TRAIN / "0.png", room / path)
    frames = [{"file_path": path, "transform_matrix": POSE} for path in paths]
    edit(room, top(frames=frames))
    capture = read_nerfstudio(room, "", ())
    assert {n: len(capture.frames(n)) for n in capture.sequences[1:]} == sequences
    disjoint = capture.disjoint_sequences()
    assert sum(map(len, disjoint.values())) == len(paths)


def test_mask_is_combined_with_the_lens_field_of_view(room):
    captures.save_png(room / "m.png", np.full((6, 8), 255, np.uint8))
    edit(room, top(k1=0.2))
    bare = open_room(room)[0].train.valid_mask
    edit(room, every(mask_path="m.png"))
    np.testing.assert_array_equal(open_room(room)[0].train.valid_mask, bare)


def test_applied_transform_and_scale_are_undone(room):
    before = open_room(room)
    turn = captures.random_pose(np.random.default_rng(1))[:3]

    def apply(info):
        info["applied_transform"], info["applied_scale"] = turn.tolist(), 0.5
        for frame in info["frames"]:
            pose = turn @ np.array(frame["transform_matrix"])
            pose[:, 3] *= 0.5
            frame["transform_matrix"] = [*pose.tolist(), [0, 0, 0, 1]]

    edit(room, apply)
    captures.assert_same(open_room(room), before, tolerance=1e-6)


def test_points_give_the_scene_box_without_depth(room):
    points = np.random.default_rng(0).uniform(-3, 3, (2000, 3))
    points[0] = 1e4  # triangulated wrongly
    write_points(room / "sparse.ply", points.astype(np.float32))
    edit(room, top(ply_file_path="sparse.ply"))
    scene = open_room(room, use_depth=False)[0]
    np.testing.assert_allclose(scene.points, points, rtol=1e-6)
    low, high = scene_box(scene, far=10.0)
    assert (low < -2.9).all() and (high > 2.9).all()
    assert np.abs([low, high]).max() < 6  # cameras lie within a few metres
    assert np.abs(scene_box(open_room(room)[0], far=10.0)).max() > 6
    (room / "sparse.ply").write_bytes(b"ply\nformat ascii 1.0\nelement vertex 2\n")
    assert error_of(room).startswith(f"{room / 'sparse.ply'}: no PLY of points")


def test_depth_unit_scale_factor(room):
    edit(room, top(depth_unit_scale_factor=0.00025))
    before = open_room(room)[1].test_depth_z
    edit(room, top(depth_unit_scale_factor=0.0005))
    np.testing.assert_allclose(open_room(room)[1].test_depth_z, 2 * before, rtol=1e-6)


def test_depth_of_half_the_size_is_repeated(room):
    for path in (room / "depth" / TRAIN).iterdir():
        with Image.open(path) as image:
            captures.save_png(path, np.array(image)[::2, ::2])
    depth_z = open_room(room)[0].train.depth_z
    assert depth_z.shape[1:] == (captures.HEIGHT, captures.WIDTH)
    repeated = depth_z[:, ::2, ::2].repeat(2, axis=1).repeat(2, axis=2)
    np.testing.assert_array_equal(depth_z, repeated)


def test_jpeg_photographs_named_without_suffix(room):
    for path in (room / "rgb" / TRAIN).iterdir():
        rgb = np.linspace(0, 250, 48).reshape(6, 8, 1).repeat(3, axis=-1)
        data = layouts.jpeg_bytes(rgb.astype(np.uint8))
        path.with_suffix(".jpg").write_bytes(data)
        path.unlink()

    path = room / "transforms.json"
    path.write_text(re.sub(r'("rgb/[^"]*).png"', r'\1"', path.read_text()))
    rgb = open_room(room)[0].train.rgb
    assert np.abs(rgb[0, ..., 1].reshape(-1) - np.linspace(0, 250, 48)).max() < 6


def test_frames_of_other_intrinsics_are_masked_outside_their_view(room):
    def zoom(info):
        info["k1"] = 0.2
        for frame in info["frames"][1::2]:
            frame["fl_x"] = frame["fl_y"] = 8.0

    edit(room, zoom)
    scene, truth = open_room(room)
    assert scene.intrinsics.fx == 4.0
    valid_mask = scene.train.valid_mask
    # Frames 3 and 9 see half as far to the sides, 0 and 6 hardly less than before.
    assert valid_mask[1::2].mean() < 0.3 < 0.45 < valid_mask[::2].mean() < 1
    assert (truth.train_labels[~valid_mask] == -1).all()
    assert (scene.train.depth_z[~valid_mask] == 0).all()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (top(frames=None), "'frames' is no list"),
        (top(frames=[]), "lists no photograph"),
        (top(frames=[1]), "no list of objects"),
        (frame("file_path"), "frames[3].file_path is None"),
        (frame("file_path", 7), "frames[3].file_path is 7"),
        (frame("file_path", "/etc/a.png"), "outside of"),
        (frame("depth_file_path", "../d.png"), "outside of"),
        (frame("mask_path", "a\0.png"), "frames[3].mask_path"),
        (frame("file_path", "rgb/Sequence_1/2.png"), "twice"),
        (frame("file_path", "."), "a folder; give the path"),
        (frame("transform_matrix"), "transform_matrix is no 4x4"),
        (frame("transform_matrix", [["a"]]), "transform_matrix is no 4x4"),
        (frame("transform_matrix", [[1], [1, 2]]), "is no 4x4"),
        (frame("transform_matrix", [[1] * 5] * 3), "is no 4x4"),
        (frame("transform_matrix", np.diag([1, 1, np.nan, 1]).tolist()), "not finite"),
        (every(file_path="a.png", depth_file_path=None), "none of its 15 photographs"),
        (every(transform_matrix=[[0] * 4] * 4), "no frame has a finite pose"),
        (frame("transform_matrix", np.diag([1, 1, 2, 1]).tolist()), "orthonormal"),
        (frame("depth_file_path"), "has no depth while"),
        (frame("semantic_file_path"), "has no label while"),
        (frame("mask_path", "m.png"), "m.png: missing"),
        (top(fl_x=None, fl_y=None), "has no fl_x"),
        (top(fl_x=-3), "above 0"),
        (top(fl_x=None, camera_angle_x=3.5), "below pi"),
        (top(cx="1"), "cx is '1'"),
        (top(k1=10**400), "finite"),
        (top(w=1920), "w is 1920"),
        (top(k4=0.1), "k4 is 0.1"),
        (top(camera_model="FISHY"), "FISHY"),
        (top(applied_scale=0), "applied_scale"),
        (top(applied_transform=[[2, 0, 0, 0]] * 3), "applied_transform"),
        (top(train_filenames="all"), "train_filenames"),
        (top(test_filenames=["z.png"]), "z.png"),
        (top(ply_file_path="p.ply"), "p.ply: missing"),
    ],
)
def test_bad_file(room, change, reason):
    edit(room, change)
    error = error_of(room)
    assert error.startswith(str(room))
    assert reason in error


NEVER = float("nan")


@pytest.mark.parametrize(
    ("change", "doubt"),
    [
        (frame("file_path", "rgb/9.png"), "1 of 15 photographs listed are absent"),
        (frame("transform_matrix", [[NEVER] * 4] * 4), "1 of 15 frames have no finite"),
        (frame("transform_matrix", [[-1e999] * 4] * 3), "1 of 15 frames have no"),
        (frame("transform_matrix", np.diag([0, 0, 0, 1]).tolist()), "1 of 15 frames"),
        (lambda info: info["frames"].pop(3), "1 of 15 photographs beside have no pose"),
    ],
)
def test_frames_left_out_are_counted(room, change, doubt):
    edit(room, change)
    scene, _ = open_room(
        room, train_split="frames[:]  but frames[::7]", test_split="frames[::7]"
    )
    assert len(scene.train.names) + len(scene.test.names) == 14
    assert any(doubt in line and ".png" in line for line in scene.doubts)
    assert all(line.startswith(str(room)) for line in scene.doubts)


def test_files_under_nearly_the_listed_names_are_found(room):
    before = open_room(room)
    (room / "rgb" / TRAIN / "3.png").rename(room / "rgb" / TRAIN / "0003.PNG")
    (room / "label" / TRAIN / "6.png").rename(room / "label" / TRAIN / "6_labels.png")

    def of_windows(info):
        for each in info["frames"]:
            path = "C:/room/" + each["file_path"]
            each["file_path"] = path.replace("/", "\\")

    edit(room, of_windows)
    after = open_room(room)
    captures.assert_same(after, before)
    assert after[0].train.names == before[0].train.names
    (doubt,) = after[0].doubts
    assert "2 of 2 files have nearly the names given" in doubt
    assert "0003.PNG for 3.png" in doubt and "6_labels.png for 6.png" in doubt


def test_links_and_missing_files(room):
    path = room / "rgb" / TRAIN / "3.png"
    shutil.move(path, room.parent / "3.png")
    os.symlink(room.parent / "3.png", path)
    assert re.search(r"frames\[3\].file_path is .* outside of", error_of(room))
    path.unlink()
    os.symlink(path, path)
    assert "frames[3].file_path" in error_of(room) or "3.png" in error_of(room)
    (room / "transforms.json").unlink()
    assert error_of(room).startswith(f"{room / 'transforms.json'}: missing")


def depth_as(room, key, save=None, ending=".png"):
    """Moves depth to another key, and perhaps to files of another format."""

    def change(info):
        for frame in info["frames"]:
            path = frame.pop("depth_file_path")
            if save is not None:
                with Image.open(room / path) as image:
                    save((room / path).with_suffix(ending), np.array(image))
            frame[key] = str(Path(path).with_suffix(ending))

    edit(room, change)


@pytest.mark.parametrize(
    ("keys", "save", "ending", "factor"),
    [
        ({}, None, ".png", 1.0),
        ({"integer_depth_scale": 0.002}, None, ".png", 2.0),
        ({}, lambda path, mm: np.save(path, mm), ".npy", 1.0),
        ({}, lambda path, mm: np.save(path, mm / 1000), ".npy", 1.0),
        (
            {"depth_unit_scale_factor": 0.001},
            lambda path, mm: np.save(path, mm.astype(np.float64)),
            *(".npy", 1.0),
        ),
        (
            {},
            lambda path, mm: Image.fromarray((mm / 1e3).astype(np.float32)).save(path),
            *(".tiff", 1.0),
        ),
    ],
)
def test_depth_of_other_keys_and_formats(room, keys, save, ending, factor):
    before = open_room(room)[1].test_depth_z
    depth_as(room, "depth_path", save, ending)
    edit(room, top(enable_depth_loading=True, aabb_scale=16, **keys))
    edit(room, every(sharpness=31.5))
    scene, truth = open_room(room)
    np.testing.assert_allclose(truth.test_depth_z, factor * before, rtol=1e-6)
    assert not scene.doubts
    edit(room, top(enable_depth_loading=False))
    scene, truth = open_room(room)
    assert truth.test_depth_z is None
    assert "enable_depth_loading is false" in scene.doubts[0]


def test_what_is_not_read_is_named_once(room):
    edit(room, every(depth_file_pth="d.png", normal_path="n.png"))
    edit(room, top(rolling_shutter=[0, 0, 0, 0]))
    for name in ("mono_depth", "normals", "panoptic_masks", "images_2"):
        (room / name).mkdir()
        (room / name / "0.png").touch()
    keys, folders = open_room(room)[0].doubts
    assert "'depth_file_pth' (15 times), is it 'depth_file_path'?" in keys
    assert "'normal_path' (15 times)" in keys and "'rolling_shutter'" in keys
    assert folders.startswith(f"{room}: mono_depth/, normals/, panoptic_masks/ not")


def test_files_of_splits(room):
    whole = open_room(room, train_split="frames[:12]", test_split="frames[12:]")
    info = json.loads((room / "transforms.json").read_text())
    (room / "transforms.json").unlink()
    frames = info["frames"]
    for name, part in (
        ("train", frames[:12]),
        ("val", frames[12:]),
        ("test", frames[12:]),
    ):
        text = json.dumps(info | {"frames": part})
        (room / f"transforms_{name}.json").write_text(text)
    for source in ("nerfstudio", "auto"):
        options = {"source": source, "train_split": "train[:]"}
        for test in ("test[:]", "val[:]", "frames[12:]"):
            found = open_room(room, **options, test_split=test)
            captures.assert_same(found, whole)
    captures.edit_json(room / "transforms_val.json", top(integer_depth_scale=0.5))
    assert "its depth unit differs" in error_of(room)


def test_transparent_pixels_and_masks_hide(room):
    alpha = np.full((6, 8), 255, np.uint8)
    alpha[:2], alpha[2] = 0, 127
    mask = np.full((6, 8), 255, np.uint8)
    mask[:, 0] = 0
    captures.save_png(room / "m.png", mask)

    def change(info):
        for frame in info["frames"]:
            path = room / frame["file_path"]
            with Image.open(path) as image:
                rgba = np.dstack([np.array(image), alpha])
            path.unlink()
            Image.fromarray(rgba).save(path.with_suffix(".webp"), lossless=True)
            frame["file_path"] = frame["file_path"].replace(".png", ".webp")

    edit(room, change)
    hidden = np.zeros((6, 8), bool)
    hidden[:3] = True
    assert (~open_room(room)[0].train.valid_mask == hidden).all()
    edit(room, every(mask_path="m.png"))
    hidden[:, 0] = True
    assert (~open_room(room)[0].train.valid_mask == hidden).all()


@pytest.mark.parametrize(
    ("change", "focal", "distortion"),
    [
        (top(camera_model="SIMPLE_RADIAL", k1=0.1), (4, 4), (0.1, 0, 0, 0, 0)),
        (top(camera_model="RADIAL", k1=0.1, k2=0.2), (4, 4), (0.1, 0.2, 0, 0, 0)),
        (top(camera_model="FULL_OPENCV", k4=0.3), (4, 4), (0, 0, 0, 0, 0, 0.3, 0, 0)),
        (top(fl_x=None, fl_y=None, x_fov=90), (4, 4), ()),
        (top(fl_x=None, fl_y=None, camera_angle_x=np.pi / 2), (4, 4), ()),
        (every(camera_angle_x=np.pi / 2, camera_angle_y=np.pi / 2), (4, 3), ()),
    ],
)
def test_cameras(room, change, focal, distortion):
    edit(room, change)
    info = json.loads((room / "transforms.json").read_text())
    path, frame = room / "transforms.json", info["frames"][0]
    lens = transforms_lens.read_lens(info, frame, path, 0, (8, 6))
    assert (lens.camera.fx, lens.camera.fy) == pytest.approx(focal)
    assert lens.distortion == distortion
    assert (lens.camera.cx, lens.camera.cy) == (3.5, 2.5)
    open_room(room)


def test_fisheye_of_colmap(room):
    for model in ("SIMPLE_RADIAL_FISHEYE", "RADIAL_FISHEYE"):
        edit(room, top(camera_model=model, k1=0.1))
        info = json.loads((room / "transforms.json").read_text())
        lens = transforms_lens.read_lens(info, info["frames"][0], room, 0, (8, 6))
        assert lens.is_fisheye and lens.distortion == (0.1, 0, 0, 0)
    edit(room, top(camera_model="EQUIRECTANGULAR"))
    assert "cut it into perspective views" in error_of(room)
