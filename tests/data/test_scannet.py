"""ScanNet's layouts: what is read, and what is refused."""

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
    """A room in the Replica layout, in files, and as a recording; its photographs."""
    folder = tmp_path_factory.mktemp("captures")
    written = captures.write_capture(folder / "room")
    (folder / "files").mkdir(), (folder / "sens").mkdir()
    rgb = layouts.write_scannet(folder / "files", written)
    layouts.write_scannet(folder / "sens", written, recording=True)
    return folder, rgb


@pytest.fixture(params=FORMS)
def room(request, pristine, tmp_path_factory):
    """A copy of a good scene, to be damaged."""
    copy = tmp_path_factory.mktemp("x") / request.param
    return shutil.copytree(pristine[0] / request.param, copy)


def open_room(folder, **changes):
    return open_capture(**({"dir": folder, "source": "scannet", **SPLITS} | changes))


def message(folder, **changes):
    return captures.refusal(open_room, folder, **changes)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("factor", [1, 2])
def test_it_holds_what_the_replica_layout_holds(pristine, form, factor):
    folder, rgb = pristine
    splits = {f"{k}_split": f"{v}[:]" for k, v in _SEQUENCES.items()}
    scene, truth = open_capture(dir=folder / "room", downscale=factor, **splits)
    found, found_truth = open_room(
        folder / form, downscale=factor, classes=["1 wall", "5 chair", "35 lamp"]
    )
    assert found.intrinsics == scene.intrinsics
    assert found.class_ids == (1, 5, 35)
    np.testing.assert_allclose(
        found.train.world_from_cam, scene.train.world_from_cam, atol=1e-6
    )
    np.testing.assert_array_equal(found.train.depth_z, scene.train.depth_z)
    np.testing.assert_array_equal(found_truth.test_depth_z, truth.test_depth_z)
    np.testing.assert_array_equal(found_truth.train_labels, truth.train_labels)
    np.testing.assert_array_equal(found_truth.test_labels, truth.test_labels)
    assert found.train.valid_mask is None
    if factor == 1:
        np.testing.assert_array_equal(found.train.rgb, rgb[:12])
    assert found.train.names[3] == "frames/3"


_SEQUENCES = {"train": captures.TRAIN, "test": captures.TEST}


@pytest.mark.parametrize(
    ("space", "ids"),
    [("", (1, 5, 35)), ("nyu40", (1, 5, 35)), ("nyu13", (12, 4, 7))],
)
def test_label_spaces(pristine, space, ids):
    found, truth = open_room(pristine[0] / "files", label_space=space)
    assert len(found.class_names) == (13 if space == "nyu13" else 40)
    replica = open_capture(
        dir=pristine[0] / "room",
        **{f"{k}_split": f"{v}[:]" for k, v in _SEQUENCES.items()},
    )[1].train_labels
    wanted = np.array([*(found.class_ids.index(i) for i in ids), -1])[replica]
    np.testing.assert_array_equal(truth.train_labels, wanted)


def test_the_benchmarks_classes_leave_others_void(pristine):
    found, truth = open_room(pristine[0] / "files", label_space="scannet20")
    assert len(found.class_names) == 20
    assert "lamp" not in found.class_names
    names = {found.class_names[i] for i in np.unique(truth.train_labels) if i >= 0}
    assert names == {"wall", "chair"}


def test_ids_that_the_table_lacks_are_void(room):
    labels = room / f"{room.name}_2d-label-filt" / "label-filt" / "0.png"
    captures.save_png(labels, np.full((6, 8), 257, np.uint16))  # 1, were it wrapped
    assert (open_room(room)[1].train_labels[0] == -1).all()


def test_classes_are_those_of_the_scenes_objects(room):
    groups = [{"label": "lamp"}, {"label": "office chair"}, {"label": "a dragon"}]
    path = room / f"{room.name}_vh_clean.aggregation.json"
    path.write_text(json.dumps({"segGroups": groups}))
    assert open_room(room)[0].class_names == ("chair", "lamp")
    assert "no class of nyu40" in message(room, classes=["1 sofa"])
    path.write_text(json.dumps({"segGroups": [1]}))
    assert message(room).startswith(f"{path}: ")


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
def test_photographs_get_the_shape_of_depth(tmp_path, recording):
    written = captures.write_capture(tmp_path / "room", size=(64, 48))
    (tmp_path / "wide").mkdir()
    # As ScanNet's: a bit more than twice as wide, two rows too few above and below.
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


