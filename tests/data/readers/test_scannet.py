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
from PIL import Image

from alsem.core.types import Intrinsics
from alsem.data.image_io import ImageFile
from alsem.data.readers.scannet_resize import PaddedImage, padded_camera

SPLITS = {"train_split": "frames[:12]", "test_split": "frames[12:]"}
open_room, error_of = captures.openers(source="scannet", **SPLITS)
FORMS = ("files", "sens")


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    """A scene in files and as a recording, and its frames."""
    folder = tmp_path_factory.mktemp("captures")
    written = captures.write_capture(folder / "room")
    (folder / "files").mkdir(), (folder / "sens").mkdir()
    layouts.write_scannet(folder / "files", written)
    layouts.write_scannet(folder / "sens", written, recording=True)
    return folder, written


@pytest.fixture(params=FORMS)
def room(request, pristine, tmp_path_factory):
    """A copy of a good scene, to be changed."""
    copy = tmp_path_factory.mktemp("x") / request.param
    return shutil.copytree(pristine[0] / request.param, copy)


@pytest.mark.parametrize(
    ("space", "count", "ids"),
    [
        ("", 40, (1, 5, 35)),
        ("nyu13", 13, (12, 4, 7)),
        ("scannet20", 20, (1, 5, None)),  # the benchmark has no lamps
    ],
)
def test_label_spaces(pristine, space, count, ids):
    folder, written = pristine
    scene, truth = open_room(folder / "files", label_space=space)
    assert len(scene.class_names) == count
    table = np.full(10, -1)
    for raw, class_id in zip(captures.CLASSES.values(), ids, strict=True):
        table[raw] = scene.class_ids.index(class_id) if class_id else -1
    labels = table[written[captures.TRAIN]["label"]]
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
    folder = tmp_path / "lossy"
    folder.mkdir()
    written = captures.write_capture(tmp_path / "room")
    layouts.write_scannet(folder, written, recording=recording, lost=(0, 5, 14))
    splits = {"train_split": "frames[:10]", "test_split": "frames[10:]"}
    names = open_room(folder, **splits)[0].train.names
    numbers = [n for n in range(15) if n not in (0, 5, 14)]
    assert names == tuple(f"frames/{n}" for n in numbers[:10])


def replace(old, new):
    return lambda path: path.write_text(path.read_text().replace(old, new))


def crop(path):
    with Image.open(path) as image:
        return image.crop((0, 2, 128, 94))


@pytest.mark.parametrize("padded", [True, False])
def test_photographs_are_resized_to_the_size_of_depth(tmp_path, padded):
    written = captures.write_capture(tmp_path / "room", size=(64, 48))
    folder = tmp_path / "wide"
    folder.mkdir()
    size = (128, 96)
    layouts.write_scannet(folder, written, recording=not padded, size=size)
    if padded:  # as ScanNet's: two rows too few above and below
        for path in (folder / "renders" / "color").iterdir():
            crop(path).save(path, quality=95)
        for path in (folder / "wide_2d-label-filt" / "label-filt").iterdir():
            crop(path).save(path)
        replace("colorHeight = 96", "colorHeight = 92")(folder / "wide.txt")
        replace("my_color = 47.5", "my_color = 45.5")(folder / "wide.txt")
    scene, truth = open_room(folder)
    camera = dataclasses.astuple(scene.intrinsics)
    np.testing.assert_allclose(camera, [64, 48, 32, 32, 31.5, 23.5])
    expected = np.full(10, -1)
    expected[[1, 4, 9]] = [0, 4, 34]  # wall, chair, lamp in nyu40
    labels = expected[written[captures.TRAIN]["label"]]
    inside = slice(1, 47) if padded else slice(None)
    np.testing.assert_array_equal(truth.train_labels[:, inside], labels[:, inside])
    if padded:
        assert scene.train.valid_mask[:, 1:47].all()
        assert not scene.train.valid_mask[:, [0, 47]].any()
        assert (scene.train.depth_z[:, [0, 47]] == 0).all()
    else:
        assert scene.train.valid_mask is None


class Ramp(ImageFile):
    where = "memory"

    def size(self):
        return 1296, 968

    def read(self):
        row = np.arange(968, dtype=np.float64)[:, None].repeat(1296, 1)
        return np.round(row / 4).astype(np.uint8)[..., None].repeat(3, -1)


