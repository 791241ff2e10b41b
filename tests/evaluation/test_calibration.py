import numpy as np

from alsem.evaluation import calibration


def test_error_of_a_known_case():
    # Bin 9 of 10: confidence .95, 3 of 4 right; bin 5: confidence .55, 1 of 2 right.
    confidence = np.array([0.95] * 4 + [0.55] * 2 + [0.2])
    predicted = np.array([1, 1, 1, 1, 0, 0, 2])
    label = np.array([1, 1, 1, 0, 0, 1, -1])
    sums = calibration.calibration(confidence, predicted, label, bins=10)
    np.testing.assert_allclose(sums.error(), 0.15)
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


def test_sums_add_up_and_confidences_0_and_1_have_a_bin():
    rng = np.random.default_rng(3)
    confidence = rng.uniform(size=60).astype(np.float32)
    confidence[:2] = [0.0, 1.0]
    predicted, label = rng.integers(0, 3, 60), rng.integers(-1, 3, 60)
    whole = calibration.calibration(confidence, predicted, label)
    first, second = (
        calibration.calibration(confidence[s], predicted[s], label[s])
        for s in (slice(0, 10), slice(10, 60))
    )
    for name in ("count", "right", "confidence"):
        np.testing.assert_allclose(getattr(first + second, name), getattr(whole, name))
    assert whole.count.sum() == (label >= 0).sum()


def test_error_without_a_labelled_pixel_is_nan():
    sums = calibration.calibration(np.array([0.5]), np.array([0]), np.array([-1]))
    assert np.isnan(sums.error())
