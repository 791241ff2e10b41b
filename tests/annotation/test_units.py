"""Units are answered in every mode as they say, and no round exceeds its limit."""

import dataclasses

import numpy as np
import pytest
from asking import ask, reply, truth

import alsem.annotation.annotators.simulated
from alsem.annotation import (
    MODES,
    Annotator,
    CostModel,
    FileAnnotator,
    LabelStore,
    SimulatedAnnotator,
    expand_annotations,
    segments_cost,
)
from alsem.annotation.connected_segments import find_runs
from alsem.core.errors import InputError

NAMES = ("wall", "floor", "chair")
SIZE = 9, 11  # rows and columns of the frames whose units are asked
FRAMES = 3


@pytest.fixture
def store(tmp_path):
    with LabelStore(tmp_path / "labels.sqlite") as opened:
        yield opened


# --- units ---


def images(seed=1, num_classes=3):
    """Label images [f h w] of blocks with ragged edges, -1 among them."""
    generator = np.random.default_rng(seed)
    blocks = generator.integers(-1, num_classes, (FRAMES, 3, 4))
    labels = blocks.repeat(3, 1).repeat(3, 2)[:, :, : SIZE[1]].astype(np.int16)
    specks = generator.integers(-1, num_classes, labels.shape)
    labels = np.where(generator.random(labels.shape) < 0.1, specks, labels)
    labels[0, 3:6, 3:6] = -1  # unit 5 is all void
    return labels


UNITS_A_FRAME = 3 * 4


