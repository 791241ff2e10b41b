import numpy as np
import pytest
from captures import input_error
from scipy import ndimage

from alsem.annotation import parse_label_set

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
    changed = (found != labels).mean(axis=(1, 2))
    np.testing.assert_allclose(changed, 0.5 * 5 / 6, atol=0.06)
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
    np.testing.assert_array_equal(found[found >= 0], labels[found >= 0])
    for image, true in zip(found, labels, strict=True):
        known, counts = np.unique(image[image >= 0], return_counts=True)
        np.testing.assert_array_equal(known, np.unique(true[true >= 0]))
        assert (counts == 1).all()
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
    assert repr(text) in input_error(parse_label_set, text)


def test_a_missing_frame_is_an_input_error(labels):
    error = input_error(drawn, labels, "frames:10")
    assert "frame 10 does not exist" in error and " 10 training" in error
