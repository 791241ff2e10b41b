"""COLMAP's sparse models are read, or refused with one line."""

import shutil
import struct

import captures
import layouts
import numpy as np
import pytest
from captures import TEST, TRAIN
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alsem.core.errors import InputError
from alsem.data import open_capture

SPLITS = {"train_split": f"{TRAIN}[::3]", "test_split": f"{TEST}[:]"}


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


def open_room(folder, **changes):
    return open_capture(**({"dir": folder, "source": "colmap", **SPLITS} | changes))


def error_of(folder, **changes):
    return captures.input_error(open_room, folder, **changes)


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


def damage(pristine, tmp_path_factory, form, name, change):
    room = tmp_path_factory.mktemp("x") / "room"
    shutil.copytree(pristine / form, room)
    path = room / "sparse" / "0" / f"{name}.{form}"
    path.write_bytes(change(path.read_bytes()))
    return room, path


@pytest.mark.parametrize("name", ["cameras", "images", "points3D"])
def test_binary_file_of_another_length_is_refused(pristine, tmp_path_factory, name):
    for change in (
        lambda data: data[:-1],
        lambda data: data + b"\0",
        lambda data: b"",
        lambda data: b"\xff" * 8 + data[8:],
    ):
        room, path = damage(pristine, tmp_path_factory, "bin", name, change)
        assert error_of(room).startswith(f"{path}: ")


@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    name=st.sampled_from(["cameras", "images", "points3D"]),
    form=st.sampled_from(["bin", "txt"]),
    place=st.floats(0, 1),
    byte=st.integers(0, 255),
    cut=st.booleans(),
)
def test_damaged_model_is_read_or_refused(
    pristine, tmp_path_factory, name, form, place, byte, cut
):
    def change(data):
        at = min(int(place * len(data)), len(data) - 1)
        return data[:at] if cut else data[:at] + bytes([byte]) + data[at + 1 :]

    room, _ = damage(pristine, tmp_path_factory, form, name, change)
    try:
        open_room(room)
    except InputError as error:
        assert "\n" not in str(error)


BAD_LINES = {
    "an unknown model": ("cameras", "OPENCV", "SHARP", "known model"),
    "a missing parameter": (
        "cameras",
        " 0.0 0.0 0.0 0.0",
        " 0.0",
        "has the parameters",
    ),
    "a word for a number": ("cameras", "7 OPENCV 8", "7 OPENCV x", "are no numbers"),
    "another size": ("cameras", "OPENCV 8", "OPENCV 16", "16 x 6"),
    "another camera": ("images", f" 7 {TRAIN}/3", f" 8 {TRAIN}/3", "camera 8 is not"),
    "a path that leads out": ("images", f" {TRAIN}/3", f" ../../{TRAIN}/3", "outside"),
}


@pytest.mark.parametrize("case", BAD_LINES)
def test_bad_line(pristine, tmp_path_factory, case):
    name, old, new, reason = BAD_LINES[case]
    room, _ = damage(
        pristine,
        tmp_path_factory,
        "txt",
        name,
        lambda data: data.replace(old.encode(), new.encode(), 1),
    )
    assert reason in error_of(room)


def test_extra_empty_line_among_images_is_refused(pristine, tmp_path_factory):
    def without_points(data):
        return data.replace(b"1.5 2.5 -1\n", b"\n")

    def one_more(data):
        return without_points(data).replace(b"\n\n", b"\n\n\n", 1)

    room, _ = damage(pristine, tmp_path_factory, "txt", "images", without_points)
    assert len(open_room(room)[0].train.names) == 4
    room, path = damage(pristine, tmp_path_factory, "txt", "images", one_more)
    assert error_of(room).startswith(f"{path} line ")


def test_images_without_lines_of_points_are_refused(pristine, tmp_path_factory):
    def fewer(data):
        return data.replace(b"1.5 2.5 -1\n", b"").replace(b"\n\n", b"\n")

    room, path = damage(pristine, tmp_path_factory, "txt", "images", fewer)
    assert error_of(room).startswith(f"{path} line ")