def test_a_letterboxed_pixel_is_where_the_camera_says():
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


BAD_FILES = {
    "no table": ("scannetv2-labels.combined.tsv", None, "missing; ScanNet's"),
    "a table of another kind": (
        "scannetv2-labels.combined.tsv",
        "id\tname\n1\twall\n",
        "has no column",
    ),
    "a word for an id": (
        "scannetv2-labels.combined.tsv",
        "id\traw_category\tnyu40id\nx\twall\t1\n",
        "'x' is no whole number",
    ),
    "a huge id": (
        "scannetv2-labels.combined.tsv",
        "id\traw_category\tnyu40id\n99999\twall\t1\n",
        "99999 is not of 16 bits",
    ),
    "a short row": (
        "scannetv2-labels.combined.tsv",
        "id\traw_category\tnyu40id\n\twall\n",
        "is no whole number",
    ),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_table(room, case):
    name, text, trouble = BAD_FILES[case]
    path = room / name
    path.unlink() if text is None else path.write_text(text)
    found = message(room)
    assert found.startswith(str(path))
    assert trouble in found


def test_what_the_files_lack(pristine, tmp_path):
    room = shutil.copytree(pristine[0] / "files", tmp_path / "files")
    renders = room / "renders"
    (renders / "pose" / "3.txt").write_text("1 2 3")
    assert message(room).startswith(f"{renders / 'pose' / '3.txt'}: 3 numbers")
    (renders / "pose" / "3.txt").unlink()
    assert message(room).startswith(f"{renders / 'pose' / '3.txt'}: missing")
    text = (room / "files.txt").read_text()
    (room / "files.txt").write_text(text.replace("fx_color", "fx"))
    assert "has no fx_color" in message(room)
    (room / "files.txt").write_text(text.replace("colorWidth = 8", "colorWidth = 9"))
    assert "colorWidth is 9" in message(room)
    (room / "files.txt").unlink()
    assert message(room).startswith(f"{room / 'files.txt'}: missing")
    (room / "files.txt").write_text(text)
    shutil.rmtree(renders / "color")
    assert "holds no <number>.jpg" in message(room)
    shutil.rmtree(renders)
    assert "holds neither renders nor files.sens" in message(room)
    assert "use one of nyu40" in message(room, label_space="coco")
    assert "is of ScanNet" in message(
        pristine[0] / "room", source="replica", label_space="nyu40"
    )
    assert "only 'frames'" in message(pristine[0] / "sens", train_split="Sequence_1[:]")


@settings(
    max_examples=80,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(place=st.floats(0, 1), byte=st.integers(0, 255), cut=st.booleans())
def test_a_damaged_recording_is_read_or_refused(
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
        # Only the end, which holds no frame, may be lost unseen.
        assert not cut or at >= len(data) - 8


def test_a_recording_that_claims_too_much(pristine, tmp_path):
    room = shutil.copytree(pristine[0] / "sens", tmp_path / "sens")
    path = room / "sens.sens"
    data = path.read_bytes()
    head = 4 + 8 + 6 + 4 * 64
    for at, value, trouble in (
        (0, struct.pack("<I", 3), "version 4"),
        (4, struct.pack("<Q", 1 << 60), "damaged header"),
        (head, struct.pack("<i", 1), "colour packed as 1"),
        (head + 8, struct.pack("<2I", 60000, 60000), "60000 x 60000"),
        (head + 24, struct.pack("<f", 0.0), "depth scale is 0"),
        (head + 28, struct.pack("<Q", 1 << 50), "claims"),
        (head + 28, struct.pack("<Q", 16), "truncated"),
    ):
        path.write_bytes(data[:at] + value + data[at + len(value) :])
        assert trouble in message(room)
