"""Captures are written as TensorFlow Datasets and read back."""

import subprocess
import sys

import captures
import layouts
import numpy as np
import pytest
import tensorflow_datasets as tfds
import tiny
from captures import TEST, TRAIN, save_png

from alsem.data import READERS, open_capture
from alsem.data.tfds_builders import prepare

SPLITS = {"train_split": f"{TRAIN}[::3]", "test_split": f"{TEST}[:]"}


def assert_same(one, other):
    (scene, truth), (scene2, truth2) = one, other
    assert scene.fingerprint() == scene2.fingerprint()
    assert scene.train.names == scene2.train.names
    assert scene.class_names == scene2.class_names
    assert scene.class_ids == scene2.class_ids
    np.testing.assert_array_equal(scene.test.rgb, scene2.test.rgb)
    np.testing.assert_array_equal(truth.train_labels, truth2.train_labels)
    np.testing.assert_array_equal(truth.test_labels, truth2.test_labels)
    np.testing.assert_array_equal(truth.test_depth_z, truth2.test_depth_z)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A capture with masks and instances, and the data set written from it."""
    folder = tmp_path_factory.mktemp("tfds")
    captures.write_capture(folder / "room_5", size=(16, 12))
    draw = np.random.default_rng(0)
    for i in range(12):
        mask = (255 * (draw.random((12, 16)) < 0.8)).astype(np.uint8)
        save_png(folder / "room_5" / TRAIN / "mask" / f"mask_{i}.png", mask)
        ids = draw.integers(0, 60000, (12, 16), np.uint16)
        place = folder / "room_5" / TRAIN / "semantic_instance"
        save_png(place / f"semantic_instance_{i}.png", ids)
    capture = READERS["replica"](folder, "room_5", ())
    prepare("alsem_replica", capture, folder / "out")
    return folder


@pytest.mark.parametrize("source", ["tfds", "auto"])
def test_data_set_holds_what_the_capture_holds(prepared, source):
    replica = open_capture(dir=prepared, scene="room_5", **SPLITS)
    where = {"dir": prepared / "out", "scene": "alsem_replica/room_5"}
    assert_same(replica, open_capture(source=source, **where, **SPLITS))


def test_classes_of_the_config_come_first(prepared):
    scene, _ = open_capture(
        dir=prepared / "out" / "alsem_replica" / "room_5" / "1.0.0",
        source="tfds",
        classes=["1 wall", "4 stool", "9 lamp"],
        **SPLITS,
    )
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


def test_scannet(tmp_path):
    written = captures.write_capture(tmp_path / "room")
    (tmp_path / "scene0").mkdir()
    layouts.write_scannet(tmp_path / "scene0", written)
    capture = READERS["scannet"](tmp_path, "scene0", ())
    prepare("alsem_scannet", capture, tmp_path / "out")
    splits = {"train_split": "frames[:12]", "test_split": "frames[12:]"}
    out = {"dir": tmp_path / "out", "scene": "alsem_scannet/scene0", "source": "tfds"}
    assert_same(
        open_capture(dir=tmp_path, scene="scene0", source="scannet", **splits),
        open_capture(**out, **splits),
    )


def test_folders_without_a_data_set(prepared, tmp_path):
    def error_of(**options):
        options = {"source": "tfds", **SPLITS} | options
        return captures.input_error(open_capture, **options)

    assert "holds no data set" in error_of(dir=tmp_path)
    where = {"dir": prepared / "out", "scene": "alsem_replica/room_5"}
    assert "has no split 'hall'" in error_of(**where, train_split="hall[:]")
    (tmp_path / "1.0.0").mkdir()
    (tmp_path / "1.0.0" / "dataset_info.json").write_text("{}")
    assert "not written by alsem.prepare" in error_of(dir=tmp_path)


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "alsem.prepare", *map(str, arguments)],
        cwd=tiny.ROOT,
        capture_output=True,
        text=True,
    )


def test_command(prepared, tmp_path):
    flags = [f"--source={prepared}", f"--out={tmp_path / 'sets'}"]
    done = run("--dataset=alsem_replica", *flags)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip().endswith("alsem_replica/room_5/1.0.0")
    done = run("--dataset=alsem_replica", *flags)
    assert done.returncode == 0
    assert "alsem_replica/room_5/1.0.0: exists already and is kept" in done.stdout


@pytest.mark.parametrize(
    "flags",
    [
        ["--dataset=coco", "--source=.", "--out=sets"],
        ["--dataset=alsem_scannet", "--source=tests", "--out=sets"],
        ["--dataset=alsem_replica", "--source=tests"],
    ],
)
def test_wrong_flags_of_the_command(flags):
    done = run(*flags)
    assert done.returncode == 2
    assert done.stderr.startswith("alsem.prepare: ")
    assert done.stderr.count("\n") == 1
