import numpy as np
import pytest
from label_stores import (
    FRAMES,
    PATCHES_PER_FRAME,
    SIZE,
    answer_points,
    label_images,
    patch_pixels,
    rows,
    simulated,
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
from alsem.core.errors import InputError


def labels_by_place(frame, row, col):
    """Labels -1, 0, 1, 2 in turn."""
    assert frame.dtype == row.dtype == col.dtype == np.int32
    return (col + row) // 2 % 4 - 1


def by_query(store):
    """The answers, without the ids and times that differ from run to run."""
    names = ("query_id", "row", "col", "label", "kind", "clicks", "pixels", "seconds")
    found = store.annotations()
    return list(zip(*(getattr(found, name).tolist() for name in names), strict=True))


# --- points ---


def test_open_queries_of_the_round_are_answered(store):
    ids = write_points(store, 0, n=8).query_id
    write_points(store, 1, n=3, first=8)
    answer_points(store, ids[:1], [1])
    cost = CostModel(seconds={"point": 2.5})
    points = SimulatedAnnotator(labels_by_place, num_classes=3, seed=0, cost=cost)
    assert points.annotate(store, 0)
    found = store.annotations()
    assert found.query_id.tolist() == ids.tolist()
    assert found.label.tolist() == [1, 0, 1, 2, -1, 0, 1, 2]
    assert store.totals() == Totals(clicks=8, pixels=7, queries=8, seconds=19.0)
    assert rows(store, "SELECT DISTINCT annotator, seconds FROM annotations") == [
        ("test", 1.5),
        ("simulated", 2.5),
    ]
    assert store.count_open(1) == 3
    assert points.annotate(store, 0)  # no open query is no error
    assert store.totals().queries == 8


def test_points_ignore_options_of_units(store):
    write_points(store, n=2)
    points = simulated(label_images(), "click", granularity="point", mixed_below=1.0)
    assert isinstance(points, Annotator)
    assert points.annotate(store, 0)
    assert store.annotations().kind.tolist() == ["point", "point"]


def test_one_class_without_noise_is_allowed(store):
    write_points(store)
    one = SimulatedAnnotator(lambda frame, *_: 0 * frame, num_classes=1, seed=0)
    assert one.annotate(store, 0)


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
    totals = store.totals()
    assert totals.clicks == found.clicks.sum() and totals.pixels == labelled.size

    for unit in units.tolist():
        own = found.unit == unit
        mask = np.zeros(labels.size, bool)
        mask[unit_pixels(unit)] = True
        frame = unit_pixels(unit)[0] // (SIZE[0] * SIZE[1])
        cost = segments_cost(labels[frame], mask.reshape(labels.shape)[frame])
        assert (found.clicks[own].sum(), found.pixels[own].sum()) == cost


def test_a_void_unit_is_answered_at_its_first_pixel(store):
    write_patches(store, units=[5])
    simulated(label_images(), "exact").annotate(store, 0)
    assert by_query(store) == [(1, 3, 3, -1, "exact", 1, 0, 0.0)]


def test_the_click_of_a_segment_is_in_its_first_run(store):
    labels = np.array([[[0, 1, 0], [0, 0, 0], [2, 2, 0]]])
    write_unit(store, granularity="frame", row=-1, col=-1)
    options = dict(granularity="frame", unit_pixels=lambda _: np.arange(9))
    cost = CostModel(seconds={"segment": 2.0})
    exact = simulated(labels, "exact", image_size=(3, 3), cost=cost, **options)
    exact.annotate(store, 0)
    assert by_query(store) == [
        (1, 0, 0, 0, "exact", 1, 1, 2.0),
        (1, 0, 1, 1, "exact", 1, 1, 2.0),
        (1, 0, 2, 0, "exact", 0, 1, 0.0),  # all pixels of 0 are one segment
        (1, 1, 0, 0, "exact", 0, 3, 0.0),
        (1, 2, 0, 2, "exact", 1, 2, 2.0),
        (1, 2, 2, 0, "exact", 0, 1, 0.0),
    ]


@pytest.mark.parametrize("mode", MODES)
def test_only_exact_units_must_lie_in_one_frame(store, mode):
    write_unit(store)
    labels = np.zeros((FRAMES, *SIZE), int)
    two_frames = np.array([0, SIZE[0] * SIZE[1] + 1])
    annotator = simulated(labels, mode, unit_pixels=lambda _: two_frames)
    if mode == "exact":
        with pytest.raises(ValueError, match="outside"):
            annotator.annotate(store, 0)
    else:
        assert annotator.annotate(store, 0) and store.totals().pixels == 2


@pytest.mark.parametrize("mode", ["dominant", "click"])
def test_one_label_holds_for_the_whole_unit(store, mode):
    labels = label_images()
    units = write_patches(store).unit
    cost = CostModel(seconds={mode: 1.5})
    assert simulated(labels, mode, cost=cost).annotate(store, 0)
    queries, found = store.queries(), store.annotations()
    assert set(found.kind.tolist()) == {mode}
    for name in ("query_id", "row", "col"):
        np.testing.assert_array_equal(getattr(found, name), getattr(queries, name))
    expected = {}
    for unit, label, pixels in zip(
        units.tolist(), found.label.tolist(), found.pixels.tolist(), strict=True
    ):
        inside = labels.reshape(-1)[patch_pixels(unit)].tolist()
        if mode == "dominant":
            assert inside.count(label) == max(inside.count(i) for i in range(-1, 3))
        else:
            assert label == labels.reshape(-1)[patch_pixels(unit).min()]
        assert pixels == (len(inside) if label >= 0 else 0)
        expected |= {p: label for p in patch_pixels(unit).tolist() if label >= 0}
    assert -1 in found.label and store.totals().clicks == units.size
    assert store.totals().seconds == 1.5 * units.size
    pixel, label = expand_annotations(found, unit_pixels=patch_pixels, image_size=SIZE)
    assert dict(zip(pixel.tolist(), label.tolist(), strict=True)) == expected


def answer_units(store, labels, units, mode, **options):
    """Answers units of frame 0, given by columns of its first row, one a round."""
    image = np.zeros((FRAMES, *SIZE), int)
    image[0, 0, : len(labels)] = labels

    def unit_pixels(unit):
        return np.array(units[unit])

    annotator = simulated(image, mode, unit_pixels=unit_pixels, **options)
    for i, unit in enumerate(units):
        write_unit(store, i, unit=i, col=unit[0])
        annotator.annotate(store, i)
    found = store.annotations()
    pixel, _ = expand_annotations(found, unit_pixels=unit_pixels, image_size=SIZE)
    return found, pixel.tolist()


def test_ties_of_dominant_labels(store):
    """The lowest class of equally frequent ones, void last."""
    units = ([0, 1], [1, 2], [0, 1, 2], [2, 3, 4, 0])
    found, _ = answer_units(store, [2, 1, -1, -1, -1], units, "dominant")
    assert found.label.tolist() == [1, 1, 1, -1]


@pytest.mark.parametrize("mode", ["dominant", "click"])
def test_a_unit_without_a_clear_class_is_mixed(store, mode):
    units = ([0, 1, 2, 3], [0, 3, 4, 5, 6], [0, 1, 3, 4], [6, 7, 0])
    found, pixel = answer_units(
        store, [2, 2, 2, 1, 0, 0, -1, -1], units, mode, mixed_below=0.5
    )
    columns = (found.label.tolist(), found.kind.tolist(), found.pixels.tolist())
    expected = [(2, mode, 4), (-1, "mixed", 0), (2, mode, 4), (-1, mode, 0)]
    assert list(zip(*columns, strict=True)) == expected
    assert found.clicks.tolist() == [1] * 4 and pixel == [0, 1, 2, 3, 4]


# --- interruption ---


class Killed(Exception):
    """Stands for SIGKILL: the call that raises it does nothing."""


@pytest.mark.parametrize("limit", [None, 7, 30])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("counts", ["clicks", "pixels"])
def test_a_kill_between_two_calls_changes_no_answer(
    tmp_path, monkeypatch, mode, limit, counts
):
    monkeypatch.setattr(alsem.annotation.annotators.simulated, "BATCH_PIXELS", 30)
    options = dict(noise_rate=0.4, cost=CostModel(counts), mixed_below=0.4)
    annotator = simulated(label_images(), mode, **options)

    def run(name, killed_call):
        """Answers, and once more after a kill at the given writing call."""
        with LabelStore(tmp_path / name) as store:
            write_patches(store)
            calls = 0

            def counted(method):
                def call(*args, **kwargs):
                    nonlocal calls
                    calls += 1
                    if calls == killed_call:
                        raise Killed
                    return method(*args, **kwargs)

                return call

            with monkeypatch.context() as patched:
                for method in ("answer", "withdraw"):
                    patched.setattr(store, method, counted(getattr(store, method)))
                try:
                    annotator.annotate(store, 0, limit=limit)
                except Killed:
                    annotator.annotate(store, 0, limit=limit)
            return by_query(store), store.queries(0, "withdrawn").unit.tolist(), calls

    *uninterrupted, calls = run("uninterrupted", 0)
    assert calls > 1 and bool(uninterrupted[1]) == (limit is not None)
    for i in range(1, calls + 1):
        assert list(run(f"killed-{i}", i)[:2]) == uninterrupted


def test_a_round_is_written_in_one_call(store, monkeypatch):
    write_patches(store)
    calls, answer = [], store.answer
    monkeypatch.setattr(
        store, "answer", lambda *a, **k: (calls.append(1), answer(*a, **k))
    )
    simulated(label_images(), "exact").annotate(store, 0)
    assert len(calls) == 1


# --- noise ---


@pytest.mark.parametrize("mode", MODES)
def test_noise_of_a_unit_depends_on_the_seed_and_its_pixel(tmp_path, mode):
    labels = label_images()
    units = np.arange(FRAMES * PATCHES_PER_FRAME)

    def answers(name, batches, **options):
        with LabelStore(tmp_path / name) as store:
            for i, batch in enumerate(batches):
                write_patches(store, i, batch)
                simulated(labels, mode, **options).annotate(store, i)
            a = store.annotations()
        places = zip(a.unit.tolist(), a.row.tolist(), a.col.tolist(), strict=True)
        return dict(zip(places, a.label.tolist(), strict=True))

    true = answers("true", [units])
    noisy = answers("noisy", [units], noise_rate=0.5)
    shuffled = np.random.default_rng(0).permutation(units)
    batches = np.split(shuffled, [5, 20])
    assert answers("batches", batches, noise_rate=0.5) == noisy != true
    assert true.keys() == noisy.keys()
    if mode == "exact":
        return
    # a unit has the noise of a point query at its pixel
    places = np.array([place for place in true if true[place] >= 0])
    points = SimulatedAnnotator(
        lambda *_: np.array([true[tuple(place)] for place in places.tolist()]),
        num_classes=3,
        seed=3,
        noise_rate=0.5,
    )
    unit, row, col = places.T
    place = dict(frame=unit // PATCHES_PER_FRAME, row=row, col=col)
    with LabelStore(tmp_path / "points") as store:
        store.write_queries(0, "point", **place, unit=unit, score=0.0)
        points.annotate(store, 0)
        expected = [noisy[tuple(place)] for place in places.tolist()]
        assert store.annotations().label.tolist() == expected


def test_all_pixels_of_a_segment_have_the_same_noise(store):
    write_unit(store, granularity="frame", row=-1, col=-1)
    pixels, size = np.arange(1600), (40, 40)
    generator = np.random.default_rng(2)
    image = generator.integers(0, 6, (8, 8)).repeat(5, 0).repeat(5, 1)
    options = dict(granularity="frame", unit_pixels=lambda _: pixels, image_size=size)
    simulated(image[None], "exact", noise_rate=0.5, **options).annotate(store, 0)
    found = store.annotations()
    _, label = expand_annotations(found, image_size=size)
    blocks = label.reshape(8, 5, 8, 5)
    assert (blocks == blocks[:, :1, :, :1]).all()  # no segment is smaller than a block
    runs = find_runs(np.zeros(1600, np.int64), pixels, image.reshape(-1), size)
    np.testing.assert_array_equal(found.label, found.label[runs.head])
    wrong = (found.label != runs.label)[runs.is_head]
    # four standard errors of a binomial
    assert abs(wrong.mean() - 0.5) < 4 * np.sqrt(0.25 / wrong.size)


# --- errors ---


@pytest.mark.parametrize(
    "change",
    [
        {"noise_rate": 1.5},
        {"mixed_below": 1.5},
        {"granularity": "patch"},
        {"granularity": "patch", "unit_pixels": lambda unit: np.arange(3)},
    ],
)
def test_impossible_options_are_refused(change):
    with pytest.raises(ValueError):
        SimulatedAnnotator(labels_by_place, **(dict(num_classes=3, seed=0) | change))


@pytest.mark.parametrize(
    "options, words",
    [
        (dict(granularity="volume"), "active.answer: 'exact'.*volume"),
        (dict(mode="exactly"), "active.answer: 'exactly'"),
        (dict(cost=CostModel("seconds", {"point": 1.0})), "cost: .*'segment'"),
    ],
)
def test_impossible_modes_are_input_errors(options, words):
    with pytest.raises(InputError, match=words) as raised:
        simulated(label_images(), **(dict(mode="exact") | options))
    assert "\n" not in str(raised.value)


def test_queries_that_cannot_be_answered(store):
    write_unit(store, row=-1, col=-1)
    points = SimulatedAnnotator(labels_by_place, num_classes=3, seed=0)
    with pytest.raises(InputError, match="patch"):
        points.annotate(store, 0)
    with pytest.raises(InputError, match="no pixel of its own"):
        simulated(label_images(), "click").annotate(store, 0)
    empty = simulated(label_images(), "exact", unit_pixels=lambda _: np.empty(0, int))
    with pytest.raises(ValueError, match="patch 0 is empty"):
        empty.annotate(store, 0)
    assert simulated(label_images(), "dominant").annotate(store, 0)


@pytest.mark.parametrize("wrong", [[0, 1, 2, 3], [0, -2, 0, 0], [0]])
def test_wrong_labels_of_points_are_refused(store, wrong):
    write_points(store)
    points = SimulatedAnnotator(lambda *_: np.array(wrong), num_classes=3, seed=0)
    with pytest.raises(ValueError):
        points.annotate(store, 0)
    assert store.count_open() == 4


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("wrong", [-2, 3])
def test_wrong_labels_of_units_are_refused(store, mode, wrong):
    labels = label_images()
    labels[0, 0, 1] = wrong
    write_patches(store, units=[0])
    with pytest.raises(ValueError, match=r"-1\.\.2"):
        simulated(labels, mode, num_classes=3).annotate(store, 0)
    assert store.count_open() == 1
