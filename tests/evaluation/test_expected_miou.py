"""Temperature, unseen classes and expected confusions against known answers."""

import numpy as np
import pytest

from alsem.evaluation import expected_miou, segmentation

C = 5


def draw_predictions(num, *, sharpness, seed=0):
    """Predicted probabilities, and labels drawn from those of sharpness 1."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (num, C))

    def softmax(values):
        raw = np.exp(values - values.max(axis=-1, keepdims=True))
        return raw / raw.sum(axis=-1, keepdims=True)

    calibrated = softmax(logits)
    label = (rng.uniform(size=(num, 1)) > calibrated.cumsum(axis=-1)).sum(axis=-1)
    return softmax(sharpness * logits), np.minimum(label, C - 1)


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 3.0])
def test_temperature_undoes_over_and_underconfidence(sharpness):
    probs, label = draw_predictions(5000, sharpness=sharpness)
    assert expected_miou.temperature(probs, label) == pytest.approx(sharpness, rel=0.12)


def test_temperature_without_labels_is_one():
    assert expected_miou.temperature(np.zeros((0, C)), np.zeros(0, int)) == 1.0


def test_expected_miou_of_calibrated_predictions_is_the_measured_one():
    probs, label = draw_predictions(20_000, sharpness=1.0)
    predicted = probs.argmax(axis=-1)
    measured = segmentation.confusion(predicted, label, num_classes=C)
    one_hot, labels = np.eye(C)[predicted], np.full(C, 10)
    found = expected_miou.expected_miou(probs.T @ one_hot, labels)
    miou = segmentation.miou(segmentation.class_sums(measured))
    assert found == pytest.approx(miou, abs=0.01)
    overconfident, _ = draw_predictions(20_000, sharpness=3.0)
    assert expected_miou.expected_miou(overconfident.T @ one_hot, labels) > found + 0.1


def test_unseen_classes_are_estimated_and_count_zero():
    assert expected_miou.unseen_classes(np.array([5, 9, 0, 0])) == 0  # none is rare
    labels = np.array([1, 1, 1, 2, 0, 0, 0, 0])
    assert expected_miou.unseen_classes(labels) == pytest.approx(1.5)
    assert expected_miou.unseen_classes(np.array([1, 1, 1, 1, 0])) == 1  # at most
    confusion = np.diag([4.0] * 8)
    assert expected_miou.expected_miou(confusion, labels) == pytest.approx(4 / 5.5)
    assert expected_miou.expected_miou(confusion, np.zeros(8, int)) == 0.0
