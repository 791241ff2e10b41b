import numpy as np
import pytest
from captures import input_error
from label_stores import (
    FRAMES,
    NUM_PATCHES,
    SIZE,
    answer_points,
    as_rows,
    label_images,
    patch_pixels,
    rows,
    simulated,
    simulated_frame,
    write_patches,
    write_points,
    write_unit,
)

import alsem.annotation.annotators.simulated
from alsem.annotation import (
    MODES,
    Annotator,
    CostModel,
    LabelStore,
    SimulatedAnnotator,
    Totals,
    expand_annotations,
    segments_cost,
)
from alsem.annotation.connected_segments import find_runs
from alsem.annotation.label_noise import LabelNoise


def by_query(store):
    """The answers, without the ids and times that differ from run to run."""
    names = ("query_id", "row", "col", "label", "kind", "clicks", "pixels", "seconds")
    return as_rows(store.annotations(), *names)


# --- points ---


def test_open_queries_of_the_round_are_answered(store):
    ids = write_points(store, 0, n=8).query_id
    write_points(store, 1, n=3, first=8)
    answer_points(store, ids[:1], [1])

    def labels_by_place(frame, row, col):
        assert frame.dtype == row.dtype == col.dtype == np.int32
        return (col + row) // 2 % 4 - 1

    points = SimulatedAnnotator(
        labels_by_place,
        num_classes=3,
        seed=0,
        cost=CostModel(seconds={"point": 2.5}),
        mode="click",  # options of units say nothing about points
        mixed_below=1.0,
    )
    assert isinstance(points, Annotator)
    assert points.annotate(store, 0)
    found = store.annotations()
    assert found.query_id.tolist() == ids.tolist()
    assert found.label.tolist() == [1, 0, 1, 2, -1, 0, 1, 2]
    assert set(found.kind.tolist()) == {"point"}
    assert store.totals() == Totals(clicks=8, pixels=7, queries=8, seconds=19.0)
    assert rows(store, "SELECT DISTINCT annotator, seconds FROM annotations") == [
        ("test", 1.5),
        ("simulated", 2.5),
    ]
    assert store.count_open(1) == 3
    assert points.annotate(store, 0)  # no open query is no error
    assert store.totals().queries == 8


# --- units ---


@pytest.mark.parametrize("granularity", ["patch", "frame"])
def test_exact_answers_are_the_label_image_and_cost_its_segments(store, granularity):
    labels = label_images()
    if granularity == "patch":
        units, unit_pixels = write_patches(store).unit, patch_pixels
    else:
        units = np.arange(FRAMES)
        unit_pixels = np.arange(labels.size).reshape(FRAMES, -1).__getitem__
        place = dict(frame=units, row=-1, col=-1)
        store.write_queries(0, "frame", **place, unit=units, score=0.0)
    options = dict(granularity=granularity, unit_pixels=unit_pixels)
    assert simulated(labels, "exact", **options).annotate(store, 0)
    found = store.annotations()
    assert set(found.kind.tolist()) == {"exact"}
    assert (found.pixels[found.label >= 0] > 0).all()

    queried = np.concatenate([unit_pixels(unit) for unit in units.tolist()])
    labelled = np.sort(queried[labels.reshape(-1)[queried] >= 0])
    pixel, label = expand_annotations(found, image_size=SIZE)
    np.testing.assert_array_equal(pixel, labelled)
    np.testing.assert_array_equal(label, labels.reshape(-1)[labelled])
    for unit in units.tolist():
        own = found.unit == unit
        mask = np.zeros(labels.size, bool)
        mask[unit_pixels(unit)] = True
        frame = unit_pixels(unit)[0] // (SIZE[0] * SIZE[1])
        cost = segments_cost(labels[frame], mask.reshape(labels.shape)[frame])
        assert (found.clicks[own].sum(), found.pixels[own].sum()) == cost


