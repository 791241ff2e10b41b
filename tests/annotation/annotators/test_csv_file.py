import pytest
from captures import input_error
from label_stores import (
    SIZE,
    patch_pixels,
    write_patches,
    write_points,
    write_unit,
)

from alsem.annotation import (
    Annotator,
    CostModel,
    FileAnnotator,
    Totals,
    expand_annotations,
)

NAMES = ("wall", "floor", "chair")
HEADER = "frame,row,col,label\n"
PATCHES = dict(granularity="patch", unit_pixels=patch_pixels)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "labels.csv"


def write_answers(path, store, labels):
    """Writes a label for each of some queries, given by id."""
    queries = store.queries()
    lines = [
        f"{queries.frame[i - 1]},{queries.row[i - 1]},{queries.col[i - 1]},{label}\n"
        for i, label in labels.items()
    ]
    path.write_text(HEADER + "".join(lines))


def test_queries_are_answered_as_the_file_grows(store, path, capsys):
    write_points(store, n=5)
    path.write_bytes(
        b"\xef\xbb\xbfframe,row,col,label\r\n2,0,1,chair\r\n2,1,2, floor\r\n\r\n"
        b"2,3,4,void\r\n9,9,9,wall\r\n2,0,1,chair\r\n"
    )
    cost = CostModel(seconds={"point": 2.0})
    annotator = FileAnnotator(path, NAMES, cost=cost)
    assert not annotator.annotate(store, 0)
    unasked = "1 rows answer no query, the first in line 6 (frame 9, row 9, col 9)"
    assert capsys.readouterr().err == f"{path}: {unasked}\n"
    found = store.annotations()
    assert found.row.tolist() == [0, 1, 3] and found.label.tolist() == [2, 1, -1]
    assert store.totals() == Totals(clicks=3, pixels=2, queries=3, seconds=6.0)
    with open(path, "a") as file:
        file.write("2,2,3,wall\n2,4,5,void\n")
    assert annotator.annotate(store, 0)
    assert store.annotations().label.tolist()[-2:] == [0, -1]
    assert annotator.annotate(store, 0)


def test_an_answer_that_was_read_cannot_be_changed(store, path):
    write_points(store, n=3)
    annotator = FileAnnotator(path, NAMES)
    path.write_text(HEADER + "2,0,1,chair\n2,1,2,void\n")
    annotator.annotate(store, 0)
    path.write_text(HEADER + "2,0,1,chair\n2,1,2,wall\n2,2,3,wall\n")
    error = input_error(annotator.annotate, store, 0)
    assert "line 3: " in error and "'void' when it was read" in error
    assert len(store.annotations().label) == 2


@pytest.mark.parametrize(
    "content, words",
    [
        (HEADER + "5,5,5,wall\n2,0,1,sofa\n", "line 3: label 'sofa'"),
        (HEADER + "2,0,1,1\n", "line 2: label '1' is none of chair, floor, void, wall"),
        (HEADER + "2,0,1.5,wall\n", "line 2: frame, row and col must be integers"),
        (HEADER + "2,-1,1,wall\n", "line 2: frame, row and col count from 0"),
        (HEADER + "2,0,wall\n", "line 2: 3 cells; write frame,row,col,label"),
        (HEADER + "5,5,5,wall\n5,5,5,floor\n", "line 3: this pixel has another label"),
        (HEADER + "2,0,1,mixed\n", "line 2: label 'mixed'"),  # points are never mixed
        (HEADER + "2,0,1,\xff\n", "UTF-8"),
        (HEADER + '2,0,1,"wall\n', "save it as CSV"),
        ("", "line 1: the header"),
        ("frame;row;col;label\n", "line 1: the header"),
    ],
)
def test_a_malformed_file_is_an_input_error(store, path, content, words):
    write_points(store)
    path.write_bytes(content.encode("latin-1"))
    error = input_error(FileAnnotator(path, NAMES).annotate, store, 0)
    assert error.startswith(str(path)) and words in error
    assert store.count_open() == 4


def test_labels_are_names_even_if_they_look_like_numbers_or_void(store, path):
    write_points(store)
    path.write_text(HEADER + "2,0,1,1\n2,1,2,void\n")
    FileAnnotator(path, ("1", "wall", "void")).annotate(store, 0)
    assert store.annotations().label.tolist() == [0, 2]


def test_a_label_holds_for_its_whole_unit(store, path):
    units = write_patches(store, units=range(4)).unit
    write_answers(path, store, {1: "chair", 2: "mixed", 3: "void"})
    cost = CostModel(seconds={"click": 3.0})
    annotator = FileAnnotator(path, NAMES, cost=cost, mode="click", **PATCHES)
    assert isinstance(annotator, Annotator)
    assert not annotator.annotate(store, 0)
    found, pixels = store.annotations(), patch_pixels(int(units[0])).tolist()
    assert found.label.tolist() == [2, -1, -1]
    assert found.kind.tolist() == ["click", "mixed", "click"]
    assert found.pixels.tolist() == [len(pixels), 0, 0]
    assert found.seconds.tolist() == [3.0] * 3 and found.clicks.tolist() == [1] * 3
    pixel, label = expand_annotations(found, unit_pixels=patch_pixels, image_size=SIZE)
    assert pixel.tolist() == sorted(pixels) and set(label.tolist()) == {2}


def test_the_limit_of_the_round_holds_over_several_calls(store, path):
    write_patches(store, units=range(6))
    annotator = FileAnnotator(path, NAMES, **PATCHES)
    write_answers(path, store, {2: "wall"})
    assert not annotator.annotate(store, 0, limit=2)
    assert store.count_open() == 5
    write_answers(path, store, {i: "floor" for i in (3, 4, 6)} | {2: "wall"})
    assert annotator.annotate(store, 0, limit=2)
    assert store.annotations().query_id.tolist() == [2, 3]
    assert store.queries(0, "withdrawn").query_id.tolist() == [1, 4, 5, 6]


def test_a_limit_is_reached_up_to_rounding(store, path):
    write_patches(store, units=range(11))
    write_answers(path, store, dict.fromkeys(range(1, 11), "wall"))
    cost = CostModel("seconds", {"dominant": 0.1})
    annotator = FileAnnotator(path, NAMES, cost=cost, **PATCHES)
    # SQLite may add up to 1.0 or to a little less, so allow a little more
    assert annotator.annotate(store, 0, limit=1.0 + 1e-12)
    assert store.totals().queries == 10


def test_units_that_a_file_cannot_answer(store, path):
    error = input_error(FileAnnotator, path, NAMES, mode="exact", **PATCHES)
    assert error.startswith("active.answer: ") and "'exact'" in error
    with pytest.raises(ValueError, match="needs unit_pixels"):
        FileAnnotator(path, NAMES, granularity="patch")
    write_unit(store, row=-1, col=-1)
    for annotator, words in (
        (FileAnnotator(path, NAMES, **PATCHES), "no pixel of its own"),
        (FileAnnotator(path, NAMES), "'patch'"),  # an annotator of points
    ):
        assert words in input_error(annotator.annotate, store, 0)
