import errno
import json

import jax.numpy as jnp
import numpy as np
import pytest
from captures import input_error

from alsem.reporting import json_records


@pytest.fixture
def path(tmp_path):
    return tmp_path / "rows.jsonl"


def full_disk(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_json_is_strict(tmp_path):
    values = {
        "nan": float("nan"),
        "inf": [np.float32("inf"), -np.inf],
        "array": np.array([1.0, np.nan]),
        "device": jnp.arange(3),
        "count": np.int64(7),
        "flag": np.bool_(True),
        3: tmp_path,
    }
    json_records.write_json(tmp_path / "deep" / "x.json", values)
    text = (tmp_path / "deep" / "x.json").read_text()
    assert json.loads(text, parse_constant=pytest.fail) == {
        "nan": None,
        "inf": [None, None],
        "array": [1.0, None],
        "device": [0, 1, 2],
        "count": 7,
        "flag": True,
        "3": str(tmp_path),
    }
    assert '"flag": true' in text
    with pytest.raises(TypeError, match="object has no JSON form"):
        json_records.plain({"a": [object()]})


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "summary.json"
    json_records.write_json(path, {"a": 1})
    for function in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(json_records.os, function, full_disk)
            error = input_error(json_records.write_json, path, {"a": 2})
        assert f"{path}: No space" in error and "free" in error
        assert json.loads(path.read_text()) == {"a": 1}
        assert list(tmp_path.iterdir()) == [path]


def test_a_failed_append_leaves_no_part_of_a_line(path, monkeypatch):
    json_records.repair_jsonl(path)
    json_records.append_jsonl(path, {"round": 0})
    with monkeypatch.context() as patch:
        patch.setattr(json_records.os, "fsync", full_disk)
        error = input_error(json_records.append_jsonl, path, {"round": 1})
    assert f"{path}: No space left" in error and "free" in error
    json_records.append_jsonl(path, {"round": 2})
    assert json_records.read_jsonl(path) == [{"round": 0}, {"round": 2}]


@pytest.mark.parametrize(
    ("tail", "kept"),
    [
        (b"{", False),
        (b'{"round": 1, "miou": 0.', False),
        (b"\0\0\0", False),
        (b'{"round": 1}', True),  # only its newline is missing
    ],
)
def test_an_incomplete_last_line_is_dropped(path, tail, kept):
    path.write_bytes(b'{"round": 0}\n' + tail)
    rows = [{"round": 0}, {"round": 1}][: 1 + kept]
    assert json_records.read_jsonl(path) == rows
    assert path.read_bytes().endswith(tail)  # reading does not change the file
    json_records.repair_jsonl(path)
    json_records.append_jsonl(path, {"round": 2})
    assert json_records.read_jsonl(path) == [*rows, {"round": 2}]


def test_a_damaged_line_in_the_middle_is_named(path):
    path.write_text('{"round": 0}\nnot json\n{"round": 1}\n')
    error = input_error(json_records.read_jsonl, path)
    assert f"{path}, line 2: " in error and "fix" in error