def block(unit):
    """Pixels of a unit: 3 x 3 blocks, less one corner of each second."""
    frame, place = divmod(unit, UNITS_A_FRAME)
    row, col = np.divmod(np.arange(9 - unit % 2), 3)
    row, col = row + 3 * (place // 4), col + 3 * (place % 4)
    inside = col < SIZE[1]
    return ((frame * SIZE[0] + row) * SIZE[1] + col)[inside][::-1]  # in any order


def whole(frame):
    size = SIZE[0] * SIZE[1]
    return np.arange(frame * size, (frame + 1) * size)


def ask_blocks(store, round=0, units=range(FRAMES * UNITS_A_FRAME)):
    """Asks blocks at their first pixels, the last unit first."""
    units = np.array(units)[::-1]
    pixel = np.array([block(unit).min() for unit in units.tolist()])
    frame, row = np.divmod(pixel // SIZE[1], SIZE[0])
    return store.write_queries(
        round,
        "patch",
        frame=frame,
        row=row,
        col=pixel % SIZE[1],
        unit=units,
        score=0.0,
    )


def annotator(labels, mode, **options):
    """Answers patches of the label images."""
    return SimulatedAnnotator(
        lambda frame, row, col: labels[frame, row, col],
        **dict(
            num_classes=int(labels.max()) + 1,
            seed=3,
            granularity="patch",
            members=block,
            image_size=SIZE,
            mode=mode,
        )
        | options,
    )


def cost_of(labels, unit):
    mask = np.zeros(labels.size, bool)
    mask[block(unit)] = True
    frame = block(unit)[0] // (SIZE[0] * SIZE[1])
    return segments_cost(labels[frame], mask.reshape(labels.shape)[frame])


def by_query(store):
    """What stands, without the ids and times that differ from run to run."""
    names = ("query_id", "row", "col", "label", "kind", "clicks", "pixels", "seconds")
    found = store.annotations()
    return list(zip(*(getattr(found, name).tolist() for name in names), strict=True))


@pytest.mark.parametrize("granularity, members", [("patch", block), ("frame", whole)])
def test_exact_answers_are_the_label_image_and_cost_its_segments(
    store, granularity, members
):
    labels = images()
    if granularity == "patch":
        units = ask_blocks(store).unit
    else:
        units = np.arange(FRAMES)
        place = dict(frame=units, row=-1, col=-1)
        store.write_queries(0, "frame", **place, unit=units, score=0.0)
    exact = annotator(labels, "exact", granularity=granularity, members=members)
    assert exact.annotate(store, 0)
    found = store.annotations()
    assert set(found.kind.tolist()) == {"exact"}
    assert (found.pixels[found.label >= 0] > 0).all()

    queried = np.concatenate([members(unit) for unit in units.tolist()])
    named = np.sort(queried[labels.reshape(-1)[queried] >= 0])
    pixel, label = expand_annotations(found, members=None, image_size=SIZE)
    np.testing.assert_array_equal(pixel, named)
    np.testing.assert_array_equal(label, labels.reshape(-1)[named])
    # runs are as long as they can be: the next pixel is another row, unit or label
    ends = found.row * SIZE[1] + found.col + found.pixels
    for unit in units.tolist():
        own = (found.unit == unit) & (found.label >= 0)
        follows = set(zip(ends[own].tolist(), found.label[own].tolist(), strict=True))
        starts = (found.row * SIZE[1] + found.col)[own & (found.col > 0)]
        known = found.label[own & (found.col > 0)].tolist()
        assert follows.isdisjoint(zip(starts.tolist(), known, strict=True))

    for unit in units.tolist():
        own = found.unit == unit
        if granularity == "patch":
            cost = cost_of(labels, unit)
        else:
            cost = segments_cost(labels[unit], np.ones(SIZE, bool))
        assert (found.clicks[own].sum(), found.pixels[own].sum()) == cost
    totals = store.totals()
    assert totals.clicks == found.clicks.sum() and totals.pixels == named.size


def test_a_void_unit_is_told_so_at_its_first_pixel(store):
    ask_blocks(store, units=[5])
    annotator(images(), "exact").annotate(store, 0)
    assert by_query(store) == [(1, 3, 3, -1, "exact", 1, 0, 0.0)]


def test_the_first_run_of_every_segment_is_the_click(store):
    labels = np.array([[[0, 1, 0], [0, 0, 0], [2, 2, 0]]])
    store.write_queries(0, "frame", frame=0, row=-1, col=-1, unit=[0], score=0.0)
    options = dict(granularity="frame", members=lambda _: np.arange(9))
    cost = CostModel(seconds={"segment": 2.0})
    annotator(labels, "exact", image_size=(3, 3), cost=cost, **options).annotate(
        store, 0
    )
    assert by_query(store) == [
        (1, 0, 0, 0, "exact", 1, 1, 2.0),
        (1, 0, 1, 1, "exact", 1, 1, 2.0),
        (1, 0, 2, 0, "exact", 0, 1, 0.0),  # the ring of 0 is one segment
        (1, 1, 0, 0, "exact", 0, 3, 0.0),
        (1, 2, 0, 2, "exact", 1, 2, 2.0),
        (1, 2, 2, 0, "exact", 0, 1, 0.0),
    ]


@pytest.mark.parametrize("mode", MODES)
def test_an_exact_unit_stays_in_its_frame_and_others_need_not(store, mode):
    first, last = 0, SIZE[0] * SIZE[1] + 1
    store.write_queries(0, "patch", frame=0, row=0, col=0, unit=[0], score=0.0)
    labels = np.zeros((FRAMES, *SIZE), int)
    odd = annotator(labels, mode, members=lambda _: np.array([first, last]))
    if mode == "exact":
        with pytest.raises(ValueError, match="outside"):
            odd.annotate(store, 0)
    else:
        assert odd.annotate(store, 0) and store.totals().pixels == 2


@pytest.mark.parametrize("mode", ["dominant", "click"])
def test_one_label_stands_for_the_whole_unit(store, mode):
    labels = images()
    units = ask_blocks(store).unit
    cost = CostModel(seconds={mode: 1.5})
    assert annotator(labels, mode, cost=cost).annotate(store, 0)
    queries, found = store.queries(), store.annotations()
    assert found.query_id.tolist() == queries.query_id.tolist()
    assert set(found.kind.tolist()) == {mode}
    for name in ("row", "col"):
        np.testing.assert_array_equal(getattr(found, name), getattr(queries, name))
    expected = {}
    for unit, label, pixels in zip(
        units.tolist(), found.label.tolist(), found.pixels.tolist(), strict=True
    ):
        inside = labels.reshape(-1)[block(unit)].tolist()
        if mode == "dominant":
            assert inside.count(label) == max(inside.count(i) for i in range(-1, 3))
        else:
            assert label == labels.reshape(-1)[block(unit).min()]
        assert pixels == (len(inside) if label >= 0 else 0)
        expected |= {p: label for p in block(unit).tolist() if label >= 0}
    assert -1 in found.label and store.totals().clicks == units.size
    assert store.totals().seconds == 1.5 * units.size
    pixel, label = expand_annotations(found, members=block, image_size=SIZE)
    assert dict(zip(pixel.tolist(), label.tolist(), strict=True)) == expected


def test_of_equally_frequent_labels_the_lowest_class_is_dominant(store):
    labels = np.zeros((FRAMES, *SIZE), int)
    labels[0, 0, :5] = [2, 1, -1, -1, -1]
    for i, members in enumerate(([0, 1], [1, 2], [0, 1, 2], [2, 3, 4, 0])):
        store.write_queries(i, "patch", frame=0, row=0, col=0, unit=[i], score=0.0)
        queried = annotator(
            labels, "dominant", members=lambda _, m=members: np.array(m)
        )
        queried.annotate(store, i)
    assert store.annotations().label.tolist() == [1, 1, 1, -1]


@pytest.mark.parametrize("mode", ["dominant", "click"])
def test_a_unit_without_a_clear_class_is_mixed(store, mode):
    labels = np.zeros((FRAMES, *SIZE), int)
    labels[0, 0, :8] = [2, 2, 2, 1, 0, 0, -1, -1]
    units = ([0, 1, 2, 3], [0, 3, 4, 5, 6], [0, 1, 3, 4], [6, 7, 0])
    expected = [(2, mode, 4), (-1, "mixed", 0), (2, mode, 4), (-1, mode, 0)]
    if mode == "click":
        expected[-1] = (-1, mode, 0)
    for i, members in enumerate(units):
        store.write_queries(
            i, "patch", frame=0, row=0, col=members[0], unit=[i], score=0.0
        )
        queried = annotator(
            labels, mode, mixed_below=0.5, members=lambda _, m=members: np.array(m)
        )
        queried.annotate(store, i)
    found = store.annotations()
    columns = (found.label.tolist(), found.kind.tolist(), found.pixels.tolist())
    assert list(zip(*columns, strict=True)) == expected
    assert found.clicks.tolist() == [1] * 4
    pixel, _ = expand_annotations(
        found, members=lambda i: np.array(units[i]), image_size=SIZE
    )
    assert pixel.tolist() == [0, 1, 2, 3, 4]


# --- limits ---


@pytest.mark.parametrize("mode", MODES)
def test_clicks_are_spent_to_the_last_one(tmp_path, mode):
    labels = images()
    for limit in (0, 1, 7, 20, 36, 10**6):
        with LabelStore(tmp_path / f"{limit}") as store:
            ask_blocks(store)
            assert annotator(labels, mode).annotate(store, 0, limit=limit)
            with LabelStore(tmp_path / f"{limit}-all") as whole_round:
                ask_blocks(whole_round)
                annotator(labels, mode).annotate(whole_round, 0)
                all_clicks = whole_round.totals().clicks
            assert store.totals().clicks == min(limit, all_clicks)
            answered = store.queries(0, "answered").query_id
            withdrawn = store.queries(0, "withdrawn").query_id
            assert answered.tolist() == list(range(1, answered.size + 1))  # best first
            assert answered.size + withdrawn.size == store.queries().query_id.size
            assert set(store.annotations().query_id.tolist()) == set(answered.tolist())


@pytest.mark.parametrize("limit", range(1, 7))
def test_a_unit_answered_in_part_has_its_largest_segments(store, limit):
    image = np.array([[0, 1, 1, 2], [0, 0, 1, 0], [-1, -1, 2, 0]])
    store.write_queries(0, "frame", frame=0, row=-1, col=-1, unit=[0], score=0.0)
    options = dict(granularity="frame", members=lambda _: np.arange(12))
    exact = annotator(image[None], "exact", image_size=image.shape, **options)
    assert exact.annotate(store, 0, limit=limit)
    # by size: 0 and 1 with three pixels, 0 with two, 2 and 2 with one
    order = [[0, 4, 5], [1, 2, 6], [7, 11], [3], [10]][:limit]
    pixel, label = expand_annotations(
        store.annotations(), members=None, image_size=image.shape
    )
    assert pixel.tolist() == sorted(np.concatenate(order).tolist())
    np.testing.assert_array_equal(label, image.reshape(-1)[pixel])
    assert store.totals().clicks == len(order)
    assert store.totals().queries == 1 and store.count_open() == 0


@pytest.mark.parametrize("limit, answered", [(0, 0), (1, 1), (9, 1), (17, 2), (18, 2)])
def test_pixels_are_never_exceeded_but_by_the_first_answer(store, limit, answered):
    labels = np.zeros((FRAMES, *SIZE), int)
    ask_blocks(store, units=[2, 1, 0])  # 9, 8 and 9 pixels, the last first
    model = CostModel("pixels")
    assert annotator(labels, "exact", cost=model).annotate(store, 0, limit=limit)
    assert store.queries(0, "answered").query_id.size == answered
    assert store.queries(0, "withdrawn").query_id.size == 3 - answered


def test_an_answer_that_costs_nothing_is_no_excuse_to_stop(store):
    labels = np.full((FRAMES, *SIZE), -1)
    labels[0, :, 3:] = 0
    ask_blocks(store, units=[1, 0])  # 0 is void, 1 has eight pixels
    model = CostModel("pixels")
    assert annotator(labels, "dominant", cost=model).annotate(store, 0, limit=3)
    assert store.totals().pixels == 8 and store.totals().queries == 2


def test_seconds_are_added_up_without_rounding_one_answer_away(store):
    labels = np.zeros((FRAMES, *SIZE), int)
    ask_blocks(store)
    model = CostModel("seconds", {"click": 0.1})
    # three times 0.1 is more than 0.3
    for round_limit, answered in ((0.3, 3), (0.35, 3), (1.0, 10)):
        with LabelStore(store.path + str(round_limit)) as other:
            ask_blocks(other)
            limited = annotator(labels, "click", cost=model)
            assert limited.annotate(other, 0, limit=round_limit)
            assert other.totals().queries == answered


def test_a_limit_is_the_rounds_own(store):
    labels = np.zeros((FRAMES, *SIZE), int)
    dominant = annotator(labels, "dominant")
    for i in range(3):
        ask_blocks(store, i, units=range(10 * i, 10 * i + 10))
        assert dominant.annotate(store, i, limit=4)
        assert store.totals(i).clicks == 4 * (i + 1)
    # what was withdrawn may be asked again, the best of it first
    ask_blocks(store, 3, units=store.queries(0, "withdrawn").unit[::-1])
    assert dominant.annotate(store, 3, limit=100)
    assert store.totals().clicks == 18 and store.count_open() == 0


def test_points_obey_a_limit(store):
    ask(store, n=8)
    points = SimulatedAnnotator(truth, num_classes=3, seed=0)
    assert points.annotate(store, 0, limit=5)
    assert store.annotations().query_id.tolist() == [1, 2, 3, 4, 5]
    assert store.queries(0, "withdrawn").query_id.tolist() == [6, 7, 8]
    store.undo(2, annotator="test")  # its click is to be spent again
    assert points.annotate(store, 0, limit=5)
    assert sorted(store.annotations().query_id.tolist()) == [1, 2, 3, 4, 5]


class Killed(Exception):
    """In place of SIGKILL: nothing of the call that it stops is done."""


@pytest.mark.parametrize("limit", [None, 7, 30])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("counts", ["clicks", "pixels"])
def test_a_kill_between_two_calls_changes_no_answer(
    tmp_path, monkeypatch, mode, limit, counts
):
    monkeypatch.setattr(alsem.annotation.annotators.simulated, "BATCH_PIXELS", 30)
    options = dict(noise_rate=0.4, cost=CostModel(counts), mixed_below=0.4)
    labels = images()

    def run(name, survives):
        """Goes on after a kill at the given call of the store that writes."""
        with LabelStore(tmp_path / name) as store:
            ask_blocks(store)
            calls = 0

            def mortal(method):
                def call(*args, **kwargs):
                    nonlocal calls
                    calls += 1
                    if calls == survives:
                        raise Killed
                    return method(*args, **kwargs)

                return call

            with monkeypatch.context() as patched:
                for method in ("answer", "withdraw"):
                    patched.setattr(store, method, mortal(getattr(store, method)))
                try:
                    annotator(labels, mode, **options).annotate(store, 0, limit=limit)
                except Killed:
                    annotator(labels, mode, **options).annotate(store, 0, limit=limit)
            return by_query(store), store.queries(0, "withdrawn").unit.tolist(), calls

    whole_run = run("whole", 0)
    assert whole_run[2] > 1 and (bool(whole_run[1]) == (limit is not None))
    for i in range(1, whole_run[2] + 1):
        assert run(f"killed-{i}", i)[:2] == whole_run[:2]


def test_a_round_takes_few_calls_of_the_store(store, monkeypatch):
    ask_blocks(store)
    calls, answer = [], store.answer
    monkeypatch.setattr(
        store, "answer", lambda *a, **k: (calls.append(1), answer(*a, **k))
    )
    annotator(images(), "exact").annotate(store, 0)
    assert len(calls) == 1


# --- noise in units ---


@pytest.mark.parametrize("mode", MODES)
def test_noise_in_units_is_keyed_by_their_pixels(tmp_path, mode):
    labels = images()
    units = np.arange(FRAMES * UNITS_A_FRAME)

    def noisy(name, batches, **options):
        found = {}
        with LabelStore(tmp_path / name) as store:
            for i, batch in enumerate(batches):
                ask_blocks(store, i, batch)
                annotator(labels, mode, **options).annotate(store, i)
            a = store.annotations()
            for unit, row, col, label in zip(
                *(c.tolist() for c in (a.unit, a.row, a.col, a.label)), strict=True
            ):
                found[unit, row, col] = label
        return found

    true = noisy("true", [units])
    one = noisy("one", [units], noise_rate=0.5)
    shuffled = np.random.default_rng(0).permutation(units)
    parts = noisy("parts", np.split(shuffled, [5, 20]), noise_rate=0.5)
    other = noisy("other", [units], noise_rate=0.5, seed=4)
    always = noisy("always", [units], noise_rate=1.0)
    assert one == parts and one != other and one != true
    assert true.keys() == one.keys()
    for place, label in true.items():
        assert (always[place] == label) == (label == -1)
        assert 0 <= one[place] < 3 or label == -1
    if mode != "exact":  # keyed alike: one label, one query pixel
        pixels = [k for k in true if true[k] >= 0]
        points = SimulatedAnnotator(
            lambda f, r, c: np.array([true[k] for k in pixels]),
            num_classes=3,
            seed=3,
            noise_rate=0.5,
        )
        place = np.array(pixels)
        with LabelStore(tmp_path / "points") as store:
            store.write_queries(
                0,
                "point",
                frame=place[:, 0] // UNITS_A_FRAME,
                row=place[:, 1],
                col=place[:, 2],
                unit=place[:, 0],
                score=0.0,
            )
            points.annotate(store, 0)
            assert store.annotations().label.tolist() == [one[k] for k in pixels]


def test_a_segment_errs_as_one(store):
    store.write_queries(0, "frame", frame=0, row=-1, col=-1, unit=[0], score=0.0)
    size = 40, 40
    generator = np.random.default_rng(2)
    image = generator.integers(0, 6, (8, 8)).repeat(5, 0).repeat(5, 1)
    noisy = annotator(
        image[None],
        "exact",
        granularity="frame",
        members=lambda _: np.arange(1600),
        image_size=size,
        noise_rate=0.5,
    )
    noisy.annotate(store, 0)
    found = store.annotations()
    _, label = expand_annotations(found, members=None, image_size=size)
    blocks = label.reshape(8, 5, 8, 5)
    assert (blocks == blocks[:, :1, :, :1]).all()  # no segment is smaller than a block
    runs = find_runs(np.zeros(1600, np.int64), np.arange(1600), image.reshape(-1), size)
    for head in np.unique(runs.head).tolist():
        of_segment = runs.head == head
        assert len(set(found.label[of_segment].tolist())) == 1
    wrong = (found.label != runs.label)[runs.is_head]
    # four standard errors of a binomial
    assert abs(wrong.mean() - 0.5) < 4 * np.sqrt(0.25 / wrong.size)


# --- what cannot be answered ---


@pytest.mark.parametrize(
    "options, words",
    [
        (dict(granularity="volume"), "active.answer: 'exact'.*volume"),
        (dict(mode="exactly"), "active.answer: 'exactly'"),
        (dict(cost=CostModel("seconds", {"point": 1.0})), "cost: .*'segment'"),
    ],
)
def test_modes_that_cannot_be_are_the_users_error(options, words):
    with pytest.raises(InputError, match=words) as raised:
        annotator(images(), **(dict(mode="exact") | options))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "options",
    [
        dict(counts="hours"),
        dict(seconds={"points": 1.0}),
        dict(seconds={"point": -1.0}),
        dict(seconds={"point": np.inf}),
        dict(seconds={"point": np.nan}),
    ],
)
def test_impossible_cost_models_are_the_users_error(options):
    with pytest.raises(InputError, match="cost: "):
        CostModel(**options)


def test_a_unit_without_a_pixel_of_its_own_cannot_be_clicked(store, tmp_path):
    store.write_queries(0, "patch", frame=0, row=-1, col=-1, unit=[0], score=0.0)
    path = tmp_path / "labels.csv"
    path.write_text("frame,row,col,label\n")
    for clicked in (
        annotator(images(), "click"),
        FileAnnotator(path, NAMES, granularity="patch", members=block),
    ):
        with pytest.raises(InputError, match="no pixel of its own"):
            clicked.annotate(store, 0)
    assert annotator(images(), "dominant").annotate(store, 0)


def test_an_empty_unit_is_found(store):
    ask_blocks(store, units=[0])
    with pytest.raises(ValueError, match="patch 0 has no pixel"):
        annotator(images(), "exact", members=lambda _: np.empty(0, int)).annotate(
            store, 0
        )


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("wrong", [-2, 3])
def test_a_label_that_is_none_is_found(store, mode, wrong):
    labels = images()
    labels[0, 0, 1] = wrong
    ask_blocks(store, units=[0])
    with pytest.raises(ValueError, match="of 3"):
        annotator(labels, mode, num_classes=3).annotate(store, 0)
    assert store.count_open() == 1


def test_points_pass_over_what_is_for_units(store):
    ask(store, n=2)
    everything = annotator(images(), "click", granularity="point", mixed_below=1.0)
    assert isinstance(everything, Annotator)
    assert everything.annotate(store, 0)
    assert store.annotations().kind.tolist() == ["point", "point"]


# --- units from a file ---


def write_csv(path, store, labels):
    """Gives queries, by id, a label each."""
    queries = store.queries()
    lines = ["frame,row,col,label"]
    for i, label in labels.items():
        place = (c[i - 1] for c in (queries.frame, queries.row, queries.col))
        lines.append(",".join([*map(str, place), label]))
    path.write_text("\n".join(lines) + "\n")


def test_the_file_annotator_spreads_labels_over_units(store, tmp_path):
    units = ask_blocks(store, units=range(4)).unit
    path = tmp_path / "labels.csv"
    write_csv(path, store, {1: "chair", 2: "mixed", 3: "void"})
    options = dict(granularity="patch", members=block, mode="click")
    cost = CostModel(seconds={"click": 3.0})
    from_file = FileAnnotator(path, NAMES, cost=cost, **options)
    assert isinstance(from_file, Annotator)
    assert not from_file.annotate(store, 0)
    found = store.annotations()
    assert found.label.tolist() == [2, -1, -1]
    assert found.kind.tolist() == ["click", "mixed", "click"]
    size = block(int(units[0])).size
    assert found.pixels.tolist() == [size, 0, 0]
    assert found.seconds.tolist() == [3.0] * 3 and found.clicks.tolist() == [1] * 3
    pixel, label = expand_annotations(found, members=block, image_size=SIZE)
    assert pixel.tolist() == sorted(block(int(units[0])).tolist())
    assert label.tolist() == [2] * size


def test_the_file_annotator_stops_at_the_limit(store, tmp_path):
    ask_blocks(store, units=range(6))
    path = tmp_path / "labels.csv"
    options = dict(granularity="patch", members=block)
    from_file = FileAnnotator(path, NAMES, **options)
    write_csv(path, store, {2: "wall"})
    assert not from_file.annotate(store, 0, limit=2)
    assert store.count_open() == 5
    write_csv(path, store, {i: "floor" for i in (3, 4, 6)} | {2: "wall"})
    assert from_file.annotate(store, 0, limit=2)
    assert store.annotations().query_id.tolist() == [2, 3]
    assert store.queries(0, "withdrawn").query_id.tolist() == [1, 4, 5, 6]


def test_the_file_annotator_knows_a_limit_reached_but_for_rounding(store, tmp_path):
    ask_blocks(store, units=range(11))
    path = tmp_path / "labels.csv"
    options = dict(granularity="patch", members=block)
    model = CostModel("seconds", {"dominant": 0.1})
    write_csv(path, store, {i: "wall" for i in range(1, 11)})
    from_file = FileAnnotator(path, NAMES, cost=model, **options)
    # SQLite may add up to 1.0 or to a little less, so ask for a little more
    assert from_file.annotate(store, 0, limit=1.0 + 1e-12)
    assert store.totals().queries == 10


def test_a_file_cannot_label_exactly_nor_a_point_be_mixed(store, tmp_path):
    ask(store, n=1)
    path = tmp_path / "labels.csv"
    write_csv(path, store, {1: "mixed"})
    with pytest.raises(InputError, match="line 2: 'mixed'"):
        FileAnnotator(path, NAMES).annotate(store, 0)
    options = dict(granularity="patch", members=block)
    with pytest.raises(InputError, match=r"active\.answer: .*exact") as raised:
        FileAnnotator(path, NAMES, mode="exact", **options)
    assert "\n" not in str(raised.value)
    with pytest.raises(ValueError, match="needs members"):
        FileAnnotator(path, NAMES, granularity="patch")


# --- labelled pixels ---


def test_the_later_of_two_answers_holds(store):
    store.write_queries(
        0, "patch", frame=[0, 0, 0], row=0, col=[0, 1, 2], unit=[0, 1, 2], score=0.0
    )
    answered = dict(clicks=1, annotator="test", seconds=0.0)
    store.answer([2], [1], kind="dominant", pixels=3, **answered)
    store.answer([1], [0], kind="exact", pixels=2, row=[0], col=[1], **answered)
    store.answer([3], [2], kind="point", pixels=1, **answered)
    units = {0: [0, 1], 1: [4, 1, 0], 2: [2]}

    def members(unit):
        return np.array(units[unit])

    pixel, label = expand_annotations(
        store.annotations(), members=members, image_size=SIZE
    )
    assert pixel.tolist() == [0, 1, 2, 4] and label.tolist() == [1, 0, 2, 1]
    assert pixel.dtype == np.int64 and label.dtype == np.int32
    units[1] = [4, 1]
    with pytest.raises(InputError, match=r"unit 1 had 3 pixels.* 2 now") as raised:
        expand_annotations(store.annotations(), members=members, image_size=SIZE)
    assert "\n" not in str(raised.value)
    with pytest.raises(ValueError, match="need members"):
        expand_annotations(store.annotations(), members=None, image_size=SIZE)


def test_nothing_is_labelled_by_no_answer_and_no_unknown_kind(store):
    nothing = store.annotations()
    pixel, label = expand_annotations(nothing, members=None, image_size=SIZE)
    assert pixel.shape == label.shape == (0,)
    ask(store, n=1)
    reply(store, [1], [0])
    found = store.annotations()
    assert expand_annotations(found, members=None, image_size=SIZE)[0].tolist() == [
        2 * SIZE[0] * SIZE[1] + 1
    ]
    odd = dataclasses.replace(found, kind=np.array(["guess"]))
    with pytest.raises(ValueError, match="guess"):
        expand_annotations(odd, members=None, image_size=SIZE)
