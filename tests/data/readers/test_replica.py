"""The Replica layout: frames, camera and class list of a capture."""

import dataclasses
import json
import shutil

import captures
import numpy as np
import pytest
from captures import CLASSES, TEST, TRAIN, WIDTH

from alsem.data import READERS

open_room, error_of = captures.openers()


@pytest.fixture
def room(copy_of):
    return copy_of("replica")


def test_padded_numbers_name_the_same_frames_in_order(room):
    before, truth_before = open_room(room, train_split=f"{TRAIN}[:]")
    assert before.train.names == tuple(f"{TRAIN}/{i}" for i in range(12))
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


def test_missing_photograph_is_named_or_left_out(room):
    before = open_room(room, train_split=f"{TRAIN}[:]")[0].train.world_from_cam
    rgb = room / TRAIN / "rgb"
    for number in (5, 11):
        (rgb / f"rgb_{number}.png").unlink()
    scene = open_room(room, train_split=f"{TRAIN}[:]")[0]
    kept = np.delete(before, (5, 11), axis=0)
    np.testing.assert_array_equal(scene.train.world_from_cam, kept)
    assert "2 of 12 poses have no photograph" in scene.doubts[0]
    (rgb / "rgb_0.png").unlink()  # 12 poses may count from 0 or 1
    assert error_of(room).startswith(f"{rgb / 'rgb_5.png'}: missing")


def test_frames_of_lost_poses_are_left_out(room):
    path = room / TRAIN / "traj_w_c.txt"
    rows = path.read_text().splitlines()
    rows[2], rows[7] = " ".join(["-inf"] * 16), " ".join(["0"] * 16)
    path.write_text("\n".join(rows))
    scene = open_room(room, train_split=f"{TRAIN}[:]")[0]
    assert [n.split("/")[1] for n in scene.train.names][1:8] == list("1345689")[:7]
    assert "2 of 12 frames have no finite pose" in scene.doubts[0]
    path.write_text("\n".join([rows[2]] * 12))
    assert "no frame has a finite pose" in error_of(room)


def test_frames_that_do_not_fit_each_other(room):
    (room / TRAIN / "mask").mkdir()
    path = room / TRAIN / "mask" / "mask_0.png"
    assert error_of(room).startswith(f"{path}: missing; add it, or remove all")
    trajectory, rgb = room / TRAIN / "traj_w_c.txt", room / TRAIN / "rgb"
    shutil.copy(rgb / "rgb_0.png", rgb / "rgb_12.png")
    assert "12 poses for 13 images" in error_of(room)
    shutil.move(rgb / "rgb_12.png", rgb / "rgb_03.png")
    error = error_of(room)
    assert "rgb_3.png" in error and "rgb_03.png" in error
    (rgb / "rgb_03.png").unlink()
    trajectory.write_text("\n".join(trajectory.read_text().splitlines()[:-1]))
    assert "11 poses for 12 images" in error_of(room)
    shutil.rmtree(rgb)
    rgb.mkdir()
    assert str(rgb) in error_of(room)


def write_info(room, **info):
    classes = {name: {"id": i} for name, i in CLASSES.items()}
    (room / "info.json").write_text(json.dumps({"classes": classes} | info))


GIVEN = {"fx": 5, "fy": 6.0, "cx": 3.0, "cy": 2.0, "hfov_deg": 20}


@pytest.mark.parametrize(
    ("info", "downscale", "camera"),
    [
        ({}, 1, (WIDTH, 6, 4, 4, 3.5, 2.5)),  # sees 90 degrees
        ({}, 2, (4, 3, 2, 2, 1.5, 1)),
        (GIVEN, 1, (WIDTH, 6, 5, 6, 3, 2)),
        (GIVEN, 2, (4, 3, 2.5, 3, 1.25, 0.75)),
        ({"hfov_deg": 120}, 1, (WIDTH, 6, *[4 / 3**0.5] * 2, 3.5, 2.5)),
    ],
)
def test_camera_of_info_json_is_scaled_about_pixel_centres(
    room, info, downscale, camera
):
    write_info(room, width=WIDTH, **info)
    found = open_room(room, downscale=downscale)[0].intrinsics
    assert dataclasses.astuple(found) == pytest.approx(camera)


def test_depth_scale_of_info_json(room):
    before = open_room(room)[0].train.depth_z
    write_info(room, depth_scale=5000.0)
    after = open_room(room)[0].train.depth_z
    np.testing.assert_allclose(after * 5, before, rtol=1e-6)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "JSON"),
        ("[]", "object"),
        ('{"fx": 4, "fy": 4}', "fx, fy"),
        ('{"fx": -4, "fy": 4, "cx": 4, "cy": 4}', "fx"),
        ('{"fx": "4", "fy": 4, "cx": 4, "cy": 4}', "fx"),
        ('{"fx": 4, "fy": 4, "cx": NaN, "cy": 4}', "cx"),
        ('{"width": 320}', "320"),
        ('{"hfov_deg": 180}', "hfov_deg"),
        ('{"depth_scale": 0}', "depth_scale"),
    ],
)
def test_bad_info_json(room, text, reason):
    (room / "info.json").write_text(text)
    error = error_of(room, classes=("1 wall", "4 chair", "9 lamp"))
    assert error.startswith(f"{room / 'info.json'}: ")
    assert reason in error


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
