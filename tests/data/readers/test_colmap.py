"""COLMAP's sparse models are read, or refused with one line."""

import shutil
import struct

import captures
import numpy as np
import pytest
from captures import TRAIN
from PIL import Image

open_room, error_of = captures.openers(source="colmap")


@pytest.mark.parametrize("form", ["bin", "txt"])
def test_points_are_read_and_scale_applies_to_all(written, form):
    room = written[0] / form
    one, other = (open_room(room, scale=scale)[0] for scale in (1.0, 2.5))
    points = np.random.default_rng(0).uniform(-3, 3, (50, 3))
    np.testing.assert_allclose(one.points, points, rtol=1e-6)
    assert one.train.names[1] == f"{TRAIN}/3.png"
    poses, moved = one.train.world_from_cam, other.train.world_from_cam
    np.testing.assert_allclose(moved[:, :3, 3], 2.5 * poses[:, :3, 3], rtol=1e-6)
    np.testing.assert_array_equal(moved[:, :3, :3], poses[:, :3, :3])
    np.testing.assert_allclose(other.points, 2.5 * one.points, rtol=1e-6)
    np.testing.assert_allclose(other.train.depth_z, 2.5 * one.train.depth_z, rtol=1e-6)


def test_a_scale_of_zero_leaves_the_unit_open(written):
    scene = open_room(written[0] / "bin", scale=0)[0]
    one = open_room(written[0] / "bin", scale=1)[0]
    assert one.is_metric and not scene.is_metric
    np.testing.assert_array_equal(scene.train.world_from_cam, one.train.world_from_cam)


@pytest.mark.parametrize("scale", [-1.0, float("inf"), float("nan"), True])
def test_bad_scale(written, scale):
    assert error_of(written[0] / "bin", scale=scale).startswith("data.scale=")


@pytest.mark.parametrize(
    ("model", "params", "distortion"),
    [
        (0, (50, 4, 3), ()),
        (2, (50, 4, 3, 0.1), (0.1, 0.0, 0.0, 0.0)),
        (3, (50, 4, 3, 0.1, 0.2), (0.1, 0.2, 0.0, 0.0)),
        (6, (50, 50, 4, 3, *range(1, 9)), tuple(map(float, range(1, 9)))),
    ],
)
def test_camera_models_of_colmap(copy_of, model, params, distortion, monkeypatch):
    room = copy_of("bin")
    data = struct.pack(f"<QiiQQ{len(params)}d", 1, 7, model, 8, 6, *params)
    (room / "sparse" / "0" / "cameras.bin").write_bytes(data)
    seen = []
    monkeypatch.setattr(
        "alsem.data.readers.posed_photos.shared_camera",
        lambda lenses: seen.extend(lenses) or lenses[0].camera,
    )
    open_room(room)
    assert seen[0].distortion == distortion
    assert not seen[0].is_fisheye
    camera = seen[0].camera
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == (50, 50, 3.5, 2.5)


@pytest.mark.parametrize("form", ["bin", "txt"])
def test_missing_files(copy_of, form):
    room = copy_of(form)
    path = room / "depth" / TRAIN / "3.png"
    path.unlink()
    assert error_of(room).startswith(f"{path}: missing")
    (room / "sparse" / "0" / f"cameras.{form}").unlink()
    assert "cameras" in error_of(room)
    shutil.rmtree(room / "sparse")
    assert "images and sparse" in error_of(room)


def test_largest_of_several_models_is_used_and_the_rest_is_counted(copy_of):
    room = copy_of("txt")
    sparse = room / "sparse"
    shutil.copytree(sparse / "0", sparse / "1")
    path = sparse / "0" / "images.txt"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:8]))  # three photographs
    scene, _ = open_room(room)
    assert scene.train.names[-1] == f"{TRAIN}/9.png"
    (doubt,) = scene.doubts
    assert "only sparse/1 is used (15 photographs)" in doubt
    assert "sparse/0 (3 photographs)" in doubt
    shutil.rmtree(sparse / "1")
    scene, _ = open_room(room, train_split="frames[:2]", test_split="frames[2:]")
    (doubt,) = scene.doubts
    assert "9 of 12 photographs beside have no pose (10.png, 11.png, 3.png" in doubt


def without_points(data):
    return data.replace(b"1.5 2.5 -1\n", b"\n")


def test_images_without_points_are_read(copy_of):
    room = copy_of("txt")
    path = room / "sparse" / "0" / "images.txt"
    path.write_bytes(without_points(path.read_bytes()))
    assert len(open_room(room)[0].train.names) == 4


