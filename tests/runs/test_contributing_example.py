"""The example of a new strategy in CONTRIBUTING.md selects queries in a run."""

import re

import tiny

from alsem.acquisition import STRATEGIES
from alsem.reporting.json_records import read_jsonl

TEXT = (tiny.ROOT / "CONTRIBUTING.md").read_text()
NAME = "far_margin"


def test_the_example_runs(runs, run, monkeypatch):
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    monkeypatch.setitem(STRATEGIES, NAME, None)  # taken away again after the test
    exec(compile(code, "CONTRIBUTING.md", "exec"), {})
    assert run("example", active__strategy=NAME)
    rows = read_jsonl(runs / "example" / "rounds.jsonl")
    assert [row["chosen_by"] for row in rows] == ["random", NAME, NAME]
    assert [row["clicks"] for row in rows] == [8, 16, 24]
