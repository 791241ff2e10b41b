"""The README's example of a new strategy does what the README says."""

import re

import numpy as np
import pytest
import tiny
from pools import KEY, room

from alsem.acquisition import STRATEGIES
from alsem.reporting.json_records import read_jsonl
from alsem.runs import runner

README = (tiny.ROOT / "README.md").read_text()
NAME = "unsure_and_far"


@pytest.fixture
def example(monkeypatch):
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    before = dict(STRATEGIES)
    exec(compile(code, "README.md", "exec"), {})
    yield STRATEGIES[NAME]
    STRATEGIES.clear()
    STRATEGIES.update(before)


def test_the_example_chooses_a_batch(example):
    candidates = room(500)
    scores = np.random.default_rng(0).random(500, dtype=np.float32)
    queried = np.flatnonzero(candidates.is_valid)[:5]
    ids = example.select(KEY, scores, candidates, queried, num=20)
    assert len(np.unique(ids)) == 20 and candidates.is_valid[ids].all()
    assert not np.isin(ids, queried).any()


def test_the_example_runs(example, tmp_path):
    tiny.write_box(tmp_path)
    workdir = tmp_path / "run"
    config = tiny.config(tmp_path, active__strategy=NAME)
    assert runner.start_run(config, workdir)
    rows = read_jsonl(workdir / "rounds.jsonl")
    assert [row["chosen_by"] for row in rows] == ["random", NAME, NAME]
