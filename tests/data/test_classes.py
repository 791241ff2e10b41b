"""Class lists are read from metadata, text files and configs."""

import json

import captures
import pytest

from alsem.data import classes
from alsem.data.text_files import read_json

OBJECTS = [
    {"id": 0, "class_id": 9, "class_name": "lamp"},
    {"id": 1, "class_id": -1, "class_name": "undefined"},
    {"id": 2, "class_id": 1, "class_name": "wall"},
    {"id": 3, "class_id": 9, "class_name": "lamp"},
    {"id": 4, "class_id": 0},
    {"id": 5, "class_id": 4},
]
SEMANTIC = {
    "classes": [{"id": i, "name": f"class {i}"} for i in range(1, 102)],
    "objects": OBJECTS,
}


def read(path):
    if path.name == "info.json":
        return classes.from_info(path, read_json(path))
    if path.name == "info_semantic.json":
        return classes.from_info_semantic(path)
    return classes.from_text(path)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        (
            "info.json",
            '{"classes": {"void": {"id": 0}, "x": {"id": -3}, "b": {"id": 4}, '
            '"a": {"id": 1}}}',
            (("a", "b"), (1, 4)),
        ),
        (
            "info_semantic.json",
            json.dumps(SEMANTIC),
            (("wall", "class 4", "lamp"), (1, 4, 9)),
        ),
        (
            "classes.txt",
            "9 lamp\n1 wall\n\n# note\n4\toffice chair\n0 void\n",
            (("wall", "office chair", "lamp"), (1, 4, 9)),
        ),
        ("classes.txt", "a\nb\nc", (("a", "b", "c"), (1, 2, 3))),
    ],
)
def test_class_list(tmp_path, name, text, expected):
    (tmp_path / name).write_text(text)
    assert read(tmp_path / name) == expected


BAD = [
    ("info.json", '{"classes": {}}', "no class"),
    ("info.json", '{"classes": {"void": {"id": 0}}}', "no class"),
    ("info.json", '{"classes": ["wall"]}', "'classes'"),
    ("info.json", '{"classes": {"wall": {}}}', "'wall'"),
    ("info.json", '{"classes": {"wall": {"id": "1"}}}', "'wall'"),
    ("info.json", '{"classes": {"wall": {"id": true}}}', "'wall'"),
    ("info.json", '{"classes": {"wall": {"id": 256}}}', "256"),
    ("info.json", '{"classes": {"wall": {"id": 1}, "door": {"id": 1}}}', "id 1"),
    ("info.json", '{"classes": {"wall": {"id": 1}, "wall ": {"id": 2}}}', "'wall'"),
    ("info.json", '{"classes": {" ": {"id": 1}}}', "no name"),
    ("info_semantic.json", "{}", "no class"),
    ("info_semantic.json", '{"objects": 3}', "objects"),
    ("info_semantic.json", '{"objects": [{"class_id": 3}]}', "class 3"),
    ("info_semantic.json", '{"objects": [{}]}', "None"),
    (
        "info_semantic.json",
        '{"objects": [{"class_id": 3, "class_name": "a"},'
        ' {"class_id": 3, "class_name": "b"}]}',
        "id 3",
    ),
    ("classes.txt", "", "no class"),
    ("classes.txt", "1 wall\nfloor", "'floor'"),
    ("classes.txt", "wall\nwall", "'wall'"),
]


@pytest.mark.parametrize(("name", "text", "reason"), BAD)
def test_bad_class_list(tmp_path, name, text, reason):
    (tmp_path / name).write_text(text)
    error = captures.input_error(read, tmp_path / name)
    assert error.startswith(f"{tmp_path / name}: ")
    assert reason in error


def test_list_of_a_config_comes_first(tmp_path):
    (tmp_path / "classes.txt").write_text("1 wall")
    lines = ("4 b", "1 a", "200 d")
    found = classes.configured_or_listed((tmp_path,), lines)
    assert found == (("a", "b", "d"), (1, 4, 200))
    assert classes.configured_or_listed((tmp_path,), ())[0] == ("wall",)
    (tmp_path / "classes.txt").unlink()
    error = captures.input_error(classes.configured_or_listed, (tmp_path,), ())
    assert error.startswith(f"{tmp_path / 'classes.txt'}: missing")
