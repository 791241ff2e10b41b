"""COLMAP's sparse models are read, or refused with one line."""

import shutil
import struct

import captures
import layouts
import numpy as np
import pytest
from captures import TEST, TRAIN

SPLITS = {"train_split": f"{TRAIN}[::3]", "test_split": f"{TEST}[:]"}
MODEL_FILES = ("cameras", "images", "points3D")
open_room, error_of = captures.openers(source="colmap", **SPLITS)


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    folder = tmp_path_factory.mktemp("captures")
    written = captures.write_capture(folder / "room")
    layouts.write_colmap(folder / "bin", written, binary=True)
    layouts.write_colmap(folder / "txt", written, binary=False, model="OPENCV")
    return folder


@pytest.fixture(params=["bin", "txt"])
def room(request, pristine, tmp_path_factory):
    """A copy of a good capture, to be changed."""
    copy = tmp_path_factory.mktemp("x") / "room"
    return shutil.copytree(pristine / request.param, copy)


@pytest.mark.parametrize("form", ["bin", "txt"])
def test_points_are_read(pristine, form):
    scene, _ = open_room(pristine / form)
    points = np.random.default_rng(0).uniform(-3, 3, (50, 3))
    np.testing.assert_allclose(scene.points, points, rtol=1e-6)
    assert scene.train.names[1] == f"{TRAIN}/3.png"


def test_scale_applies_to_poses_points_and_depth(pristine):
    one, other = (open_room(pristine / "bin", scale=s)[0] for s in (1.0, 2.5))
    moved = other.train.world_from_cam
    np.testing.assert_allclose(
        moved[:, :3, 3], 2.5 * one.train.world_from_cam[:, :3, 3], rtol=1e-6
    )
    np.testing.assert_array_equal(moved[:, :3, :3], one.train.world_from_cam[:, :3, :3])
    np.testing.assert_allclose(other.points, 2.5 * one.points, rtol=1e-6)
    np.testing.assert_allclose(other.train.depth_z, 2.5 * one.train.depth_z, rtol=1e-6)
    for bad in (0, -1.0, float("inf"), float("nan"), True):
        assert error_of(pristine / "bin", scale=bad).startswith("data.scale=")


@pytest.mark.parametrize(
    ("model", "params", "distortion"),
    [
        (0, (50, 4, 3), ()),
        (2, (50, 4, 3, 0.1), (0.1, 0.0, 0.0, 0.0)),
        (3, (50, 4, 3, 0.1, 0.2), (0.1, 0.2, 0.0, 0.0)),
        (6, (50, 50, 4, 3, *range(1, 9)), tuple(map(float, range(1, 9)))),
    ],
)
def test_camera_models_of_colmap(
    pristine, tmp_path, model, params, distortion, monkeypatch
):
    room = shutil.copytree(pristine / "bin", tmp_path / "room")
    path = room / "sparse" / "0" / "cameras.bin"
    form = f"<QiiQQ{len(params)}d"
    path.write_bytes(struct.pack(form, 1, 7, model, 8, 6, *params))
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


def test_depth_and_labels_are_optional(room):
    for kind in ("depth", "semantic"):
        shutil.rmtree(room / kind)
    scene, truth = open_room(room)
    assert scene.train.depth_z is None
    assert truth.train_labels is None


def test_missing_files(room):
    (room / "depth" / TRAIN / "3.png").unlink()
    assert error_of(room).startswith(f"{room / 'depth' / TRAIN / '3.png'}: missing")
    shutil.rmtree(room / "depth")
    (room / "images" / TRAIN / "3.png").unlink()
    assert error_of(room).startswith(f"{room / 'images' / TRAIN / '3.png'}: missing")
    for path in (room / "sparse" / "0").glob("cameras.*"):
        path.unlink()
    assert "cameras" in error_of(room)
    shutil.rmtree(room / "sparse")
    assert "images and sparse" in error_of(room)


def without_points(data):
    return data.replace(b"1.5 2.5 -1\n", b"\n")


def test_images_without_points_are_read(pristine, tmp_path):
    room = shutil.copytree(pristine / "txt", tmp_path / "room")
    path = room / "sparse" / "0" / "images.txt"
    path.write_bytes(without_points(path.read_bytes()))
    assert len(open_room(room)[0].train.names) == 4


def put(old, new):
    return lambda data: data.replace(old.encode(), new.encode(), 1)


IMAGE = f" {TRAIN}/3"
BAD_FILES = [
    *((f"{n}.bin", lambda d: d[:-1], "truncated") for n in MODEL_FILES),
    *((f"{n}.bin", lambda d: d + b"\0", "or damaged") for n in MODEL_FILES),
    *((f"{n}.bin", lambda d: b"", "truncated") for n in MODEL_FILES),
    *((f"{n}.bin", lambda d: b"\xff" * 8 + d[8:], "truncated") for n in MODEL_FILES),
    ("cameras.txt", put("OPENCV", "SHARP"), "known model"),
    ("cameras.txt", put(" 0.0 0.0 0.0 0.0", " 0.0"), "has the parameters"),
    ("cameras.txt", put("7 OPENCV 8", "7 OPENCV x"), "are no numbers"),
    ("images.txt", put(f" 7{IMAGE}", f" 8{IMAGE}"), "camera 8 is not"),
    ("images.txt", put(IMAGE, f" ../../{IMAGE[1:]}"), "outside"),
    ("images.txt", put("\n\n", "\n\n\n"), "line"),
    ("images.txt", lambda d: without_points(d).replace(b"\n\n", b"\n"), "line"),
]


@pytest.mark.parametrize(("name", "change", "reason"), BAD_FILES)
def test_bad_file(pristine, tmp_path, name, change, reason):
    room = shutil.copytree(pristine / name[-3:], tmp_path / "room")
    path = room / "sparse" / "0" / name
    path.write_bytes(change(path.read_bytes()))
    error = error_of(room)
    assert error.startswith(str(path))
    assert reason in error


def test_photographs_of_another_size(pristine, tmp_path):
    room = shutil.copytree(pristine / "txt", tmp_path / "room")
    path = room / "sparse" / "0" / "cameras.txt"
    path.write_text(path.read_text().replace("OPENCV 8", "OPENCV 16"))
    assert "its camera has 16 x 6 pixels" in error_of(room)