@pytest.mark.parametrize(
    "image, expected",
    [
        (
            [[0, 1, 0], [0, 0, 0], [2, 2, 0]],
            [
                (1, 0, 0, 0, "exact", 1, 1, 2.0),
                (1, 0, 1, 1, "exact", 1, 1, 2.0),
                (1, 0, 2, 0, "exact", 0, 1, 0.0),  # all pixels of 0 are one segment
                (1, 1, 0, 0, "exact", 0, 3, 0.0),
                (1, 2, 0, 2, "exact", 1, 2, 2.0),
                (1, 2, 2, 0, "exact", 0, 1, 0.0),
            ],
        ),
        ([[-1, -1]], [(1, 0, 0, -1, "exact", 1, 0, 2.0)]),
    ],
)
def test_the_click_of_a_segment_is_in_its_first_run(store, image, expected):
    write_unit(store, granularity="frame", row=-1, col=-1)
    cost = CostModel(seconds={"segment": 2.0})
    annotator = simulated_frame(np.array(image), "exact", cost=cost, num_classes=3)
    annotator.annotate(store, 0)
    assert by_query(store) == expected


@pytest.mark.parametrize("mode", ["dominant", "click"])
def test_one_label_holds_for_the_whole_unit(store, mode):
    labels = label_images()
    queries = write_patches(store)
    cost = CostModel(seconds={mode: 1.5})
    assert simulated(labels, mode, cost=cost).annotate(store, 0)
    found, expected = store.annotations(), {}
    for i, unit in enumerate(queries.unit.tolist()):
        pixels = np.sort(patch_pixels(unit))
        inside, label = labels.reshape(-1)[pixels].tolist(), int(found.label[i])
        if mode == "dominant":
            assert inside.count(label) == max(map(inside.count, inside))
        else:
            assert label == inside[0]
        expected |= {p: label for p in pixels.tolist() if label >= 0}
        place = (queries.query_id[i], queries.row[i], queries.col[i])
        size = len(inside) if label >= 0 else 0
        assert by_query(store)[i] == (*place, label, mode, 1, size, 1.5)
    assert -1 in found.label
    pixel, label = expand_annotations(found, unit_pixels=patch_pixels, image_size=SIZE)
    assert dict(zip(pixel.tolist(), label.tolist(), strict=True)) == expected


@pytest.mark.parametrize("mode", ["dominant", "click"])
def test_a_unit_without_a_clear_class_is_mixed(store, mode):
    image = np.array([[2, 2, 2, 1, 0, 0, -1, -1]])
    units = [[0, 1, 2, 3], [0, 3, 4, 5, 6], [0, 1, 3, 4], [6, 7, 0]]
    place = dict(frame=[0] * 4, row=0, col=[unit[0] for unit in units])
    store.write_queries(0, "patch", **place, unit=range(4), score=0.0)
    options = dict(granularity="patch", unit_pixels=lambda unit: np.array(units[unit]))
    simulated_frame(image, mode, mixed_below=0.5, **options).annotate(store, 0)
    assert as_rows(store.annotations(), "label", "kind", "clicks", "pixels") == [
        (2, mode, 1, 4),
        (-1, "mixed", 1, 0),
        (2, mode, 1, 4),
        (-1, mode, 1, 0),
    ]


# --- interruption ---


class Killed(Exception):
    """Stands for SIGKILL: the call that raises it does nothing."""


class MortalStore(LabelStore):
    """A store whose user is killed at its n-th writing call."""

    writes, killed_write = 0, 0

    def count_write(self):
        self.writes += 1
        if self.writes == self.killed_write:
            raise Killed

    def answer(self, *args, **kwargs):
        self.count_write()
        super().answer(*args, **kwargs)

    def withdraw(self, *args, **kwargs):
        self.count_write()
        super().withdraw(*args, **kwargs)


@pytest.mark.parametrize("limit", [None, 7, 30])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("counts", ["clicks", "pixels"])
def test_a_kill_between_two_calls_changes_no_answer(
    tmp_path, monkeypatch, mode, limit, counts
):
    monkeypatch.setattr(alsem.annotation.annotators.simulated, "BATCH_PIXELS", 30)
    options = dict(noise_rate=0.4, cost=CostModel(counts), mixed_below=0.4)
    annotator = simulated(label_images(), mode, **options)

    def run(killed_write):
        with MortalStore(tmp_path / str(killed_write)) as store:
            store.killed_write = killed_write
            write_patches(store)
            try:
                annotator.annotate(store, 0, limit=limit)
            except Killed:
                annotator.annotate(store, 0, limit=limit)
            withdrawn = store.queries(0, "withdrawn").unit.tolist()
            return by_query(store), withdrawn, store.writes

    answers, withdrawn, writes = run(0)
    assert writes > 1 and bool(withdrawn) == (limit is not None)
    for i in range(1, writes + 1):
        assert run(i)[:2] == (answers, withdrawn)


