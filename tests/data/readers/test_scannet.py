"""ScanNet's layouts are read, or refused with one line."""

import json
import shutil
import struct

import captures
import layouts
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from alsem.core.errors import InputError
from alsem.core.types import Intrinsics
from alsem.data import open_capture
from alsem.data.image_io import ImageFile
from alsem.data.readers.scannet_resize import PaddedImage, padded_camera

SPLITS = {"train_split": "frames[:12]", "test_split": "frames[12:]"}
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


def open_room(folder, **changes):
    return open_capture(**({"dir": folder, "source": "scannet", **SPLITS} | changes))


def error_of(folder, **changes):
    return captures.input_error(open_room, folder, **changes)


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
    written = captures.write_capture(tmp_path / "room")
    (tmp_path / "lossy").mkdir()
    layouts.write_scannet(
        tmp_path / "lossy", written, recording=recording, lost=(0, 5, 14)
    )
    scene, _ = open_room(
        tmp_path / "lossy", train_split="frames[:10]", test_split="frames[10:]"
    )
    numbers = [n for n in range(15) if n not in (0, 5, 14)]
    assert scene.train.names == tuple(f"frames/{n}" for n in numbers[:10])


@pytest.mark.parametrize("recording", [False, True])
def test_photographs_are_padded_to_the_shape_of_depth(tmp_path, recording):
    written = captures.write_capture(tmp_path / "room", size=(64, 48))
    (tmp_path / "wide").mkdir()
    # As ScanNet's: twice as wide, two rows too few above and below.
    layouts.write_scannet(
        tmp_path / "wide", written, recording=recording, size=(128, 96)
    )
    folder = tmp_path / "wide"
    if not recording:
        for path in (folder / "renders" / "color").iterdir():
            with Image.open(path) as image:
                image.crop((0, 2, 128, 94)).save(path, quality=95)
        text = (folder / "wide.txt").read_text()
        text = text.replace("colorHeight = 96", "colorHeight = 92")
        (folder / "wide.txt").write_text(
            text.replace("my_color = 47.5", "my_color = 45.5")
        )
        labels = folder / "wide_2d-label-filt" / "label-filt"
        for path in labels.iterdir():
            with Image.open(path) as image:
                captures.save_png(path, np.array(image)[2:94])
    scene, truth = open_room(folder)
    camera = scene.intrinsics
    assert (camera.width, camera.height) == (64, 48)
    np.testing.assert_allclose(
        [camera.fx, camera.fy, camera.cx, camera.cy], [32, 32, 31.5, 23.5]
    )
    label = written[captures.TRAIN]["label"]
    expected = np.array([-1, *[-1] * 9])
    expected[[1, 4, 9]] = [0, 4, 34]  # wall, chair, lamp among the forty
    inside = slice(1, 47) if not recording else slice(None)
    np.testing.assert_array_equal(
        truth.train_labels[:, inside], expected[label][:, inside]
    )
    if not recording:
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


def test_missing_and_malformed_files(pristine, tmp_path):
    room = shutil.copytree(pristine[0] / "files", tmp_path / "files")
    renders = room / "renders"
    (renders / "pose" / "3.txt").write_text("1 2 3")
    assert error_of(room).startswith(f"{renders / 'pose' / '3.txt'}: 3 numbers")
    (renders / "pose" / "3.txt").unlink()
    assert error_of(room).startswith(f"{renders / 'pose' / '3.txt'}: missing")
    text = (room / "files.txt").read_text()
    (room / "files.txt").write_text(text.replace("fx_color", "fx"))
    assert "has no fx_color" in error_of(room)
    (room / "files.txt").write_text(text.replace("colorWidth = 8", "colorWidth = 9"))
    assert "colorWidth is 9" in error_of(room)
    (room / "files.txt").unlink()
    assert error_of(room).startswith(f"{room / 'files.txt'}: missing")
    (room / "files.txt").write_text(text)
    shutil.rmtree(renders / "color")
    assert "holds no <number>.jpg" in error_of(room)
    shutil.rmtree(renders)
    assert "holds neither renders nor files.sens" in error_of(room)
    assert "use one of nyu40" in error_of(room, label_space="coco")
    assert "is for ScanNet" in error_of(
        pristine[0] / "room", source="replica", label_space="nyu40"
    )
    assert "only 'frames'" in error_of(
        pristine[0] / "sens", train_split="Sequence_1[:]"
    )


@settings(
    max_examples=80,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(place=st.floats(0, 1), byte=st.integers(0, 255), cut=st.booleans())
def test_damaged_recording_is_read_or_refused(
    pristine, tmp_path_factory, place, byte, cut
):
    room = tmp_path_factory.mktemp("x") / "sens"
    shutil.copytree(pristine[0] / "sens", room)
    path = room / "sens.sens"
    data = path.read_bytes()
    at = min(int(place * len(data)), len(data) - 1)
    changed = data[:at] if cut else data[:at] + bytes([byte]) + data[at + 1 :]
    path.write_bytes(changed)
    try:
        open_room(room)
    except InputError as error:
        assert "\n" not in str(error)
    else:
        # Only the count of inertial frames at the end may be missing.
        assert not cut or at >= len(data) - 8


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
