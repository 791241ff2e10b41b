"""The same frames in every layout give the same scene; every config runs on its own."""

import shutil

import captures
import layouts
import numpy as np
import pytest
import tiny

from alsem.data import open_capture
from alsem.reporting.json_records import read_jsonl
from alsem.runs import config_files, runner

NYU40 = ("1 wall", "5 chair", "35 lamp")
SPLITS = {"train_split": "frames[:12]", "test_split": "frames[12:]"}


def opened(folder, name, **options):
    source = layouts.SOURCES[name]
    if source == "scannet":
        options["classes"] = NYU40
    return open_capture(dir=folder, source=source, **SPLITS, **options)


@pytest.mark.parametrize("factor", [1, 2])
@pytest.mark.parametrize("name", layouts.SOURCES)
def test_scenes_are_the_same(written, name, factor):
    folder, _ = written
    replica = opened(folder / "replica", "replica", downscale=factor)
    found = opened(folder / name, name, downscale=factor)
    captures.assert_same(found, replica, tolerance=1e-6)


@pytest.mark.parametrize(
    ("name", "depth", "labels"),
    [
        ("replica", "*/depth", "*/semantic_class"),
        ("bin", "depth", "semantic"),
        ("txt", "depth", "semantic"),
    ],
)
def test_depth_and_labels_are_optional(copy_of, name, depth, labels):
    room = copy_of(name)
    for folder in list(room.glob(depth)):
        shutil.rmtree(folder)
    scene, truth = opened(room, name)
    assert scene.train.depth_z is None and truth.test_depth_z is None
    assert truth.train_labels is not None and truth.test_labels is not None
    for folder in list(room.glob(labels)):
        shutil.rmtree(folder)
    _, truth = opened(room, name)
    assert truth.train_labels is None and truth.test_labels is None


@pytest.fixture(scope="module")
def boxes(tmp_path_factory):
    """The box of `tiny` in every layout, with three classes and void."""
    folder = tmp_path_factory.mktemp("boxes")
    ids = np.array([0, *captures.CLASSES.values()], np.uint8)
    frames = {
        captures.TRAIN: tiny.shoot(tiny.TRAIN_FRAMES, 0),
        captures.TEST: tiny.shoot(tiny.TEST_FRAMES, 1),
    }
    for held in frames.values():
        held["label"] = ids[held["label"] % 4]
    layouts.write_all(folder, frames)
    return folder


@pytest.mark.parametrize(
    ("name", "layout"),
    [("replica", "replica"), ("scannet", "files"), ("capture", "nerfstudio")],
)
def test_every_config_has_a_smoke_run(boxes, name, layout, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # where answers.csv is read from
    config = config_files.load(f"{tiny.ROOT}/configs/{name}.py:smoke")
    config.data.update({"dir": str(boxes / layout), "scene": "", "downscale": 1})
    # As many frames and classes in every run: most of the time is compilation.
    config.data.update({"train_split": "frames[:8:2]", "test_split": "frames[1:8:2]"})
    if name == "scannet":
        config.data.classes = NYU40
    for key, value in tiny.SHRINK.items():
        if key.startswith(("model.", "train.", "surface.")):
            config.update_from_flattened_dict({key: value})
    workdir = tmp_path / "run"
    runner.start_run(config, workdir)
    if name == "capture":  # it waits for a person's answers
        assert len((workdir / "queries.csv").read_text().splitlines()) == 1 + 20
    else:
        rows = read_jsonl(workdir / "rounds.jsonl")
        assert len(rows) == 3
        assert rows[0]["clicks"] == 20
