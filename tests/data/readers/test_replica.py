"""The Replica layout: frames, camera and class list of a capture."""

import dataclasses
import json
import shutil

import captures
import numpy as np
import pytest
from captures import CLASSES, TEST, TRAIN, WIDTH, write_capture

from alsem.data import READERS

SPLITS = {"train_split": f"{TRAIN}[::3]", "test_split": f"{TEST}[:]"}
open_room, error_of = captures.openers(**SPLITS)


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    folder = tmp_path_factory.mktemp("captures") / "room"
    write_capture(folder)
    return folder


@pytest.fixture
def room(pristine, tmp_path_factory):
    """A copy of a good capture, to be changed."""
    return shutil.copytree(pristine, tmp_path_factory.mktemp("x") / "room")


# Frames


def test_frames_are_ordered_by_number(room):
    names = open_room(room, train_split=f"{TRAIN}[:]")[0].train.names
    assert names == tuple(f"{TRAIN}/{i}" for i in range(12))


def test_padded_numbers_name_the_same_frames(room):
    before, truth_before = open_room(room)
    for path in sorted((room / TEST).glob("*/*_1.png")):
        path.rename(path.with_name(path.name.replace("_1.png", "_0001.png")))
    scene, truth = open_room(room)
    assert scene.test.names == before.test.names
    np.testing.assert_array_equal(scene.test.rgb, before.test.rgb)
    np.testing.assert_array_equal(truth.test_labels, truth_before.test_labels)


def test_the_frames_of_all_sequences_are_a_sequence(room):
    splits = {"train_split": "frames[:] but frames[::8]", "test_split": "frames[::8]"}
    scene, _ = open_room(room, **splits)
    assert scene.test.names == (f"{TRAIN}/0", f"{TRAIN}/8")
    assert len(scene.train.names) == 13 and scene.train.names[-1] == f"{TEST}/2"


def test_folders_without_a_capture(room):
    parent = room.parent
    assert error_of(parent / "nowhere").startswith(f"{parent / 'nowhere'}: no such")
    assert "data.dir" in error_of("")
    error = error_of(parent, scene="rom")
    assert error.startswith(f"{parent / 'rom'}: no such folder")
    assert error.endswith(": room")
    assert "leave data.scene empty" in error_of(room, scene="room")
    assert "name too long" in error_of(parent, scene="x" * 300)
    error = error_of(parent)
    assert "no sequence" in error and error.endswith(": room")
    assert ", ".join(READERS) in error_of(room, source="scannet9")


def test_frame_that_exists_twice(room):
    path = room / TRAIN / "rgb" / "rgb_3.png"
    shutil.copy(path, path.with_name("rgb_03.png"))
    error = error_of(room)
    assert "rgb_3.png" in error and "rgb_03.png" in error


@pytest.mark.parametrize("number", [0, 5, 11])
def test_missing_photograph_is_named(room, number):
    path = room / TRAIN / "rgb" / f"rgb_{number}.png"
    path.unlink()
    assert error_of(room, train_split=f"{TRAIN}[1:2]").startswith(f"{path}: missing")


def test_missing_mask_is_named(room):
    (room / TRAIN / "mask").mkdir()
    path = room / TRAIN / "mask" / "mask_0.png"
    assert error_of(room).startswith(f"{path}: missing; add it, or remove all")


def test_numbers_of_photographs_and_poses_differ(room):
    trajectory, rgb = room / TRAIN / "traj_w_c.txt", room / TRAIN / "rgb"
    lines = trajectory.read_text().splitlines()
    trajectory.write_text("\n".join(lines[:-1]))
    assert "11 poses for 12 images" in error_of(room)
    trajectory.write_text("\n".join(lines))
    shutil.copy(rgb / "rgb_0.png", rgb / "rgb_12.png")
    assert "12 poses for 13 images" in error_of(room)
    shutil.rmtree(rgb)
    rgb.mkdir()
    assert str(rgb) in error_of(room)


# The camera


def camera(room, info, **changes):
    classes = {name: {"id": i} for name, i in CLASSES.items()}
    (room / "info.json").write_text(json.dumps({"classes": classes} | info))
    return dataclasses.astuple(open_room(room, **changes)[0].intrinsics)


def test_default_camera_sees_90_degrees(room):
    assert camera(room, {}) == (WIDTH, 6, 4, 4, 3.5, 2.5)
    assert camera(room, {}, downscale=2) == (4, 3, 2, 2, 1.5, 1)


def test_camera_of_info_json_is_scaled_about_pixel_centres(room):
    given = {"fx": 5, "fy": 6.0, "cx": 3.0, "cy": 2.0, "hfov_deg": 20, "width": WIDTH}
    assert camera(room, given) == (WIDTH, 6, 5, 6, 3, 2)
    assert camera(room, given, downscale=2) == (4, 3, 2.5, 3, 1.25, 0.75)
    wide = camera(room, {"hfov_deg": 120})
    assert wide[2] == pytest.approx(4 / np.tan(np.pi / 3))


def test_depth_scale_of_info_json(room):
    before = open_room(room)[0].train.depth_z
    camera(room, {"depth_scale": 5000.0})
    after = open_room(room)[0].train.depth_z
    np.testing.assert_allclose(after * 5, before, rtol=1e-6)


BAD_INFO = {
    "not JSON": ("{", "JSON"),
    "list": ("[]", "object"),
    "half a camera": ('{"fx": 4, "fy": 4}', "fx, fy"),
    "negative focal length": ('{"fx": -4, "fy": 4, "cx": 4, "cy": 4}', "fx"),
    "focal length of text": ('{"fx": "4", "fy": 4, "cx": 4, "cy": 4}', "fx"),
    "centre not finite": ('{"fx": 4, "fy": 4, "cx": NaN, "cy": 4}', "cx"),
    "another width": ('{"width": 320}', "320"),
    "too wide": ('{"hfov_deg": 180}', "hfov_deg"),
    "depth_scale 0": ('{"depth_scale": 0}', "depth_scale"),
}


@pytest.mark.parametrize("case", BAD_INFO)
def test_bad_info_json(room, case):
    text, reason = BAD_INFO[case]
    (room / "info.json").write_text(text)
    error = error_of(room, classes=("1 wall", "4 chair", "9 lamp"))
    assert error.startswith(f"{room / 'info.json'}: ")
    assert reason in error


# The class list


@pytest.mark.parametrize(
    "place", ["semantic_info/room", "room/semantic_info/room", "room"]
)
@pytest.mark.parametrize("as_scene", [True, False])
def test_places_of_info_semantic_json(room, place, as_scene):
    (room / "info.json").unlink()
    path = room.parent / place / "info_semantic.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    objects = [{"class_id": i, "class_name": name} for name, i in CLASSES.items()]
    path.write_text(json.dumps({"objects": objects}))
    where = {"dir": room} if as_scene else {"dir": room.parent, "scene": "room"}
    assert open_room(room, **where)[0].class_ids == (1, 4, 9)


def test_class_list_of_the_config_or_a_text_file(room):
    lines = ("4 b", "9 c", "1 a", "200 d")
    scene, truth = open_room(room, classes=lines)
    assert scene.class_names == ("a", "b", "c", "d")
    assert truth.train_labels.max() == 2
    assert "'wall'" in error_of(room, classes="wall")
    (room / "info.json").unlink()
    assert error_of(room).startswith(f"{room / 'classes.txt'}: missing")
    (room / "classes.txt").write_text("\n".join(lines))
    assert open_room(room)[0].class_names == scene.class_names
