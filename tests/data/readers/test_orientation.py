"""Turned photographs (EXIF) become what viewers show, whatever their poses are of."""

import json

import captures
import layouts
import numpy as np
import pytest
from captures import TRAIN
from PIL import Image, ImageOps

from alsem.data.turned import turned_axes, turned_matrix

open_room, error_of = captures.openers(source="nerfstudio")
SPLITS = {"train_split": "frames[:12]", "test_split": "frames[12:]"}
STORING = {  # the note -> how the picture lies in the file
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.fixture
def room(copy_of):
    return copy_of("nerfstudio")


def store(room, note, every=1):
    """Stores photographs turned, with the note that undoes it."""
    exif = Image.Exif()
    exif[0x0112] = note
    for path in sorted(room.glob("rgb/*/*.png"))[::every]:
        with Image.open(path) as image:
            turned = image.transpose(STORING[note])
        turned.save(path, exif=exif)
        with Image.open(path) as image:
            assert ImageOps.exif_transpose(image).size == (8, 6)


def edit(room, change):
    captures.edit_json(room / "transforms.json", change)


def of_stored(info, quarters):
    """Poses and intrinsics of the pictures as they lie in the files."""
    camera = np.array([[info["fl_x"], 0, info["cx"]], [0, info["fl_y"], info["cy"]]])
    camera = np.vstack([camera - [[0, 0, 0.5]], [0, 0, 1]])
    camera = turned_matrix(camera, (8, 6), quarters)
    (fx, _, cx), (_, fy, cy), _ = camera.tolist()
    info |= {"fl_x": fx, "fl_y": fy, "cx": cx + 0.5, "cy": cy + 0.5}
    if quarters % 2:
        info |= {"w": 6, "h": 8}
    for frame in info["frames"]:
        pose = (
            np.array(frame["transform_matrix"]) @ layouts.FLIP @ turned_axes(quarters)
        )
        frame["transform_matrix"] = (pose @ layouts.FLIP).tolist()
        for key in ("depth_file_path", "semantic_file_path"):
            frame[key] = f"stored/{frame[key]}"


def store_others(room, quarters):
    """Depth and labels as the photographs lie."""
    for kind in ("depth", "label"):
        for path in sorted((room / kind).rglob("*.png")):
            with Image.open(path) as image:
                pixels = np.rot90(np.array(image), quarters)
            name = path.relative_to(room)
            captures.save_png(room / "stored" / name, np.ascontiguousarray(pixels))


@pytest.mark.parametrize("note", [3, 6, 8])
def test_poses_of_the_stored_picture(room, note):
    edit(room, lambda info: info.update(cx=4.6, cy=2.7, fl_y=4.5))
    before = open_room(room, **SPLITS)
    quarters = {3: 2, 6: 1, 8: 3}[note]
    store(room, note)
    store_others(room, quarters)
    edit(room, lambda info: of_stored(info, quarters))
    after = open_room(room, **SPLITS)
    assert not any("EXIF" in line for line in after[0].doubts)
    captures.assert_same(after, before, tolerance=1e-6)


@pytest.mark.parametrize("note", [6, 7, 8])
def test_poses_of_the_shown_picture(room, note):
    before = open_room(room, **SPLITS)
    store(room, note)
    captures.assert_same(open_room(room, **SPLITS), before)
    edit(room, lambda info: (info.pop("w"), info.pop("h")))
    guessed = open_room(room, **SPLITS)
    captures.assert_same(guessed, before)
    assert "no size tells which picture" in guessed[0].doubts[0]


@pytest.mark.parametrize(("note", "every"), [(2, 1), (3, 2)])
def test_notes_that_no_turn_of_all_frames_follows_are_doubted(room, note, every):
    store(room, note, every)
    scene = open_room(room, **SPLITS)[0]
    assert f"{15 // every + every - 1} of 15 photographs" in scene.doubts[0]
    assert "rows and columns of queries" in scene.doubts[0]


def test_turned_photographs_without_a_note_are_named(room):
    for path in room.glob(f"rgb/{TRAIN}/*.png"):
        with Image.open(path) as image:
            image.transpose(Image.Transpose.ROTATE_90).save(path)
    assert "turn the photographs by a quarter" in error_of(room, **SPLITS)
    assert json.loads((room / "transforms.json").read_text())["w"] == 8