def test_padded_pixels_fit_the_padded_camera():
    known = Intrinsics(1296, 968, 1170.0, 1170.0, 647.75, 483.75)
    camera = padded_camera(known, (640, 480))
    assert camera.fx == pytest.approx(1170 / 2.025)
    assert camera.cy == pytest.approx((485.75 + 0.5) / 2.025 - 0.5)
    rgb = PaddedImage(Ramp(), (640, 480), is_colour=True).read()
    # The row of the photograph that a pixel's ray passes through gives its colour.
    rows = np.arange(5, 475)
    slope = (rows - camera.cy) / camera.fy
    wanted = (slope * known.fy + known.cy) / 4
    assert np.abs(rgb[rows, 100, 0] - wanted).max() < 1


BAD_TABLES = {
    "missing": (None, "missing; ScanNet's"),
    "other columns": ("id\tname\n1\twall\n", "has no column"),
    "word for an id": ("x\twall\t1\n", "'x' is no whole number"),
    "huge id": ("99999\twall\t1\n", "99999 is not of 16 bits"),
    "short row": ("\twall\n", "is no whole number"),
}


@pytest.mark.parametrize("case", BAD_TABLES)
def test_bad_table(room, case):
    text, reason = BAD_TABLES[case]
    path = room / "scannetv2-labels.combined.tsv"
    path.unlink()
    if text is not None:
        head = "" if text.startswith("id") else "id\traw_category\tnyu40id\n"
        path.write_text(head + text)
    error = error_of(room)
    assert error.startswith(str(path))
    assert reason in error


BAD_FILES = {
    "renders/pose/3.txt": [
        (lambda path: path.write_text("1 2 3"), "3 numbers"),
        (Path.unlink, "missing"),
    ],
    "files.txt": [
        (replace("fx_color", "fx"), "has no fx_color"),
        (replace("colorWidth = 8", "colorWidth = 9"), "colorWidth is 9"),
        (Path.unlink, "missing"),
    ],
    "renders/color": [(shutil.rmtree, "holds no <number>.jpg")],
    "renders": [(shutil.rmtree, "holds neither renders nor files.sens")],
}


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [(name, *case) for name, cases in BAD_FILES.items() for case in cases],
)
def test_bad_file(pristine, tmp_path, name, change, reason):
    room = shutil.copytree(pristine[0] / "files", tmp_path / "files")
    change(room / name)
    error = error_of(room)
    assert error.startswith(str(room))
    assert reason in error


def test_wrong_options(pristine):
    room = pristine[0] / "files"
    assert "use one of nyu40" in error_of(room, label_space="coco")
    error = error_of(room, source="replica", label_space="nyu40")
    assert "is for ScanNet" in error
    assert "only 'frames'" in error_of(room, train_split="Sequence_1[:]")


def test_recording_that_is_cut_short(pristine, tmp_path):
    room = shutil.copytree(pristine[0] / "sens", tmp_path / "sens")
    data = (room / "sens.sens").read_bytes()
    # The last eight bytes count inertial frames and are not read.
    for at in np.linspace(0, len(data) - 9, 40).astype(int):
        (room / "sens.sens").write_bytes(data[:at])
        assert error_of(room).startswith(f"{room / 'sens.sens'}: ")


def test_malformed_header_of_a_recording(pristine, tmp_path):
    room = shutil.copytree(pristine[0] / "sens", tmp_path / "sens")
    path = room / "sens.sens"
    data = path.read_bytes()
    head = 4 + 8 + 6 + 4 * 64
    for at, value, reason in (
        (0, struct.pack("<I", 3), "version 4"),
        (4, struct.pack("<Q", 1 << 60), "damaged header"),
        (head, struct.pack("<i", 1), "colour compression 1"),
        (head + 8, struct.pack("<2I", 60000, 60000), "60000 x 60000"),
        (head + 24, struct.pack("<f", 0.0), "depth scale is 0"),
        (head + 28, struct.pack("<Q", 1 << 50), "claims"),
        (head + 28, struct.pack("<Q", 16), "truncated"),
    ):
        path.write_bytes(data[:at] + value + data[at + len(value) :])
        assert reason in error_of(room)
