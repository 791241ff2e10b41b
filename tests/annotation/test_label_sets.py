import json

import numpy as np
import pytest
import tiny
from scipy import ndimage

from alsem.annotation import LabelStore, expand_annotations, parse_label_set
from alsem.core.errors import InputError
from alsem.data import open_capture
from alsem.runs import runner

CLASSES = 5


@pytest.fixture(scope="module")
def labels():
    """Ten frames of blobs, with void among them."""
    noise = np.random.default_rng(0).normal(size=(CLASSES + 1, 10, 24, 32))
    noise = ndimage.gaussian_filter(noise, (0, 0, 3, 3))
    return noise.argmax(axis=0).astype(np.int16) - 1


def drawn(labels, text, seed=0):
    return parse_label_set(text).draw(labels, num_classes=CLASSES, seed=seed)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("sparse:0.0", range(10)),
        ("sparse:0.5", [0, 2, 4, 7, 9]),
        ("sparse:0.9", [0]),
        ("frames:3,7", [3, 7]),
    ],
)
def test_sets_of_whole_frames(labels, text, kept):
    found = drawn(labels, text)
    np.testing.assert_array_equal(found[kept], labels[kept])
    assert (np.delete(found, kept, axis=0) == -1).all()


def test_noise_replaces_a_fraction_of_every_frame(labels):
    found = drawn(labels, "noise:0.5")
    # a sixth of the replacements equals the true label
    for image, true in zip(found, labels, strict=True):
        assert 0.5 * 5 / 6 == pytest.approx((image != true).mean(), abs=0.06)
    assert set(np.unique(found[found != labels])) == set(range(-1, CLASSES))
    np.testing.assert_array_equal(drawn(labels, "noise:0.0"), labels)


def test_super_resolution(labels):
    found = drawn(labels, "superres:8")
    np.testing.assert_array_equal(found[:, ::8, ::8], labels[:, ::8, ::8])
    assert (found >= 0).sum() == (labels[:, ::8, ::8] >= 0).sum()
    dense = drawn(labels, "superres_dense:5")
    assert dense.shape == labels.shape
    for row, col in ((0, 0), (4, 4), (5, 31), (23, 9)):
        nearest = labels[:, row // 5 * 5, col // 5 * 5]
        np.testing.assert_array_equal(dense[:, row, col], nearest)


def test_one_click_for_each_class_of_each_frame(labels):
    found = drawn(labels, "click")
    for image, true in zip(found, labels, strict=True):
        for label in range(CLASSES):
            at = np.flatnonzero(image == label)
            assert len(at) == (label in true)
            assert (true.flat[at] == label).all()
    assert (drawn(labels, "click", seed=1) != found).any()
    np.testing.assert_array_equal(drawn(labels, "click"), found)


@pytest.mark.parametrize("fraction", [0.01, 0.1, 1.0])
def test_partial_regions_grow_within_their_class(labels, fraction):
    found = drawn(labels, f"partial:{fraction}")
    assert ((found == labels) | (found == -1)).all()
    for image, true in zip(found, labels, strict=True):
        for label in np.unique(true[true >= 0]):
            whole, part = true == label, image == label
            wanted = fraction * whole.sum()
            assert part.sum() >= wanted
            # at most one step of growth too many
            assert ndimage.binary_erosion(part, np.ones((5, 5))).sum() <= wanted
            count = [ndimage.label(a, np.ones((3, 3)))[1] for a in (part, whole)]
            assert count[0] <= count[1]
    if fraction == 1.0:
        np.testing.assert_array_equal(found, labels)


@pytest.mark.parametrize(
    "text",
    [
        *("all", "sparse", "sparse:1", "sparse:-0.1", "sparse:0.1,0.2", "sparse:x"),
        *("frames", "frames:1.5", "frames:-1", "noise:2", "superres:0", "superres:2.5"),
        *("superres_dense", "click:1", "partial:0", "partial:nan", "click:"),
    ],
)
def test_malformed_sets_are_input_errors(text):
    with pytest.raises(InputError) as caught:
        parse_label_set(text)
    assert repr(text) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_frame_is_an_input_error(labels):
    with pytest.raises(InputError, match=r"frame 10 does not exist.* 10 training"):
        drawn(labels, "frames:10")


@pytest.fixture(scope="module")
def box(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sets")
    tiny.write_box(folder)
    return folder


@pytest.mark.parametrize("text", ["click", "noise:0.3"])
def test_a_run_is_trained_on_the_label_set(box, text):
    config = tiny.config(box, "full", active__label_set=text)
    workdir = box / "runs" / text.partition(":")[0]
    runner.start_run(config, workdir)
    data = config.data.to_dict()
    data.pop("room"), data.pop("make_room")
    scene, truth = open_capture(**data)
    expected = parse_label_set(text).draw(
        truth.train_labels, num_classes=len(scene.class_names), seed=config.seed
    )
    with LabelStore(workdir / "labels.sqlite") as store:
        pixel, label = expand_annotations(
            store.annotations(), image_size=(tiny.HEIGHT, tiny.WIDTH)
        )
    np.testing.assert_array_equal(pixel, np.flatnonzero(expected.ravel() >= 0))
    np.testing.assert_array_equal(label, expected.ravel()[pixel])
    row = json.loads((workdir / "summary.json").read_text())
    assert row["pixels"] == (expected >= 0).sum()
    if text == "click":
        assert row["clicks"] == row["pixels"]


def test_a_label_set_needs_full_supervision(box):
    with pytest.raises(InputError, match=r"unless active.strategy"):
        runner.start_run(
            tiny.config(box, active__label_set="click"), box / "runs" / "no"
        )