# --- noise ---


@pytest.mark.parametrize("mode", MODES)
def test_noise_of_a_unit_depends_on_the_seed_and_its_pixel(tmp_path, mode):
    labels = label_images()

    def answers(name, batches, noise_rate):
        annotator = simulated(labels, mode, noise_rate=noise_rate)
        with LabelStore(tmp_path / name) as store:
            for i, batch in enumerate(batches):
                write_patches(store, i, batch)
                annotator.annotate(store, i)
            found = store.annotations()
        return found.take(np.lexsort((found.col, found.row, found.unit)))

    units = np.arange(NUM_PATCHES)
    true, noisy = answers("true", [units], 0.0), answers("noisy", [units], 0.5)
    shuffled = np.random.default_rng(0).permutation(units)
    batches = answers("batches", np.split(shuffled, [5, 20]), 0.5)
    np.testing.assert_array_equal(batches.label, noisy.label)
    assert (true.label != noisy.label).any()
    if mode != "exact":
        pixel = (true.frame, true.row, true.col)
        expected = LabelNoise(seed=3, rate=0.5, num_classes=3).apply(true.label, *pixel)
        np.testing.assert_array_equal(noisy.label, expected)


def test_all_pixels_of_a_segment_have_the_noise_of_its_first(store):
    write_unit(store, granularity="frame", row=-1, col=-1)
    image = np.random.default_rng(2).integers(0, 3, (12, 12))
    simulated_frame(image, "exact", noise_rate=0.5).annotate(store, 0)
    pixels = np.arange(image.size)
    runs = find_runs(0 * pixels, pixels, image.reshape(-1), image.shape)
    frame, row, col = np.unravel_index(runs.first[runs.head], (1, *image.shape))
    noise = LabelNoise(seed=3, rate=0.5, num_classes=3)
    expected = noise.apply(runs.label, frame, row, col)
    np.testing.assert_array_equal(store.annotations().label, expected)


# --- errors ---


@pytest.mark.parametrize(
    "change", [{"noise_rate": 1.5}, {"mixed_below": 1.5}, {"image_size": None}]
)
def test_impossible_options_are_refused(change):
    with pytest.raises(ValueError, match=next(iter(change))):
        simulated(label_images(), "exact", **change)


@pytest.mark.parametrize(
    "options, words",
    [
        (dict(granularity="volume"), ["active.answer: 'exact'", "volume"]),
        (dict(mode="exactly"), ["active.answer: 'exactly'"]),
        (dict(cost=CostModel("seconds", {"point": 1.0})), ["cost: ", "'segment'"]),
    ],
)
def test_impossible_modes_are_input_errors(options, words):
    error = input_error(simulated, label_images(), **(dict(mode="exact") | options))
    assert all(word in error for word in words), error


def test_queries_that_cannot_be_answered(store):
    write_unit(store, row=-1, col=-1)
    points = simulated(label_images(), "click", granularity="point")
    assert "not 'patch'" in input_error(points.annotate, store, 0)
    click = simulated(label_images(), "click")
    assert "no pixel of its own" in input_error(click.annotate, store, 0)
    for pixels, words in (([], "patch 0 is empty"), ([0, 99], "outside")):
        unit = np.array(pixels, int)  # 99 is a pixel of the second frame
        exact = simulated(label_images(), "exact", unit_pixels={0: unit}.__getitem__)
        with pytest.raises(ValueError, match=words):
            exact.annotate(store, 0)
    assert simulated(label_images(), "dominant").annotate(store, 0)


@pytest.mark.parametrize("wrong", [[0, 1, 2, 3], [0, -2, 0, 0], [0]])
def test_wrong_labels_are_refused(store, wrong):
    write_points(store)
    points = SimulatedAnnotator(lambda *_: np.array(wrong), num_classes=3, seed=0)
    with pytest.raises(ValueError, match="labels"):
        points.annotate(store, 0)
    assert store.count_open() == 4
