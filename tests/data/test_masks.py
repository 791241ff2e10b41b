"""Masked pixels are neither trained on nor queried nor scored."""

import json

import captures
import jax
import numpy as np
import pytest
import tiny
from PIL import Image

from alsem.active.pixel_data import pixel_data
from alsem.evaluation import image_quality
from alsem.reporting.json_records import read_jsonl
from alsem.runs import runner


def test_psnr_ignores_masked_pixels():
    true = np.full((1, 2, 2, 3), 100, np.uint8)
    rgb = true.copy()
    rgb[0, 0, 0], rgb[0, 1, 1] = 110, 255
    depth = np.ones((1, 2, 2), np.float32)
    valid_mask = np.array([[[True, True], [True, False]]])
    found = image_quality.geometry_metrics(rgb, true, depth, None, valid_mask)
    assert found["psnr"] == pytest.approx(-10 * np.log10((10 / 255) ** 2 / 3))


@pytest.fixture(scope="module")
def boxes(tmp_path_factory):
    """Two captures that differ in masked pixels only, and the mask of training.

    A third of the pixels is masked, in blocks.
    """
    folder = tmp_path_factory.mktemp("boxes")
    tiny.write_box(folder / "one")
    tiny.write_box(folder / "other")
    draw = np.random.default_rng(3)
    masks = {}
    for name, n in (
        (captures.TRAIN, tiny.TRAIN_FRAMES),
        (captures.TEST, tiny.TEST_FRAMES),
    ):
        blocks = draw.random((n, tiny.HEIGHT // 3, tiny.WIDTH // 4)) < 2 / 3
        masks[name] = blocks.repeat(3, axis=1).repeat(4, axis=2)
        for box in ("one", "other"):
            pixels = (255 * masks[name]).astype(np.uint8)
            captures.write_images(folder / box / "box" / name / "mask", pixels)
        for i, valid_mask in enumerate(masks[name]):
            path = folder / "other" / "box" / name / "rgb" / f"rgb_{i}.png"
            with Image.open(path) as image:
                rgb = np.array(image)
            rgb[~valid_mask] = 255 - rgb[~valid_mask]
            captures.save_png(path, rgb)
    return folder, masks[captures.TRAIN]


def finished(folder, granularity="point"):
    """The run of a box, made once."""
    workdir = folder / "runs" / granularity
    if not (workdir / "summary.json").exists():
        changes = {"active__granularity": granularity, "active__rounds": 2}
        runner.start_run(tiny.config(folder, **changes), workdir)
    return workdir


def test_training_pixels_are_drawn_from_valid_pixels(boxes):
    folder, valid_mask = boxes
    experiment = tiny.parts(tiny.config(folder / "one"), folder / "runs" / "unused")
    data = pixel_data(experiment.scene.pool)
    drawn = np.asarray(data.draw(jax.random.key(0), 5000))
    assert valid_mask.reshape(-1)[drawn].all()
    assert len(np.unique(drawn)) > 0.9 * valid_mask.sum()


def test_masked_pixels_change_no_metric(boxes):
    folder, _ = boxes
    one, other = (
        json.loads((finished(folder / name) / "summary.json").read_text())
        for name in ("one", "other")
    )
    for key in ("miou", "psnr", "depth_l1_m", "ece"):
        assert one[key] == other[key]


@pytest.mark.parametrize("granularity", ["point", "patch", "volume", "frame"])
def test_masked_pixels_are_not_queried(boxes, granularity):
    folder, valid_mask = boxes
    workdir = finished(folder / "one", granularity)
    with runner.reopen_run(workdir) as (run, _):
        labels = run.stages.read_labels(1)
    assert len(labels.queried_pixels) and len(labels.all.pixel)
    for pixel in (labels.queried_pixels, labels.all.pixel):
        assert valid_mask.reshape(-1)[pixel].all()
    row = read_jsonl(workdir / "rounds.jsonl")[-1]
    assert 0 < row["pixels"] <= valid_mask.sum()
