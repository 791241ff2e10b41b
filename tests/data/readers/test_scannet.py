"""ScanNet's layouts are read, or refused with one line."""

import dataclasses
import json
import shutil
import struct
from pathlib import Path

import captures
import layouts
import numpy as np
import pytest
from captures import ImageInMemory
from PIL import Image

from alsem.core.types import Intrinsics
from alsem.data.readers.scannet_resize import PaddedImage, padded_camera

SPLITS = {"train_split": "frames[:12]", "test_split": "frames[12:]"}
open_room, error_of = captures.openers(source="scannet", **SPLITS)


@pytest.fixture(params=["files", "sens"])
def room(request, copy_of):
    return copy_of(request.param, to=request.param)


@pytest.mark.parametrize(
    ("space", "count", "ids"),
    [
        ("", 40, (1, 5, 35)),
        ("nyu13", 13, (12, 4, 7)),
        ("scannet20", 20, (1, 5, None)),  # the benchmark has no lamps
    ],
)
def test_label_spaces(written, space, count, ids):
    folder, frames = written
    scene, truth = open_room(folder / "files", label_space=space)
    assert len(scene.class_names) == count
    table = np.full(10, -1)
    for raw, class_id in zip(captures.CLASSES.values(), ids, strict=True):
        table[raw] = scene.class_ids.index(class_id) if class_id else -1
    labels = table[frames[captures.TRAIN]["label"]]
    np.testing.assert_array_equal(truth.train_labels, labels)


def test_ids_missing_in_the_table_are_void(room):
    labels = room / f"{room.name}_2d-label-filt" / "label-filt" / "0.png"
    captures.save_png(labels, np.full((6, 8), 257, np.uint16))  # 1, were it wrapped
    assert (open_room(room)[1].train_labels[0] == -1).all()


def test_classes_are_those_of_the_scenes_objects(room):
    groups = [{"label": "lamp"}, {"label": "office chair"}, {"label": "a dragon"}]
    path = room / f"{room.name}_vh_clean.aggregation.json"
    path.write_text(json.dumps({"segGroups": groups}))
    assert open_room(room)[0].class_names == ("chair", "lamp")
    assert "no class of nyu40" in error_of(room, classes=["1 sofa"])
    path.write_text(json.dumps({"segGroups": [1]}))
    assert error_of(room).startswith(f"{path}: ")


@pytest.mark.parametrize("recording", [False, True])
def test_frames_without_a_pose_are_left_out(tmp_path, recording):
    frames, lost = captures.random_frames(), (0, 5, 14)
    layouts.write_scannet(tmp_path, frames, recording=recording, lost=lost)
    splits = {"train_split": "frames[:10]", "test_split": "frames[10:]"}
    names = open_room(tmp_path, **splits)[0].train.names
    kept = [n for n in range(15) if n not in lost]
    assert names == tuple(f"frames/{n}" for n in kept[:10])


def replace(old, new):
    return lambda path: path.write_text(path.read_text().replace(old, new))


def crop(path):
    """Cuts two rows off the top and the bottom, as ScanNet's photographs lack them."""
    with Image.open(path) as image:
        image.crop((0, 2, 128, 94)).save(path, quality=95)


@pytest.mark.parametrize("padded", [True, False])
def test_photographs_are_resized_to_the_size_of_depth(tmp_path, padded):
    frames, folder = captures.random_frames(size=(64, 48)), tmp_path / "wide"
    folder.mkdir()
    layouts.write_scannet(folder, frames, recording=not padded, size=(128, 96))
    if padded:
        for path in (*folder.glob("renders/color/*"), *folder.glob("*/label-filt/*")):
            crop(path)
        replace("colorHeight = 96", "colorHeight = 92")(folder / "wide.txt")
        replace("my_color = 47.5", "my_color = 45.5")(folder / "wide.txt")
    scene, truth = open_room(folder)
    camera = dataclasses.astuple(scene.intrinsics)
    np.testing.assert_allclose(camera, [64, 48, 32, 32, 31.5, 23.5])
    expected = np.full(10, -1)
    expected[[1, 4, 9]] = [0, 4, 34]  # wall, chair, lamp in nyu40
    labels = expected[frames[captures.TRAIN]["label"]]
    inside = slice(1, 47) if padded else slice(None)
    np.testing.assert_array_equal(truth.train_labels[:, inside], labels[:, inside])
    if padded:
        assert scene.train.valid_mask[:, 1:47].all()
        assert not scene.train.valid_mask[:, [0, 47]].any()
        assert (scene.train.depth_z[:, [0, 47]] == 0).all()
    else:
        assert scene.train.valid_mask is None


