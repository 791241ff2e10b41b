"""Label sets drawn before any model, as published protocols draw them."""

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
    draw = np.random.default_rng(0)
    noise = ndimage.gaussian_filter(
        draw.normal(size=(CLASSES + 1, 10, 24, 32)), (0, 0, 3, 3)
    )
    return noise.argmax(axis=0).astype(np.int16) - 1


def drawn(labels, text, seed=0):
    return parse_label_set(text).draw(labels, num_classes=CLASSES, seed=seed)


@pytest.mark.parametrize(
    ("fraction", "kept"), [(0.0, range(10)), (0.5, (0, 2, 4, 5, 7, 9)), (0.9, (0,))]
)
def test_sparse_frames_lie_at_even_steps(labels, fraction, kept):
    found = drawn(labels, f"sparse:{fraction}")
    has = [i for i in range(10) if (found[i] >= 0).any()]
    if fraction == 0.5:
        assert len(has) == 5
        assert max(np.diff(has)) <= 3
        assert {has[0], has[-1]} == {0, 9}
    else:
        assert has == list(kept)
    for i in has:
        np.testing.assert_array_equal(found[i], labels[i])


def test_named_frames(labels):
    found = drawn(labels, "frames:3,7")
    np.testing.assert_array_equal(found[[3, 7]], labels[[3, 7]])
    assert (np.delete(found, [3, 7], axis=0) == -1).all()
    with pytest.raises(InputError, match="frame 10 is beyond the 10"):
        drawn(labels, "frames:10")


def test_noise_changes_a_share_of_every_frame(labels):
    found = drawn(labels, "noise:0.5")
    # A sixth of the wrong ones is right by chance.
    for one, other in zip(found, labels, strict=True):
        assert 0.5 * 5 / 6 == pytest.approx((one != other).mean(), abs=0.06)
    wrong = found[found != labels]
    assert set(np.unique(wrong)) == set(range(-1, CLASSES))
    np.testing.assert_array_equal(drawn(labels, "noise:0.0"), labels)


def test_superresolution(labels):
    found = drawn(labels, "superres:8")
    np.testing.assert_array_equal(found[:, ::8, ::8], labels[:, ::8, ::8])
    assert (found >= 0).sum() == (labels[:, ::8, ::8] >= 0).sum()
    dense = drawn(labels, "superres_dense:5")
    assert dense.shape == labels.shape
    for row, col in ((0, 0), (4, 4), (5, 31), (23, 9)):
        np.testing.assert_array_equal(
            dense[:, row, col], labels[:, row // 5 * 5, col // 5 * 5]
        )


def test_one_click_for_each_class_of_each_frame(labels):
    found = drawn(labels, "click")
    for one, other in zip(found, labels, strict=True):
        for label in range(CLASSES):
            at = np.flatnonzero(one == label)
            assert len(at) == (label in other)
            assert (other.flat[at] == label).all()
    assert (drawn(labels, "click", seed=1) != found).any()
    np.testing.assert_array_equal(drawn(labels, "click"), found)


@pytest.mark.parametrize("fraction", [0.01, 0.1, 1.0])
def test_partial_regions_grow_within_their_class(labels, fraction):
    found = drawn(labels, f"partial:{fraction}")
    assert ((found == labels) | (found == -1)).all()
    for one, other in zip(found, labels, strict=True):
        for label in range(CLASSES):
            whole, part = (other == label).sum(), (one == label).sum()
            if not whole:
                continue
            assert part >= fraction * whole
            # One step of growth too many, at most.
            edge = ndimage.binary_erosion(one == label, np.ones((5, 5))).sum()
            assert edge <= fraction * whole
            pieces = ndimage.label(one == label, np.ones((3, 3)))[1]
            assert pieces <= ndimage.label(other == label, np.ones((3, 3)))[1]
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
def test_sets_that_cannot_be(text):
    with pytest.raises(InputError) as caught:
        parse_label_set(text)
    assert repr(text) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def box(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sets")
    tiny.write_box(folder)
    return folder


@pytest.mark.parametrize("text", ["click", "noise:0.3"])
def test_a_set_goes_through_the_label_store(box, text):
    config = tiny.config(box, "full", active__label_set=text)
    name = text.partition(":")[0]
    runner.start_run(config, box / "runs" / name)
    data = config.data.to_dict()
    data.pop("room"), data.pop("make_room")
    scene, truth = open_capture(**data)
    expected = parse_label_set(text).draw(
        truth.train_labels, num_classes=len(scene.class_names), seed=config.seed
    )
    store = LabelStore(box / "runs" / name / "labels.sqlite")
    pixel, label = expand_annotations(
        store.annotations(), members=None, image_size=(tiny.HEIGHT, tiny.WIDTH)
    )
    np.testing.assert_array_equal(pixel, np.flatnonzero(expected.ravel() >= 0))
    np.testing.assert_array_equal(label, expected.ravel()[pixel])
    row = json.loads((box / "runs" / name / "summary.json").read_text())
    assert row["pixels"] == (expected >= 0).sum()
    if text == "click":
        assert row["clicks"] == row["pixels"]


def test_a_set_needs_full_supervision(box):
    with pytest.raises(InputError, match=r"unless active.strategy"):
        runner.start_run(
            tiny.config(box, active__label_set="click"), box / "runs" / "no"
        )
