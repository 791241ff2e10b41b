import json

import numpy as np
from made_runs import write_bounds, write_run
from PIL import Image

from alsem.reporting import comparison_table, finished_runs
from alsem.runs import compare


def compare_in(folder):
    return compare.compare(finished_runs.find_runs([folder]), samples=20)


def test_table_json_and_figure_are_written_and_show_bounds(tmp_path):
    scenes = compare_in(write_bounds(tmp_path / "study"))
    out = tmp_path / "out"
    table = comparison_table.write(scenes, out)
    lines = table.splitlines()
    assert lines[0].startswith("**hut**, 6 test frames. Full supervision: mIoU 0.9")
    # The first line of a group has its levels, later ones its ratios.
    row = {line.split("`")[1]: line for line in lines[::-1] if line.startswith("| `")}
    assert "> 20" in row["random"]  # level not reached
    assert "at most 500, 10 % of pixels" in row["bald"]  # reached before its start
    (ratio,) = (line for line in lines if "`margin` against `random`" in line)
    assert "> 1." in ratio and "more)" in ratio  # the baseline misses the level
    assert (out / "label_efficiency.md").read_text() == table + "\n"
    again = json.loads((out / "label_efficiency.json").read_text())
    assert again["hut"]["groups"].keys() == scenes["hut"]["groups"].keys()
    with Image.open(out / "curves.png") as image:
        colours = np.asarray(image.convert("RGB")).reshape(-1, 3)
    assert len(np.unique(colours, axis=0)) > 50  # curves with bands, and text


def test_the_table_says_where_full_supervision_is_missing(tmp_path):
    write_run(tmp_path / "one", "random", [0.2, 0.3])
    table = comparison_table.table_text(compare_in(tmp_path))
    assert "no levels (add one with `:full`)" in table
