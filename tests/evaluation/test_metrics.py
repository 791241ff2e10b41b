"""Metrics by their definitions, counted pixel by pixel."""

import numpy as np
import pytest

from alsem.evaluation import calibration, image_quality, segmentation


def confusion_np(predicted, label, num_classes):
    """Pixel by pixel."""
    counts = np.zeros((num_classes, num_classes), np.int64)
    for p, t in zip(predicted.ravel(), label.ravel(), strict=True):
        if t >= 0:
            counts[t, p] += 1
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


def test_confusion_counts_pixels_row_true_column_predicted():
    predicted, label = random_images(0, 6)
    counts = segmentation.confusion(predicted, label, num_classes=6)
    assert counts.dtype == np.int64
    np.testing.assert_array_equal(counts, confusion_np(predicted, label, 6))
    np.testing.assert_array_equal(
        segmentation.confusion(np.array([2]), np.array([1]), num_classes=3),
        [[0, 0, 0], [0, 0, 1], [0, 0, 0]],
    )


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32])
def test_confusion_does_not_overflow_small_integers(dtype):
    predicted, label = np.array([249, 3], dtype), np.array([249, 140], np.int16)
    counts = segmentation.confusion(predicted, label, num_classes=250)
    assert counts[249, 249] == 1 and counts[140, 3] == 1 and counts.sum() == 2


def test_confusions_add_up_over_frames():
    predicted, label = random_images(1, 5)
    frames = [
        segmentation.confusion(p, t, num_classes=5)
        for p, t in zip(predicted, label, strict=True)
    ]
    whole = segmentation.confusion(predicted, label, num_classes=5)
    np.testing.assert_array_equal(sum(frames), whole)


def test_a_label_or_prediction_out_of_range_is_refused():
    for predicted, label in [(0, 3), (3, 2)]:
        with pytest.raises(ValueError, match="classes"):
            segmentation.confusion(
                np.array([predicted]), np.array([label]), num_classes=3
            )
    with pytest.raises(ValueError, match="classes"):  # would count in another cell
        segmentation.confusion(np.array([-1]), np.array([1]), num_classes=3)


@pytest.mark.parametrize("seed", range(3))
def test_scores_equal_the_sets_of_pixels(seed):
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


def test_known_scores():
    # true 0: 3 right, 1 taken for 1; true 1: 2 right; class 2 predicted, never true;
    # class 3 in neither.
    counts = np.array([[3, 1, 1, 0], [0, 2, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
    scores = segmentation.segmentation_scores(counts)
    np.testing.assert_allclose(scores.iou, [3 / 5, 2 / 3, 0, np.nan])
    np.testing.assert_allclose(scores.miou, (3 / 5 + 2 / 3 + 0) / 3)
    np.testing.assert_allclose(scores.miou_present, (3 / 5 + 2 / 3) / 2)
    np.testing.assert_allclose(scores.total_acc, 5 / 7)
    np.testing.assert_allclose(scores.mean_acc, (3 / 5 + 1) / 2)


def test_no_pixel_at_all_is_nan_without_a_warning():
    void = np.full((4, 4), -1, np.int16)
    counts = segmentation.confusion(np.zeros((4, 4), np.int16), void, num_classes=3)
    assert counts.sum() == 0
    scores = segmentation.segmentation_scores(counts)
    figures = [scores.miou, scores.miou_present, scores.total_acc, scores.mean_acc]
    assert np.isnan(figures).all() and np.isnan(scores.iou).all()


def test_counts_stay_exact_where_float32_stops_counting():
    counts = np.array([[2**24 + 1, 0], [1, 2**25 + 1]])
    scores = segmentation.segmentation_scores(counts)
    assert scores.iou[0] == (2**24 + 1) / (2**24 + 2)


def test_calibration_error_of_a_known_case():
    # Bin 9 of 10: confidence .95, 3 of 4 right; bin 5: confidence .55, 1 of 2 right.
    confidence = np.array([0.95] * 4 + [0.55] * 2 + [0.2])
    predicted = np.array([1, 1, 1, 1, 0, 0, 2])
    label = np.array([1, 1, 1, 0, 0, 1, -1])
    sums = calibration.calibration(confidence, predicted, label, bins=10)
    expected = (4 * abs(0.95 - 0.75) + 2 * abs(0.55 - 0.5)) / 6
    np.testing.assert_allclose(sums.error(), expected)
    np.testing.assert_array_equal(np.nonzero(sums.count)[0], [5, 9])


def test_over_and_underconfidence_do_not_cancel_across_bins():
    confidence = np.array([0.9, 0.9, 0.1, 0.1])
    right = np.array([0, 0, 1, 1])
    sums = calibration.calibration(confidence, right, np.ones(4, int), bins=10)
    np.testing.assert_allclose(sums.error(), 0.9)


def test_perfect_calibration_has_no_error():
    rng = np.random.default_rng(2)
    confidence = rng.uniform(size=200_000)
    right = (rng.uniform(size=confidence.size) < confidence).astype(np.int64)
    sums = calibration.calibration(confidence, right, np.ones_like(right))
    # 15 bins: binomial error of a bin of n is below 0.5 / sqrt(n), n = 13,000.
    assert sums.error() < 4.5 * 0.5 / np.sqrt(13_000)


def test_calibration_sums_add_up_and_ends_have_a_bin():
    rng = np.random.default_rng(3)
    confidence = rng.uniform(size=60).astype(np.float32)
    confidence[:2] = [0.0, 1.0]
    predicted, label = rng.integers(0, 3, 60), rng.integers(-1, 3, 60)
    whole = calibration.calibration(confidence, predicted, label)
    parts = [
        calibration.calibration(confidence[s], predicted[s], label[s])
        for s in (slice(0, 10), slice(10, 60))
    ]
    both = parts[0] + parts[1]
    for name in ("count", "right", "confidence"):
        np.testing.assert_allclose(getattr(both, name), getattr(whole, name))
    assert whole.count.sum() == (label >= 0).sum()
    np.testing.assert_allclose(both.error(), whole.error())


def test_no_labelled_pixel_has_no_calibration_error():
    sums = calibration.calibration(np.array([0.5]), np.array([0]), np.array([-1]))
    assert np.isnan(sums.error())


def test_psnr_is_in_decibels():
    np.testing.assert_allclose(image_quality.psnr(0.01), 20.0)
    np.testing.assert_allclose(image_quality.psnr(1.0), 0.0, atol=1e-12)
    assert np.isfinite(image_quality.psnr(0.0))
