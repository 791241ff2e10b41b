"""Limits of a round: what is answered, and what is withdrawn."""

import numpy as np
import pytest
from label_stores import (
    FRAMES,
    SIZE,
    label_images,
    simulated,
    simulated_frame,
    write_patches,
    write_points,
    write_unit,
)

from alsem.annotation import MODES, CostModel, LabelStore, expand_annotations
from alsem.annotation.answer_modes import UnitLabels, dominant_labels

ZEROS = np.zeros((FRAMES, *SIZE), int)


@pytest.mark.parametrize("mode", MODES)
def test_clicks_are_spent_exactly(tmp_path, mode):
    labels = label_images()

    def answer(name, **options):
        with LabelStore(tmp_path / name) as store:
            write_patches(store)
            assert simulated(labels, mode).annotate(store, 0, **options)
            by_status = (store.queries(0, s) for s in ("answered", "withdrawn"))
            answered, withdrawn = (queries.query_id.tolist() for queries in by_status)
            assert answered == list(range(1, len(answered) + 1))  # best first
            assert len(answered + withdrawn) == store.queries().query_id.size
            assert set(store.annotations().query_id.tolist()) == set(answered)
            return store.totals().clicks

    all_clicks = answer("all")
    for limit in (0, 1, 7, 20, 36, 10**6):
        assert answer(str(limit), limit=limit) == min(limit, all_clicks)


@pytest.mark.parametrize("limit", range(1, 7))
def test_a_partly_answered_unit_has_its_largest_segments(store, limit):
    image = np.array([[0, 1, 1, 2], [0, 0, 1, 0], [-1, -1, 2, 0]])
    write_unit(store, granularity="frame", row=-1, col=-1)
    assert simulated_frame(image, "exact").annotate(store, 0, limit=limit)
    # by size: 0 and 1 with three pixels, 0 with two, 2 and 2 with one
    order = [[0, 4, 5], [1, 2, 6], [7, 11], [3], [10]][:limit]
    pixel, label = expand_annotations(store.annotations(), image_size=image.shape)
    assert pixel.tolist() == sorted(np.concatenate(order).tolist())
    np.testing.assert_array_equal(label, image.reshape(-1)[pixel])
    assert store.totals().clicks == len(order)
    assert store.totals().queries == 1 and store.count_open() == 0


@pytest.mark.parametrize(
    "mode, cost, limit, answered",
    [
        # only the first answer may exceed the limit: 9, 8 and 9 pixels
        *(
            ("exact", CostModel("pixels"), limit, answered)
            for limit, answered in ((0, 0), (1, 1), (9, 1), (17, 2), (18, 2))
        ),
        # rounding costs no answer: in floating point 3 times 0.1 is more than 0.3
        *(
            ("click", CostModel("seconds", {"click": 0.1}), limit, answered)
            for limit, answered in ((0.2, 2), (0.25, 2), (0.3, 3))
        ),
    ],
)
def test_answers_within_a_limit_of_pixels_or_seconds(
    store, mode, cost, limit, answered
):
    write_patches(store, units=[2, 1, 0])  # the last first
    assert simulated(ZEROS, mode, cost=cost).annotate(store, 0, limit=limit)
    assert store.queries(0, "answered").query_id.size == answered
    assert store.queries(0, "withdrawn").query_id.size == 3 - answered


def test_an_answer_without_pixels_does_not_count_as_the_first(store):
    labels = ZEROS - 1
    labels[0, :, 3:] = 0
    write_patches(store, units=[1, 0])  # 0 is void, 1 has eight pixels
    dominant = simulated(labels, "dominant", cost=CostModel("pixels"))
    assert dominant.annotate(store, 0, limit=3)
    assert store.totals().pixels == 8 and store.totals().queries == 2


def test_every_round_has_its_own_limit(store):
    dominant = simulated(ZEROS, "dominant")
    for i in range(3):
        write_patches(store, i, units=range(10 * i, 10 * i + 10))
        assert dominant.annotate(store, i, limit=4)
        assert store.totals(i).clicks == 4 * (i + 1)


def test_clicks_of_an_undone_answer_are_spent_again(store):
    write_points(store, n=8)
    points = simulated(np.zeros((3, 9, 9), int), "exact", granularity="point")
    assert points.annotate(store, 0, limit=5)
    assert store.annotations().query_id.tolist() == [1, 2, 3, 4, 5]
    assert store.queries(0, "withdrawn").query_id.tolist() == [6, 7, 8]
    store.undo(2, annotator="test")
    assert points.annotate(store, 0, limit=5)
    assert sorted(store.annotations().query_id.tolist()) == [1, 2, 3, 4, 5]


def test_ties_of_dominant_labels_go_to_the_lowest_class_and_to_void_last():
    unit, pixel = np.repeat(np.arange(4), (2, 2, 3, 4)), np.arange(11)
    labels = np.array([2, 1, 1, -1, 2, 1, -1, -1, -1, -1, 2])
    units = UnitLabels(unit, pixel, labels, image_size=(1, 11))
    label, fraction = dominant_labels(units, num_classes=3)
    assert label.tolist() == [1, 1, 1, -1]
    assert fraction.tolist() == [1 / 2, 1 / 2, 1 / 3, 3 / 4]
