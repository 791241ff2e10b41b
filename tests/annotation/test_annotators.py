"""Annotators of points answer what they say, and cost what a person would."""

import numpy as np
import pytest
from asking import ask, reply, rows, truth

from alsem.annotation import (
    CostModel,
    FileAnnotator,
    LabelStore,
    SimulatedAnnotator,
    Totals,
    point_cost,
    segments_cost,
)
from alsem.annotation.connected_segments import find_runs
from alsem.core.errors import InputError

NAMES = ("wall", "floor", "chair")


@pytest.fixture
def store(tmp_path):
    with LabelStore(tmp_path / "labels.sqlite") as opened:
        yield opened


# --- points ---


def test_the_simulated_annotator_answers_what_is_open(store):
    ids = ask(store, 0, n=8).query_id
    ask(store, 1, n=3, first=8)
    reply(store, ids[:1], [1])
    cost = CostModel(seconds={"point": 2.5})
    annotator = SimulatedAnnotator(truth, num_classes=3, seed=0, cost=cost)
    assert annotator.annotate(store, 0)
    found = store.annotations()
    assert found.query_id.tolist() == ids.tolist()
    assert found.label.tolist() == [1, 0, 1, 2, -1, 0, 1, 2]
    assert store.totals() == Totals(clicks=8, pixels=7, queries=8, seconds=19.0)
    assert rows(store, "SELECT DISTINCT annotator, seconds FROM annotations") == [
        ("test", 1.5),
        ("simulated", 2.5),
    ]
    assert store.count_open(1) == 3  # nobody asked it for round 1
    assert annotator.annotate(store, 0)  # nothing left to do is no error
    assert store.totals().queries == 8


def noisy_labels(tmp_path, name, batches, noise_rate=0.3, seed=5, n=6000, classes=5):
    """Labels by unit when the pool is asked in the given batches of units."""
    annotator = SimulatedAnnotator(
        lambda frame, row, col: np.where(col % 10 == 0, -1, col % classes),
        num_classes=classes,
        seed=seed,
        noise_rate=noise_rate,
    )
    labels = np.full(n, -9)
    with LabelStore(tmp_path / name) as store:
        for i, units in enumerate(batches):
            store.write_queries(
                i,
                "point",
                frame=units % 7,
                row=units // 100,
                col=units % 100,
                unit=units,
                score=0.0,
            )
            annotator.annotate(store, i)
        units = store.queries().unit
        found = store.annotations()
        labels[units[found.query_id - 1]] = found.label
    return labels


def test_label_noise_depends_on_the_pixel_and_the_seed_alone(tmp_path):
    units = np.arange(6000)
    shuffled = np.random.default_rng(0).permutation(units)
    whole = noisy_labels(tmp_path, "a", [units])
    parts = noisy_labels(tmp_path, "b", np.split(shuffled, [10, 2500]))
    other = noisy_labels(tmp_path, "c", [units], seed=6)
    np.testing.assert_array_equal(whole, parts)
    assert (whole != other).mean() > 0.3  # about 2 * .3 * .7 of nine tenths


def test_label_noise_has_its_rate_and_hits_every_other_class_alike(tmp_path):
    n, rate, classes = 6000, 0.3, 5
    units = np.arange(n)
    labels = noisy_labels(tmp_path, "a", [units])
    true = np.where(units % 100 % 10 == 0, -1, units % 100 % classes)
    np.testing.assert_array_equal(labels[true == -1], -1)
    labels, true = labels[true >= 0], true[true >= 0]
    assert labels.min() >= 0 and labels.max() < classes
    is_wrong = labels != true
    # four standard errors of a binomial: one seed in 16,000 fails by chance
    bound = 4 * np.sqrt(rate * (1 - rate) / true.size)
    assert abs(is_wrong.mean() - rate) < bound
    shifts = np.bincount((labels - true)[is_wrong] % classes, minlength=classes)[1:]
    fraction = 1 / (classes - 1)
    bound = 4 * np.sqrt(fraction * (1 - fraction) / is_wrong.sum())
    np.testing.assert_allclose(shifts / is_wrong.sum(), fraction, atol=bound)


def test_noise_of_one_is_always_wrong_and_of_zero_never(tmp_path):
    units = np.arange(1, 10)
    for rate, wrong in ((1.0, True), (0.0, False)):
        labels = noisy_labels(tmp_path, str(rate), [units], rate)[units]
        np.testing.assert_array_equal(labels != units % 5, [wrong] * 9)