def test_padded_pixels_fit_the_padded_camera():
    known = Intrinsics(1296, 968, 1170.0, 1170.0, 647.75, 483.75)
    camera = padded_camera(known, (640, 480))
    assert camera.fx == pytest.approx(1170 / 2.025)
    assert camera.cy == pytest.approx((485.75 + 0.5) / 2.025 - 0.5)
    ramp = np.round(np.arange(968) / 4).astype(np.uint8)  # colour of a row
    image = ImageInMemory(np.broadcast_to(ramp[:, None, None], (968, 1296, 3)))
    rgb = PaddedImage(image, (640, 480), is_colour=True).read()
    # The row of the photograph that a pixel's ray passes through gives its colour.
    rows = np.arange(5, 475)
    slope = (rows - camera.cy) / camera.fy
    wanted = (slope * known.fy + known.cy) / 4
    assert np.abs(rgb[rows, 100, 0] - wanted).max() < 1


def overwrite(at, *values):
    """Overwrites the binary file at an offset, as `struct.pack` does."""

    def change(path):
        data, new = path.read_bytes(), struct.pack(*values)
        path.write_bytes(data[:at] + new + data[at + len(new) :])

    return change


def write(text):
    return lambda path: path.write_text(text)


TABLE = "files/scannetv2-labels.combined.tsv"
HEAD = "id\traw_category\tnyu40id\n"
SIZES = 4 + 8 + 6 + 4 * 64  # offset, after version, name and four matrices


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        (TABLE, Path.unlink, "missing; ScanNet's"),
        (TABLE, write("id\tname\n1\twall\n"), "has no column"),
        (TABLE, write(f"{HEAD}x\twall\t1\n"), "'x' is no whole number"),
        (TABLE, write(f"{HEAD}99999\twall\t1\n"), "99999 is not of 16 bits"),
        (TABLE, write(f"{HEAD}\twall\n"), "is no whole number"),
        ("files/renders/pose/3.txt", write("1 2 3"), "3 numbers"),
        ("files/renders/pose/3.txt", Path.unlink, "missing"),
        ("files/files.txt", replace("fx_color", "fx"), "has no fx_color"),
        ("files/files.txt", replace("Width = 8", "Width = 9"), "colorWidth is 9"),
        ("files/files.txt", Path.unlink, "missing"),
        ("files/renders/color", shutil.rmtree, "holds no <number>.jpg"),
        ("sens/sens.sens", Path.unlink, "holds neither renders nor sens.sens"),
        ("sens/sens.sens", overwrite(0, "<I", 3), "version 4"),
        ("sens/sens.sens", overwrite(4, "<Q", 1 << 60), "damaged header"),
        ("sens/sens.sens", overwrite(SIZES, "<i", 1), "colour compression 1"),
        ("sens/sens.sens", overwrite(SIZES + 8, "<2I", 60000, 60000), "60000 x 60000"),
        ("sens/sens.sens", overwrite(SIZES + 24, "<f", 0.0), "depth scale is 0"),
        ("sens/sens.sens", overwrite(SIZES + 28, "<Q", 1 << 50), "claims"),
        ("sens/sens.sens", overwrite(SIZES + 28, "<Q", 16), "truncated"),
    ],
)
def test_bad_file(copy_of, name, change, reason):
    form = name.partition("/")[0]
    room = copy_of(form, to=form)
    path = room.parent / name
    change(path)
    error = error_of(room)
    is_named = "neither" not in reason  # the folder holds nothing that could be
    assert error.startswith(str(path if is_named else room))
    assert reason in error


def test_wrong_options(written):
    room = written[0] / "files"
    assert "use one of nyu40" in error_of(room, label_space="coco")
    error = error_of(room, source="replica", label_space="nyu40")
    assert "is for ScanNet" in error
    assert "only 'frames'" in error_of(room, train_split="Sequence_1[:]")
