import json

import numpy as np
import pytest
from made_runs import write_run, write_study
from PIL import Image

from alsem.reporting import comparison_table, finished_runs
from alsem.runs import compare


@pytest.fixture
def scenes(tmp_path):
    """Margin reaches 80 % of the ceiling, random choice does not."""
    folder = tmp_path / "study"
    write_run(folder / "random", "random", [0.2, 0.3])
    write_run(folder / "margin", "margin", [0.5, 0.96])
    write_run(folder / "late", "bald", [0.9, 0.92], clicks=[500, 700])
    write_run(folder / "full", "full", [0.97])
    return compare.compare(finished_runs.find_runs([folder]), samples=20)


def test_the_table_shows_bounds(scenes):
    lines = comparison_table.table_text(scenes).splitlines()
    assert lines[0].startswith("**hut**, 6 test frames. Full supervision: mIoU 0.9")
    # The first line of a group has its levels, later ones its ratios.
    row = {line.split("`")[1]: line for line in lines[::-1] if line.startswith("| `")}
    assert "> 20" in row["random"]  # level not reached
    assert "at most 500, 10 % of pixels" in row["bald"]  # reached before its start
    (ratio,) = (line for line in lines if "`margin` against `random`" in line)
    assert "> 1." in ratio and "more)" in ratio  # the baseline misses the level


def test_the_table_says_where_full_supervision_is_missing(tmp_path):
    write_run(tmp_path / "one", "random", [0.2, 0.3])
    scenes = compare.compare(finished_runs.find_runs([tmp_path]), samples=5)
    assert "no levels (add one with `:full`)" in comparison_table.table_text(scenes)


def test_table_json_and_figure_are_written(tmp_path):
    study = write_study(tmp_path / "study")
    scenes = compare.compare(finished_runs.find_runs([study]), samples=5)
    out = tmp_path / "out"
    table = comparison_table.write(scenes, out)
    assert (out / "label_efficiency.md").read_text() == table + "\n"
    again = json.loads((out / "label_efficiency.json").read_text())
    assert again["hut"]["groups"].keys() == scenes["hut"]["groups"].keys()
    with Image.open(out / "curves.png") as image:
        colours = np.asarray(image.convert("RGB")).reshape(-1, 3)
    assert len(np.unique(colours, axis=0)) > 50  # two curves with bands, and text