@pytest.mark.parametrize(
    "change",
    [
        {"noise_rate": 1.5},
        {"noise_rate": -0.1},
        {"noise_rate": 0.1, "num_classes": 1},
        {"mixed_below": 1.5},
        {"granularity": "patch"},
        {"granularity": "patch", "members": lambda unit: np.arange(3)},
    ],
)
def test_impossible_simulated_annotators_are_refused(change):
    with pytest.raises(ValueError):
        SimulatedAnnotator(truth, **(dict(num_classes=3, seed=0) | change))


def test_a_capture_of_one_class_needs_no_noise(store):
    ask(store)
    one = SimulatedAnnotator(lambda frame, *_: 0 * frame, num_classes=1, seed=0)
    assert one.annotate(store, 0)


@pytest.mark.parametrize("wrong", [[0, 1, 2, 3], [0, -2, 0, 0], [0]])
def test_a_broken_answer_callable_is_found(store, wrong):
    ask(store)
    annotator = SimulatedAnnotator(lambda *_: np.array(wrong), num_classes=3, seed=0)
    with pytest.raises(ValueError):
        annotator.annotate(store, 0)
    assert store.count_open() == 4


def test_point_annotators_refuse_other_granularities(store, tmp_path):
    ask(store, granularity="patch")
    path = tmp_path / "labels.csv"
    path.write_text("frame,row,col,label\n2,0,1,wall\n")
    for annotator in (
        SimulatedAnnotator(truth, num_classes=3, seed=0),
        FileAnnotator(path, NAMES),
    ):
        with pytest.raises(InputError, match="patch"):
            annotator.annotate(store, 0)


def test_the_file_annotator_takes_what_the_file_holds(store, tmp_path):
    ask(store, n=5)
    path = tmp_path / "labels.csv"
    path.write_bytes(
        b"\xef\xbb\xbfframe,row,col,label\r\n2,0,1,chair\r\n2,1,2, floor\r\n\r\n"
        b"2,3,4,void\r\n9,9,9,wall\r\n2,0,1,chair\r\n"
    )
    cost = CostModel(seconds={"point": 2.0})
    annotator = FileAnnotator(path, NAMES, cost=cost)
    assert not annotator.annotate(store, 0)
    found = store.annotations()
    assert dict(zip(found.row.tolist(), found.label.tolist(), strict=True)) == {
        0: 2,
        1: 1,
        3: -1,
    }
    assert store.totals() == Totals(clicks=3, pixels=2, queries=3, seconds=6.0)
    with open(path, "a") as file:
        file.write("2,2,3,wall\n2,4,5,void\n")
    assert annotator.annotate(store, 0)
    assert store.annotations().label.tolist()[-2:] == [0, -1]
    assert annotator.annotate(store, 0)


def test_an_answer_that_was_read_cannot_be_rewritten(store, tmp_path):
    ask(store, n=3)
    path = tmp_path / "labels.csv"
    path.write_text("frame,row,col,label\n2,0,1,chair\n2,1,2,void\n")
    FileAnnotator(path, NAMES).annotate(store, 0)
    path.write_text("frame,row,col,label\n2,0,1,chair\n2,1,2,wall\n2,2,3,wall\n")
    with pytest.raises(InputError, match=r"line 3: was 'void'.*put it back"):
        FileAnnotator(path, NAMES).annotate(store, 0)
    assert len(store.annotations().label) == 2


@pytest.mark.parametrize(
    "text, where",
    [
        ("2,0,1,sofa\n", "line 3: 'sofa'"),
        ("2,0,1,1\n", "line 3: '1' is none of chair, floor, void, wall"),
        ("2,0,1.5,wall\n", "line 3: .*integers"),
        ("2,-1,1,wall\n", "line 3: .*count from 0"),
        ("2,0,wall\n", "line 3: 3 cells; write frame,row,col,label"),
        ("5,5,5,floor\n", "line 3: another label"),
    ],
)
def test_a_bad_row_is_named_with_its_line(store, tmp_path, text, where):
    ask(store)
    path = tmp_path / "labels.csv"
    path.write_text("frame,row,col,label\n5,5,5,wall\n" + text)
    with pytest.raises(InputError, match=rf"labels\.csv, {where}"):
        FileAnnotator(path, NAMES).annotate(store, 0)
    assert store.count_open() == 4


