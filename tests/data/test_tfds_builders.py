"""Captures are written as TensorFlow Datasets and read back."""

import captures
import numpy as np
import pytest
import tensorflow_datasets as tfds
from captures import TEST, TRAIN

from alsem.data import READERS, open_capture
from alsem.data.tfds_builders import prepare

SPLITS = {"train_split": f"{TRAIN}[::3]", "test_split": f"{TEST}[:]"}
ALL = {"train_split": "frames[:12]", "test_split": "frames[12:]"}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, written):
    """A capture with masks and instances, and data sets of it and of ScanNet's."""
    folder, draw = tmp_path_factory.mktemp("tfds"), np.random.default_rng(0)
    room, size = folder / "room_5", (12, 12, 16)
    captures.write_capture(room, captures.random_frames(size=(16, 12)))
    masks = (255 * (draw.random(size) < 0.8)).astype(np.uint8)
    captures.write_images(room / TRAIN / "mask", masks)
    instances = draw.integers(0, 60000, size, np.uint16)
    captures.write_images(room / TRAIN / "semantic_instance", instances)
    prepare("alsem_replica", READERS["replica"](folder, "room_5", ()), folder / "out")
    capture = READERS["scannet"](written[0], "files", ())
    prepare("alsem_scannet", capture, folder / "out")
    return folder


@pytest.mark.parametrize(
    ("data_set", "source", "splits"),
    [
        ("alsem_replica/room_5", "tfds", SPLITS),
        ("alsem_replica/room_5", "auto", SPLITS),
        ("alsem_scannet/files", "tfds", ALL),
    ],
)
def test_data_set_holds_what_the_capture_holds(
    prepared, written, data_set, source, splits
):
    layout, name = data_set.removeprefix("alsem_").split("/")
    folder = written[0] if layout == "scannet" else prepared
    one = open_capture(dir=folder, scene=name, source=layout, **splits)
    where = {"dir": prepared / "out", "scene": data_set, "source": source}
    other = open_capture(**where, **splits)
    captures.assert_same(other, one)
    assert other[0].fingerprint() == one[0].fingerprint()
    assert other[0].train.names == one[0].train.names
    assert other[0].class_ids == one[0].class_ids


def test_classes_of_the_config_come_first(prepared):
    folder = prepared / "out" / "alsem_replica" / "room_5" / "1.0.0"
    lines = ["1 wall", "4 stool", "9 lamp"]
    scene, _ = open_capture(dir=folder, source="tfds", classes=lines, **SPLITS)
    assert scene.class_names == ("wall", "stool", "lamp")


def test_tfds_data_source_has_random_access(prepared):
    source = tfds.data_source(
        "alsem_replica/room_5", data_dir=str(prepared / "out"), split=TRAIN
    )
    assert len(source) == 12
    frame = source[7]
    assert frame["frame_id"] == 7
    assert frame["image"].shape == (12, 16, 3)
    assert frame["depth"].dtype == np.uint16
    assert frame["instance"].max() > 255
    np.testing.assert_allclose(frame["intrinsics"], [8, 8, 7.5, 5.5])
    pose = READERS["replica"](prepared, "room_5", ()).frames(TRAIN)[7].world_from_cam
    np.testing.assert_array_equal(frame["world_from_camera"], pose)


def test_folders_without_a_data_set(prepared, tmp_path):
    _, error_of = captures.openers(source="tfds", **SPLITS)
    assert "holds no data set" in error_of(tmp_path)
    where = {"scene": "alsem_replica/room_5", "train_split": "hall[:]"}
    assert "has no split 'hall'" in error_of(prepared / "out", **where)
    (tmp_path / "1.0.0").mkdir()
    (tmp_path / "1.0.0" / "dataset_info.json").write_text("{}")
    assert "not written by alsem.prepare" in error_of(tmp_path)
