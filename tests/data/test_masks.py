"""Pixels that show nothing of the scene: not learnt from, asked about or scored."""

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
from alsem.core.errors import InputError
from alsem.data import open_capture
from alsem.evaluation import image_quality
from alsem.reporting.json_records import read_jsonl
from alsem.runs import runner

SPLITS = {
    "train_split": f"{captures.TRAIN}[::3]",
    "test_split": f"{captures.TEST}[:]",
}


def write_masks(scene, frames, size, seed=3):
    """Hides about a third of the pixels, in blocks; what is shown [n h w]."""
    draw = np.random.default_rng(seed)
    width, height = size
    low = draw.random((frames, -(-height // 3), -(-width // 4))) < 2 / 3
    valid_mask = low.repeat(3, axis=1).repeat(4, axis=2)[:, :height, :width]
    for i in range(frames):
        path = scene / "mask" / f"mask_{i}.png"
        captures.save_png(path, (255 * valid_mask[i]).astype(np.uint8))
    return valid_mask


@pytest.fixture
def room(tmp_path):
    captures.write_capture(tmp_path / "room", size=(24, 12))
    return tmp_path / "room"


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_a_hidden_pixel_has_neither_depth_nor_label(room, factor):
    bare, bare_truth = open_capture(dir=room, downscale=factor, **SPLITS)
    valid_mask = write_masks(room / captures.TRAIN, 12, (24, 12))[::3]
    write_masks(room / captures.TEST, 3, (24, 12))
    scene, truth = open_capture(dir=room, downscale=factor, **SPLITS)
    blocks = [
        valid_mask[:, row::factor, col::factor]
        for row in range(factor)
        for col in range(factor)
    ]
    expected = np.logical_and.reduce(blocks)
    np.testing.assert_array_equal(scene.train.valid_mask, expected)
    np.testing.assert_array_equal(
        scene.train.depth_z, np.where(expected, bare.train.depth_z, 0)
    )
    np.testing.assert_array_equal(
        truth.train_labels, np.where(expected, bare_truth.train_labels, -1)
    )
    np.testing.assert_array_equal(scene.train.rgb, bare.train.rgb)
    hidden = ~scene.test.valid_mask
    assert (truth.test_labels[hidden] == -1).all()
    assert (truth.test_depth_z[hidden] == 0).all()
    assert scene.fingerprint() != bare.fingerprint()


def test_a_mask_of_one_bit(room):
    for i in range(12):
        path = room / captures.TRAIN / "mask" / f"mask_{i}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(np.arange(24 * 12).reshape(12, 24) % 5 > 0).save(path)
    scene, _ = open_capture(dir=room, **SPLITS)
    assert scene.train.valid_mask is not None
    assert scene.train.valid_mask.mean() == pytest.approx(0.8, abs=0.01)


def test_a_mask_of_another_kind_or_missing(room):
    write_masks(room / captures.TRAIN, 12, (24, 12))
    path = room / captures.TRAIN / "mask" / "mask_6.png"
    Image.new("RGB", (24, 12)).save(path)
    with pytest.raises(InputError, match=r"mask_6.png: 8-bit RGB pixels; write"):
        open_capture(dir=room, **SPLITS)
    path.unlink()
    with pytest.raises(InputError, match=r"mask_6.png: missing; add it, or take"):
        open_capture(dir=room, **SPLITS)


def test_units_are_numbered_anew_within_a_mask():
    unit = np.array([0, 0, 1, 1, 2, -1, 3], np.int32)
    inside = np.array([True, False, False, False, True, True, True])
    assert units_within(inside, unit).tolist() == [0, -1, -1, -1, 1, -1, 2]


def test_psnr_is_of_what_is_shown():
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
    """A masked capture, one that differs from it where it is hidden, and the mask."""
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


def test_only_what_is_shown_is_drawn_from(boxes):
    folder, valid_mask = boxes
    experiment = tiny.parts(tiny.config(folder / "one"), folder / "runs" / "unused")
    data = pixel_data(experiment.scene)
    drawn = np.asarray(data.draw(jax.random.key(0), 5000))
    assert valid_mask.reshape(-1)[drawn].all()
    assert len(np.unique(drawn)) > 0.9 * valid_mask.sum()


def test_what_is_hidden_changes_nothing(boxes):
    folder, _ = boxes
    rows = []
    for name in ("one", "other"):
        workdir = folder / name / "runs" / "default"
        runner.start_run(tiny.config(folder / name), workdir)
        rows.append(json.loads((workdir / "summary.json").read_text()))
    for key in ("miou", "psnr", "depth_l1_m", "ece"):
        assert rows[0][key] == rows[1][key]


@pytest.mark.parametrize("granularity", ["point", "patch", "volume", "frame"])
def test_what_is_hidden_is_not_asked_about(boxes, granularity):
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
