"""Class lists are read from metadata, text files and configs."""

import json

import captures
import pytest

from alsem.data import classes
from alsem.data.text_files import read_json

SEMANTIC = {
    "classes": [{"id": i, "name": f"class {i}"} for i in range(1, 102)],
    "objects": [
        {"id": 0, "class_id": 9, "class_name": "lamp"},
        {"id": 1, "class_id": -1, "class_name": "undefined"},
        {"id": 2, "class_id": 1, "class_name": "wall"},
        {"id": 3, "class_id": 9, "class_name": "lamp"},
        {"id": 4, "class_id": 0},
        {"id": 5, "class_id": 4},
    ],
}
INFO = {"void": {"id": 0}, "x": {"id": -3}, "b": {"id": 4}, "a": {"id": 1}}
TEXT = "9 lamp\n1 wall\n\n# note\n4\toffice chair\n0 void\n"


def written(folder, name, contents):
    """A file of text, or of JSON."""
    text = contents if isinstance(contents, str) else json.dumps(contents)
    (folder / name).write_text(text)
    return folder / name


def read(path):
    if path.name == "info.json":
        return classes.from_info(path, read_json(path))
    if path.name == "info_semantic.json":
        return classes.from_info_semantic(path)
    return classes.from_text(path)


@pytest.mark.parametrize(
    ("name", "contents", "names", "ids"),
    [
        ("info.json", {"classes": INFO}, ("a", "b"), (1, 4)),
        ("info_semantic.json", SEMANTIC, ("wall", "class 4", "lamp"), (1, 4, 9)),
        ("classes.txt", TEXT, ("wall", "office chair", "lamp"), (1, 4, 9)),
        ("classes.txt", "a\nb\nc", ("a", "b", "c"), (1, 2, 3)),
        ("classes.txt", "Background\na\nb", ("a", "b"), (1, 2)),
        ("classes.txt", "# x\nunlabelled\na\nvoid", ("a", "void"), (1, 2)),
        ("classes.txt", "__ignore__\n_background_\na", ("a",), (1,)),
        ("classes.txt", "0 background\n3 a", ("a",), (3,)),
    ],
)
def test_class_list(tmp_path, name, contents, names, ids):
    assert read(written(tmp_path, name, contents)) == (names, ids)


TWO_NAMES = [{"class_id": 3, "class_name": name} for name in "ab"]
BAD = [
    *(
        ("info.json", {"classes": listed}, reason)
        for listed, reason in (
            ({}, "no class"),
            ({"void": {"id": 0}}, "no class"),
            (["wall"], "'classes'"),
            ({"wall": {}}, "'wall'"),
            ({"wall": {"id": "1"}}, "'wall'"),
            ({"wall": {"id": True}}, "'wall'"),
            ({"wall": {"id": 256}}, "256"),
            ({"wall": {"id": 1}, "door": {"id": 1}}, "id 1"),
            ({"wall": {"id": 1}, "wall ": {"id": 2}}, "'wall'"),
            ({" ": {"id": 1}}, "no name"),
        )
    ),
    ("info_semantic.json", {}, "no class"),
    ("info_semantic.json", {"objects": 3}, "objects"),
    ("info_semantic.json", {"objects": [{"class_id": 3}]}, "class 3"),
    ("info_semantic.json", {"objects": [{}]}, "None"),
    ("info_semantic.json", {"objects": TWO_NAMES}, "id 3"),
    ("classes.txt", "", "no class"),
    ("classes.txt", "1 wall\nfloor", "'floor'"),
    ("classes.txt", "wall\nwall", "'wall'"),
]


@pytest.mark.parametrize(("name", "contents", "reason"), BAD)
def test_bad_class_list(tmp_path, name, contents, reason):
    path = written(tmp_path, name, contents)
    error = captures.input_error(read, path)
    assert error.startswith(f"{path}: ")
    assert reason in error


def test_list_of_a_config_comes_first(tmp_path):
    path = written(tmp_path, "classes.txt", "1 wall")
    found = classes.configured_or_listed((tmp_path,), ("4 b", "1 a", "200 d"))
    assert found == (("a", "b", "d"), (1, 4, 200))
    assert classes.configured_or_listed((tmp_path,), ())[0] == ("wall",)
    path.unlink()
    error = captures.input_error(classes.configured_or_listed, (tmp_path,), ())
    assert error.startswith(f"{path}: missing")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a\nb", "names counted from 1; 0 is void"),
        ("void\na", "names counted from 0, for 'void' is void"),
        ("1 a\n2 b", ""),
    ],
)
def test_numbering_is_told(tmp_path, text, words):
    read = classes.from_text(written(tmp_path, "classes.txt", text))
    assert classes.numbering([tmp_path], (), read) == words
    assert classes.numbering([tmp_path], ["7 other"], read) == ""
    assert classes.numbering([tmp_path], (), (("other",), (9,))) == ""
