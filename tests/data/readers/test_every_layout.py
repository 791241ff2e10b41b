"""One room in every layout gives the same scene; every config runs on its layout."""

import csv
import json

import captures
import layouts
import numpy as np
import pytest
import tiny

from alsem.data import open_capture
from alsem.reporting.json_records import read_jsonl
from alsem.runs import config_files, runner

FRAMES = {captures.TRAIN: tiny.TRAIN_FRAMES, captures.TEST: tiny.TEST_FRAMES}
SPLITS = {
    "train_split": f"{captures.TRAIN}[:]",
    "test_split": f"{captures.TEST}[:]",
}
ALL = {
    "train_split": f"frames[:{tiny.TRAIN_FRAMES}]",
    "test_split": f"frames[{tiny.TRAIN_FRAMES}:]",
    "classes": ("1 wall", "5 chair", "35 lamp"),
}
SOURCES = {
    "nerfstudio": ("nerfstudio", SPLITS),
    "colmap_binary": ("colmap", SPLITS),
    "colmap_text": ("colmap", SPLITS),
    "files": ("scannet", ALL),
    "sens": ("scannet", ALL),
}


@pytest.fixture(scope="module")
def rooms(tmp_path_factory):
    """The box of `tiny`, compressed as JPEG and written in all layouts."""
    folder = tmp_path_factory.mktemp("layouts")
    originals = {}
    for seed, (name, n) in enumerate(FRAMES.items()):
        held = originals[name] = tiny.shoot(n, seed)
        ids = np.array([0, *captures.CLASSES.values()])
        held["label"] = ids[held["label"] % 4].astype(np.uint8)  # with void
    written = {
        name: held | {"rgb": np.stack([layouts.decoded(rgb) for rgb in held["rgb"]])}
        for name, held in originals.items()
    }
    for name in ("replica", *SOURCES):
        (folder / name).mkdir()
    captures.write_sequences(folder / "replica", written)
    info = {"classes": {name: {"id": i} for name, i in captures.CLASSES.items()}}
    (folder / "replica" / "info.json").write_text(json.dumps(info))
    layouts.write_nerfstudio(folder / "nerfstudio", written)
    layouts.write_colmap(folder / "colmap_binary", written, binary=True)
    layouts.write_colmap(folder / "colmap_text", written, binary=False, model="OPENCV")
    layouts.write_scannet(folder / "files", originals)
    layouts.write_scannet(folder / "sens", originals, recording=True)
    return folder


@pytest.mark.parametrize("factor", [1, 2])
@pytest.mark.parametrize("name", SOURCES)
def test_scenes_are_the_same(rooms, name, factor):
    source, options = SOURCES[name]
    scene, truth = open_capture(dir=rooms / "replica", downscale=factor, **SPLITS)
    other, other_truth = open_capture(
        dir=rooms / name, source=source, downscale=factor, **options
    )
    assert other.intrinsics == scene.intrinsics
    assert other.class_names == scene.class_names
    for split in ("train", "test"):
        a, b = getattr(scene, split), getattr(other, split)
        np.testing.assert_array_equal(a.rgb, b.rgb)
        np.testing.assert_allclose(a.world_from_cam, b.world_from_cam, atol=1e-6)
        assert b.valid_mask is None
    np.testing.assert_allclose(scene.train.depth_z, other.train.depth_z, rtol=1e-6)
    np.testing.assert_allclose(truth.test_depth_z, other_truth.test_depth_z, rtol=1e-6)
    np.testing.assert_array_equal(truth.train_labels, other_truth.train_labels)
    np.testing.assert_array_equal(truth.test_labels, other_truth.test_labels)


def answer_all(workdir, path):
    """Answers every query of a round with the first class."""
    with (workdir / "queries.csv").open(newline="") as file:
        queries = list(csv.DictReader(file))
    rows = [f"{q['frame']},{q['row']},{q['col']},wall" for q in queries]
    path.write_text("\n".join(["frame,row,col,label", *rows]) + "\n")


@pytest.mark.parametrize(
    ("name", "layout", "rounds"),
    [
        ("replica", "replica", 3),
        ("scannet", "files", 3),
        ("capture", "nerfstudio", 1),
    ],
)
def test_every_config_has_a_smoke_run(
    rooms, name, layout, rounds, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)  # where answers.csv is read from
    config = config_files.load(f"{tiny.ROOT}/configs/{name}.py:smoke")
    config.data.update({"dir": str(rooms / layout), "scene": "", "downscale": 1})
    if name == "replica":
        config.data.update(SPLITS)
    config.train.geometry.fit.steps = config.train.semantics.fit.steps = 20
    workdir = rooms / "runs" / f"smoke_{name}"
    runner.start_run(config, workdir)
    if name == "capture":
        answer_all(workdir, tmp_path / "answers.csv")
        runner.start_run(config, workdir)
    rows = read_jsonl(workdir / "rounds.jsonl")
    assert len(rows) == rounds
    assert rows[0]["clicks"] == 20