def put(old, new):
    return lambda data: data.replace(old.encode(), new.encode(), 1)


IMAGE = f" {TRAIN}/3"


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        *(
            (f"{name}.bin", change, reason)
            for name in ("cameras", "images", "points3D")
            for change, reason in (
                (lambda data: data[:-1], "truncated"),
                (lambda data: data + b"\0", "or damaged"),
                (lambda data: b"", "truncated"),
                (lambda data: b"\xff" * 8 + data[8:], "truncated"),
            )
        ),
        ("cameras.txt", put("OPENCV", "SHARP"), "known model"),
        ("cameras.txt", put(" 0.0 0.0 0.0 0.0", " 0.0"), "has the parameters"),
        ("cameras.txt", put("7 OPENCV 8", "7 OPENCV x"), "are no numbers"),
        ("images.txt", put(f" 7{IMAGE}", f" 8{IMAGE}"), "camera 8 is not"),
        ("images.txt", put(IMAGE, f" ../../{IMAGE[1:]}"), "outside"),
        ("images.txt", put("\n\n", "\n\n\n"), "line"),
        ("images.txt", lambda d: without_points(d).replace(b"\n\n", b"\n"), "line"),
    ],
)
def test_bad_file(copy_of, name, change, reason):
    room = copy_of(name[-3:])
    path = room / "sparse" / "0" / name
    path.write_bytes(change(path.read_bytes()))
    error = error_of(room)
    assert error.startswith(str(path))
    assert reason in error


def test_photographs_of_another_size(copy_of):
    room = copy_of("txt")
    path = room / "sparse" / "0" / "cameras.txt"
    path.write_text(path.read_text().replace("OPENCV 8", "OPENCV 16"))
    assert "its camera has 16 x 6 pixels" in error_of(room)


def test_photographs_in_other_folders(copy_of):
    room = copy_of("txt")
    expected = open_room(room)
    for name in ("input", "images_4", ".", "rgb"):
        other = copy_of("txt", name.replace(".", "here"))
        shutil.move(other / "images", other / "moved")
        if name == ".":
            for path in list((other / "moved").iterdir()):
                shutil.move(path, other)
        else:
            shutil.move(other / "moved", other / name)
        captures.assert_same(open_room(other, source="auto"), expected)
    shutil.rmtree(room / "images")
    error = error_of(room, source="auto")
    assert "images.txt: none of its 15 photographs is there; put the first" in error
    assert str(room / "images" / TRAIN / "0.png") in error


def test_smaller_photographs_scale_their_camera(copy_of):
    room = copy_of("txt")
    shutil.rmtree(room / "depth")
    path = room / "sparse" / "0" / "cameras.txt"
    path.write_text(
        path.read_text().replace("8 6 4.0 4.0 4.0 3.0", "33 24 16 16 16 12")
    )
    shutil.move(room / "images", room / "images_4")
    camera = open_room(room)[0].intrinsics
    assert (camera.width, camera.height) == (8, 6)
    assert camera.fx == pytest.approx(16 * 8 / 33)
    assert camera.cy == pytest.approx(12 / 4 - 0.5)


def test_masks_and_depth_of_colmap_itself(copy_of):
    room = copy_of("txt")
    expected = open_room(room)[0]
    hidden = np.zeros((6, 8), bool)
    hidden[4:] = True
    maps = room / "stereo" / "depth_maps"
    for path in sorted((room / "depth").rglob("*.png")):
        name = f"{path.relative_to(room / 'depth')}"
        mask = np.where(hidden, 0, 255).astype(np.uint8)
        captures.save_png(room / "masks" / f"{name}.png", mask)
        with Image.open(path) as image:
            depth = np.array(image) / 1000
        for kind, factor in (("geometric", 1), ("photometric", 7)):
            place = maps / f"{name}.{kind}.bin"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(b"8&6&1&" + (factor * depth).astype("<f4").tobytes())
    shutil.rmtree(room / "depth")
    scene = open_room(room)[0]
    assert (scene.train.valid_mask == ~hidden).all()
    wanted = np.where(hidden, 0, expected.train.depth_z)
    np.testing.assert_allclose(scene.train.depth_z, wanted, rtol=1e-6)
    assert not scene.doubts


def test_fisheye_with_one_coefficient(copy_of):
    room = copy_of("txt")
    path = room / "sparse" / "0" / "cameras.txt"
    line = "7 SIMPLE_RADIAL_FISHEYE 8 6 4.0 4.0 3.0 0.1\n"
    path.write_text(line)
    assert open_room(room)[0].train.valid_mask is not None
