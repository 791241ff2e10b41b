"""Masked pixels are neither trained on nor queried nor scored."""

import json
import shutil

import captures
import jax
import numpy as np
import pytest
import tiny
from PIL import Image

from alsem.acquisition import units_within
from alsem.active.pixel_data import pixel_data
from alsem.evaluation import image_quality
from alsem.reporting.json_records import read_jsonl
from alsem.runs import runner


def write_masks(scene, frames, size, seed=3):
    """Writes masks that hide a third of the pixels, in blocks; returns them [n h w]."""
    draw = np.random.default_rng(seed)
    width, height = size
    low = draw.random((frames, -(-height // 3), -(-width // 4))) < 2 / 3
    valid_mask = low.repeat(3, axis=1).repeat(4, axis=2)[:, :height, :width]
    for i in range(frames):
        path = scene / "mask" / f"mask_{i}.png"
        captures.save_png(path, (255 * valid_mask[i]).astype(np.uint8))
    return valid_mask


def test_units_are_renumbered_within_a_mask():
    unit = np.array([0, 0, 1, 1, 2, -1, 3], np.int32)
    inside = np.array([True, False, False, False, True, True, True])
    assert units_within(inside, unit).tolist() == [0, -1, -1, -1, 1, -1, 2]


def test_psnr_ignores_masked_pixels():
    true = np.full((1, 2, 2, 3), 100, np.uint8)
    rgb = true.copy()
    rgb[0, 0, 0], rgb[0, 1, 1] = 110, 255
    depth = np.ones((1, 2, 2), np.float32)
    valid_mask = np.ones((1, 2, 2), bool)
    valid_mask[0, 1, 1] = False
    found = image_quality.geometry_metrics(rgb, true, depth, None, valid_mask)
    assert found["psnr"] == pytest.approx(-10 * np.log10((10 / 255) ** 2 / 3))


@pytest.fixture(scope="module")
def boxes(tmp_path_factory):
    """Two masked captures that differ in masked pixels only, and their mask."""
    folder = tmp_path_factory.mktemp("boxes")
    (folder / "one").mkdir()
    scene = tiny.write_box(folder / "one")
    size = (tiny.WIDTH, tiny.HEIGHT)
    valid_mask = write_masks(scene / captures.TRAIN, tiny.TRAIN_FRAMES, size)
    tested = write_masks(scene / captures.TEST, tiny.TEST_FRAMES, size, seed=4)
    shutil.copytree(folder / "one", folder / "other")
    for name, mask in ((captures.TRAIN, valid_mask), (captures.TEST, tested)):
        for i in range(len(mask)):
            path = folder / "other" / "box" / name / "rgb" / f"rgb_{i}.png"
            with Image.open(path) as image:
                rgb = np.array(image)
            rgb[~mask[i]] = 255 - rgb[~mask[i]]
            captures.save_png(path, rgb)
    return folder, valid_mask


def test_training_pixels_are_drawn_from_valid_pixels(boxes):
    folder, valid_mask = boxes
    experiment = tiny.parts(tiny.config(folder / "one"), folder / "runs" / "unused")
    data = pixel_data(experiment.scene)
    drawn = np.asarray(data.draw(jax.random.key(0), 5000))
    assert valid_mask.reshape(-1)[drawn].all()
    assert len(np.unique(drawn)) > 0.9 * valid_mask.sum()


def test_masked_pixels_change_no_metric(boxes):
    folder, _ = boxes
    rows = []
    for name in ("one", "other"):
        workdir = folder / name / "runs" / "default"
        runner.start_run(tiny.config(folder / name), workdir)
        rows.append(json.loads((workdir / "summary.json").read_text()))
    for key in ("miou", "psnr", "depth_l1_m", "ece"):
        assert rows[0][key] == rows[1][key]


@pytest.mark.parametrize("granularity", ["point", "patch", "volume", "frame"])
def test_masked_pixels_are_not_queried(boxes, granularity):
    folder, valid_mask = boxes
    workdir = folder / "one" / "runs" / granularity
    changes = {"active__granularity": granularity, "active__rounds": 2}
    config = tiny.config(folder / "one", **changes)
    runner.start_run(config, workdir)
    with runner.reopen_run(workdir) as (run, _):
        labels = run.stages.read_labels(1)
    assert len(labels.queried_pixels) and len(labels.all.pixel)
    for pixel in (labels.queried_pixels, labels.all.pixel):
        assert valid_mask.reshape(-1)[pixel].all()
    (row,) = read_jsonl(workdir / "rounds.jsonl")[-1:]
    assert 0 < row["pixels"] <= valid_mask.sum()
