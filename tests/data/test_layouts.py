"""One room in every layout: the same rays, labels and run; configs for each of them."""

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

SEQUENCES = (captures.TRAIN, captures.TEST)
FRAMES = (tiny.TRAIN_FRAMES, tiny.TEST_FRAMES)
SPLITS = {"train_split": f"{SEQUENCES[0]}[:]", "test_split": f"{SEQUENCES[1]}[:]"}
ALL = {
    "train_split": f"frames[:{FRAMES[0]}]",
    "test_split": f"frames[{FRAMES[0]}:]",
    "classes": ("1 wall", "5 chair", "35 lamp"),
}
SOURCES = {
    "replica": ("replica", SPLITS),
    "nerfstudio": ("nerfstudio", SPLITS),
    "colmap": ("colmap", SPLITS),
    "files": ("scannet", ALL),
    "sens": ("scannet", ALL),
}


@pytest.fixture(scope="module")
def rooms(tmp_path_factory):
    """The box, photographed through JPEG and written in all layouts."""
    folder = tmp_path_factory.mktemp("layouts")
    written = {}
    for seed, (name, n) in enumerate(zip(SEQUENCES, FRAMES, strict=True)):
        held = tiny.shoot(n, seed)
        ids = np.array([0, *captures.CLASSES.values()])
        held["label"] = ids[held["label"] % 4].astype(np.uint8)  # void among them
        held["rgb"] = np.stack([layouts.decoded(rgb) for rgb in held["rgb"]])
        written[name] = held
    for name in SOURCES:
        (folder / name).mkdir()
    captures.write_sequences(folder / "replica", written)
    info = {"classes": {name: {"id": i} for name, i in captures.CLASSES.items()}}
    (folder / "replica" / "info.json").write_text(json.dumps(info))
    layouts.write_nerfstudio(folder / "nerfstudio", written)
    layouts.write_colmap(folder / "colmap", written, binary=True)
    originals = {
        name: held | {"rgb": tiny.shoot(n, seed)["rgb"]}
        for seed, ((name, held), n) in enumerate(
            zip(written.items(), FRAMES, strict=True)
        )
    }
    layouts.write_scannet(folder / "files", originals)
    layouts.write_scannet(folder / "sens", originals, recording=True)
    return folder


def opened(rooms, name):
    source, options = SOURCES[name]
    return open_capture(dir=rooms / name, source=source, **options)


@pytest.mark.parametrize("name", [name for name in SOURCES if name != "replica"])
def test_rays_and_labels_are_the_same(rooms, name):
    (scene, truth), (found, found_truth) = opened(rooms, "replica"), opened(rooms, name)
    assert found.intrinsics == scene.intrinsics
    for split in ("train", "test"):
        one, other = getattr(scene, split), getattr(found, split)
        np.testing.assert_array_equal(one.rgb, other.rgb)
        np.testing.assert_allclose(one.world_from_cam, other.world_from_cam, atol=1e-6)
    np.testing.assert_allclose(scene.train.depth_z, found.train.depth_z, rtol=1e-6)
    np.testing.assert_array_equal(truth.train_labels, found_truth.train_labels)
    np.testing.assert_array_equal(truth.test_labels, found_truth.test_labels)
    assert found.class_names == scene.class_names


@pytest.mark.parametrize("name", ["colmap", "sens"])
def test_runs_are_the_same(rooms, name):
    rows = []
    for layout in ("replica", name):
        source, options = SOURCES[layout]
        config = tiny.config(rooms / layout, active__rounds=2)
        with config.unlocked():
            config.data.update({"source": source, "scene": "", **options})
        workdir = rooms / "runs" / layout
        runner.start_run(config, workdir)
        rows.append(read_jsonl(workdir / "rounds.jsonl")[-1])
    same = rows[0]["miou"] == rows[1]["miou"] and rows[0]["psnr"] == rows[1]["psnr"]
    # COLMAP's quaternions round, others give the very same numbers.
    assert same or name == "colmap"
    assert rows[0]["psnr"] == pytest.approx(rows[1]["psnr"], abs=0.5)
    assert rows[0]["depth_l1_m"] == pytest.approx(rows[1]["depth_l1_m"], rel=0.2)


def answer_all(workdir, path):
    """Answers every query of a round with the first class."""
    with (workdir / "queries.csv").open(newline="") as file:
        queried = list(csv.DictReader(file))
    rows = [f"{q['frame']},{q['row']},{q['col']},wall" for q in queried]
    path.write_text("\n".join(["frame,row,col,label", *rows]) + "\n")


TINY = {
    "replica": {
        "train_split": f"{SEQUENCES[0]}[:]",
        "test_split": f"{SEQUENCES[1]}[:]",
    },
    "scannet": {},
    "capture": {},
}


@pytest.mark.parametrize("name", TINY)
def test_every_config_has_a_smoke_run(rooms, name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # where answers.csv is looked for
    config = config_files.load(f"{tiny.ROOT}/configs/{name}.py:smoke")
    layout = {"scannet": "files", "capture": "nerfstudio"}.get(name, name)
    config.data.update({"dir": str(rooms / layout), "scene": "", "downscale": 1})
    config.data.update(TINY[name])
    config.train.geometry.fit.steps = config.train.semantics.fit.steps = 20
    workdir = rooms / "runs" / f"smoke_{name}"
    runner.start_run(config, workdir)
    if name == "capture":
        answer_all(workdir, tmp_path / "answers.csv")
        runner.start_run(config, workdir)
    rows = read_jsonl(workdir / "rounds.jsonl")
    assert len(rows) == (1 if name == "capture" else 3)
    assert rows[0]["clicks"] == 20
