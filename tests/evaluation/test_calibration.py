import numpy as np
import pytest

from alsem.evaluation import calibration


@pytest.mark.parametrize(
    ("confidence", "predicted", "label", "error"),
    [
        # Bin 9 of 10: confidence .95, 3 of 4 right; bin 5: .55, 1 of 2 right; void.
        (
            [0.95] * 4 + [0.55] * 2 + [0.2],
            [1, 1, 1, 1, 0, 0, 2],
            [1, 1, 1, 0, 0, 1, -1],
            0.15,
        ),
        # Over- and underconfidence of different bins do not cancel.
        ([0.9, 0.9, 0.1, 0.1], [0, 0, 1, 1], [1, 1, 1, 1], 0.9),
        ([0.5], [0], [-1], np.nan),
    ],
)
def test_errors_of_known_cases(confidence, predicted, label, error):
    columns = map(np.array, (confidence, predicted, label))
    sums = calibration.calibration(*columns, bins=10)
    np.testing.assert_allclose(sums.error(), error)


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
    columns = (confidence, rng.integers(0, 3, 60), rng.integers(-1, 3, 60))
    whole, first, second = (
        calibration.calibration(*(column[part] for column in columns))
        for part in (slice(None), slice(0, 10), slice(10, 60))
    )
    for name in ("count", "right", "confidence"):
        np.testing.assert_allclose(getattr(first + second, name), getattr(whole, name))
    assert whole.count.sum() == (columns[2] >= 0).sum()