@pytest.mark.parametrize(
    "content, words",
    [
        (b"", "line 1: the header"),
        (b"frame;row;col;label\n", "line 1: the header"),
        (b"frame,row,col,label\n2,0,1,\xff\n", "UTF-8"),
        (b'frame,row,col,label\n2,0,1,"wall\n', "save it as CSV"),
    ],
)
def test_an_unreadable_label_file_is_the_users_error(store, tmp_path, content, words):
    ask(store)
    path = tmp_path / "labels.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=rf"labels\.csv.*{words}") as raised:
        FileAnnotator(path, NAMES).annotate(store, 0)
    assert "\n" not in str(raised.value)


def test_a_class_named_like_a_number_or_void_is_meant_by_its_name(store, tmp_path):
    ask(store)
    path = tmp_path / "labels.csv"
    path.write_text("frame,row,col,label\n2,0,1,1\n2,1,2,void\n")
    FileAnnotator(path, ("1", "wall", "void")).annotate(store, 0)
    assert store.annotations().label.tolist() == [0, 2]


# --- costs ---


def test_a_point_costs_a_click_and_labels_a_pixel_unless_void():
    clicks, pixels = point_cost(np.array([4, -1, 0], np.int16))
    assert clicks.tolist() == [1, 1, 1] and pixels.tolist() == [1, 0, 1]
    assert clicks.dtype == pixels.dtype == np.int64


def segments_by_flood(labels, mask):
    """Definition: flood one pixel at a time through equal neighbours."""
    left = {tuple(p) for p in np.argwhere(mask & (labels >= 0)).tolist()}
    segments = 0
    while left:
        segments += 1
        front = [left.pop()]
        while front:
            row, col = front.pop()
            for step in ((0, 1), (1, 0), (0, -1), (-1, 0)):
                beside = (row + step[0], col + step[1])
                if beside in left and labels[beside] == labels[row, col]:
                    left.remove(beside)
                    front.append(beside)
    return segments


def test_segments_are_counted_as_a_flood_fill_finds_them():
    generator = np.random.default_rng(1)
    for i in range(60):
        labels = generator.integers(-1, 1 + i % 3, (9, 11)).astype(np.int16)
        mask = generator.random((9, 11)) < 0.8
        clicks, pixels = segments_cost(labels, mask)
        assert clicks == max(segments_by_flood(labels, mask), 1)
        assert pixels == (mask & (labels >= 0)).sum()


def test_one_click_for_a_pure_or_a_void_unit():
    mask = np.ones((4, 4), bool)
    assert segments_cost(np.full((4, 4), 2), mask) == (1, 16)
    assert segments_cost(np.full((4, 4), -1), mask) == (1, 0)


def test_segments_need_a_unit_with_pixels():
    with pytest.raises(ValueError, match="empty"):
        segments_cost(np.zeros((2, 2), int), np.zeros((2, 2), bool))
    with pytest.raises(ValueError, match="must be one"):
        segments_cost(np.zeros((2, 2), int), np.ones((2, 3), bool))


def test_runs_end_at_the_edge_of_the_image():
    # 2 frames of 2 x 3 in one unit: no run goes round an edge, no segment from one
    # frame into the next
    runs = find_runs(np.zeros(12, np.int64), np.arange(12), np.zeros(12, int), (2, 3))
    assert runs.first.tolist() == [0, 3, 6, 9] and runs.length.tolist() == [3] * 4
    assert runs.head.tolist() == [0, 0, 2, 2]


def test_units_that_overlap_are_segmented_each_by_itself():
    # two pixels of a row, what is left of it and the pixel below, the row's ends
    pixel = np.array([0, 1, 2, 5, 0, 2])
    owner = np.array([0, 0, 1, 1, 2, 2])
    runs = find_runs(owner, pixel, np.zeros(6, int), (2, 3))
    assert runs.owner.tolist() == [0, 1, 1, 2, 2]
    assert runs.first.tolist() == [0, 2, 5, 0, 2]
    assert runs.length.tolist() == [2, 1, 1, 1, 1]
    assert runs.head.tolist() == [0, 1, 1, 3, 4]
