"""The mIoU that beliefs tell: calibration, unmet classes, expected confusions."""

import numpy as np
import pytest

from alsem.evaluation import expected_miou, segmentation

C = 5


def beliefs(num, *, sharpness, seed=0):
    """Beliefs, and labels drawn from them as they are at sharpness 1."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (num, C))

    def softmax(values):
        raw = np.exp(values - values.max(axis=-1, keepdims=True))
        return raw / raw.sum(axis=-1, keepdims=True)

    honest = softmax(logits)
    label = (rng.uniform(size=(num, 1)) > honest.cumsum(axis=-1)).sum(axis=-1)
    return softmax(sharpness * logits), np.minimum(label, C - 1), honest


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 3.0])
def test_the_temperature_undoes_what_beliefs_are_too_sure(sharpness):
    probs, label, _ = beliefs(5000, sharpness=sharpness)
    assert expected_miou.temperature(probs, label) == pytest.approx(sharpness, rel=0.12)


def test_without_labels_beliefs_stay_as_they_are():
    assert expected_miou.temperature(np.zeros((0, C)), np.zeros(0, int)) == 1.0


def test_honest_beliefs_expect_what_comes_true():
    probs, label, _ = beliefs(20_000, sharpness=1.0)
    predicted = probs.argmax(axis=-1)
    expected = probs.T @ np.eye(C)[predicted]
    measured = segmentation.confusion(predicted, label, num_classes=C)
    found = expected_miou.expected_miou(expected, np.full(C, 10))
    assert found == pytest.approx(
        segmentation.miou(segmentation.class_sums(measured)), abs=0.01
    )
    # Too sure of itself it would expect too much.
    sure, _, _ = beliefs(20_000, sharpness=3.0)
    assert expected_miou.expected_miou(
        sure.T @ np.eye(C)[predicted], np.full(C, 10)
    ) > (found + 0.1)


def test_classes_that_nobody_met_are_expected_by_chao_and_count_nothing():
    assert expected_miou.unseen_classes(np.array([5, 9, 0, 0])) == 0  # none is rare
    labels = np.array([1, 1, 1, 2, 0, 0, 0, 0])
    assert expected_miou.unseen_classes(labels) == pytest.approx(3 * 2 / (2 * 2))
    assert (
        expected_miou.unseen_classes(np.array([1, 1, 1, 1, 0])) == 1
    )  # no more are listed
    confusion = np.diag([4.0] * 8)
    assert expected_miou.expected_miou(confusion, labels) == pytest.approx(4 / 5.5)
    assert expected_miou.expected_miou(confusion, np.zeros(8, int)) == 0.0
