"""Segmentation metrics by their definitions, counted pixel by pixel."""

import numpy as np
import pytest

from alsem.evaluation import segmentation


def confusion_np(predicted, label, num_classes):
    counts = np.zeros((num_classes, num_classes), np.int64)
    known = label >= 0
    np.add.at(counts, (label[known], predicted[known]), 1)
    return counts


def scores_np(predicted, label, num_classes):
    """mIoU, mIoU of present classes, accuracy, mean recall from sets of pixels."""
    valid = label >= 0
    predicted, label = predicted[valid], label[valid]
    ious, present, recalls = [], [], []
    for c in range(num_classes):
        is_true, is_predicted = label == c, predicted == c
        if not (is_true | is_predicted).any():
            continue
        iou = (is_true & is_predicted).sum() / (is_true | is_predicted).sum()
        ious.append(iou)
        if is_true.any():
            present.append(iou)
            recalls.append((is_true & is_predicted).sum() / is_true.sum())
    accuracy = (predicted == label).mean()
    return np.mean(ious), np.mean(present), accuracy, np.mean(recalls)


def random_images(seed, classes, *, shape=(3, 20, 30)):
    rng = np.random.default_rng(seed)
    label = rng.integers(-1, classes, shape).astype(np.int16)
    wrong = rng.integers(0, classes, shape)
    predicted = np.where(rng.uniform(size=shape) < 0.6, np.maximum(label, 0), wrong)
    return predicted.astype(np.int16), label


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32])
def test_confusion_does_not_overflow_small_integers(dtype):
    predicted, label = np.array([249, 3], dtype), np.array([249, 140], np.int16)
    counts = segmentation.confusion(predicted, label, num_classes=250)
    assert counts.dtype == np.int64
    assert counts[249, 249] == 1 and counts[140, 3] == 1 and counts.sum() == 2


def test_confusions_of_chunks_add_up_to_those_of_frames():
    predicted, label = random_images(1, 5)
    counts = segmentation.confusions(predicted.ravel(), label, num_classes=5)
    for images in zip(counts, predicted, label, strict=True):
        expected = confusion_np(*images[1:], 5)
        np.testing.assert_array_equal(images[0], expected)
    # Chunks of one size, across the frames, in any order of rays.
    order = np.random.default_rng(2).permutation(label.size)
    flat = (predicted.ravel(), label.ravel(), np.repeat([0, 1, 2], label[0].size))
    parts = [
        segmentation.partial_confusions(
            *(values[chunk] for values in flat), num_frames=3, num_classes=5
        )
        for chunk in np.array_split(order, 7)
    ]
    np.testing.assert_array_equal(sum(parts), counts)


@pytest.mark.parametrize(("predicted", "label"), [(0, 3), (3, 2), (-1, 1)])
def test_a_label_or_prediction_out_of_range_is_refused(predicted, label):
    with pytest.raises(ValueError, match="classes"):
        segmentation.confusion(np.array([predicted]), np.array([label]), num_classes=3)


@pytest.mark.parametrize("seed", range(3))
def test_scores_equal_those_of_sets_of_pixels(seed):
    predicted, label = random_images(seed, 8)
    label[label == 5] = -1  # predicted but absent
    predicted[predicted == 7] = 0
    label[label == 7] = -1  # absent from both
    predicted[predicted == 2] = 3  # present but never predicted
    scores = segmentation.segmentation_scores(
        segmentation.confusion(predicted, label, num_classes=8)
    )
    actual = (scores.miou, scores.miou_present, scores.total_acc, scores.mean_acc)
    np.testing.assert_allclose(actual, scores_np(predicted, label, 8), rtol=1e-12)
    assert np.isnan(scores.iou[7]) and scores.iou[5] == 0 and scores.iou[2] == 0
    assert not np.isnan(scores.iou[:7]).any()


def test_scores_without_a_pixel_are_nan_without_a_warning():
    scores = segmentation.segmentation_scores(np.zeros((3, 3), np.int64))
    values = [scores.miou, scores.miou_present, scores.total_acc, scores.mean_acc]
    assert np.isnan(values).all() and np.isnan(scores.iou).all()


def test_scores_are_exact_beyond_float32_integers():
    counts = np.array([[2**24 + 1, 0], [1, 2**25 + 1]])
    scores = segmentation.segmentation_scores(counts)
    assert scores.iou[0] == (2**24 + 1) / (2**24 + 2)


def test_semantic_metrics_of_a_known_case():
    # Class 0: 3 right, 1 predicted as 1, 1 as 2; class 1: 2 right; class 3 in neither.
    label = np.array([[[0, 0, 0, 0], [0, 1, 1, -1]]])
    predicted = np.array([0, 0, 0, 1, 2, 1, 1, 3])
    counts = segmentation.confusions(predicted, label, num_classes=4)
    names = ("wall", "lamp", "rug", "sofa")
    row = segmentation.semantic_metrics(predicted, np.ones(8), label, counts, names)
    expected = {
        "miou": (3 / 5 + 2 / 3 + 0) / 3,
        "miou_present": (3 / 5 + 2 / 3) / 2,
        "total_acc": 5 / 7,
        "mean_acc": (3 / 5 + 1) / 2,
        "ece": 2 / 7,
    }
    assert {key: row[key] for key in expected} == pytest.approx(expected)
    assert list(row["iou_per_class"]) == list(names)
    assert row["iou_per_class"]["lamp"] == pytest.approx(2 / 3)
    bare = segmentation.semantic_metrics(predicted, np.ones(8), None, None, names)
    assert bare.keys() == row.keys() and bare["miou"] is None
    assert bare["iou_per_class"] == dict.fromkeys(names)
