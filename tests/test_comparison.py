"""Comparing run directories: groups, ratios, what is said of levels not reached."""

import json

import numpy as np
import pytest
from PIL import Image
from test_efficiency import C, counts_of

from alsem import comparison, comparison_page
from alsem.logs import RunLog
from alsem.types import InputError


def write_run(folder, name, *, strategy, shares, seed=0, clicks=None, **config):
    """A run directory as the loop leaves it, as far as comparing needs it."""
    workdir = folder / name
    workdir.mkdir(parents=True)
    active = {"strategy": strategy, "granularity": "point", "rounds": len(shares)}
    plain = {"seed": seed, "data": {"scene": "hut", "dir": name}, "active": active}
    plain["model"] = {"members": 2} | config
    (workdir / "config.json").write_text(json.dumps(plain))
    log = RunLog(workdir)
    clicks = clicks or [10 * 2**i for i in range(len(shares))]
    for number, (spent, share) in enumerate(zip(clicks, shares, strict=True)):
        counts = counts_of(share, pixels=4000, seed=1000 * seed + number)
        log.write_confusions(number, counts)
        with (workdir / "rounds.jsonl").open("a") as file:
            row = {
                "round": number,
                "clicks": spent,
                "pixels": 2 * spent,
                "candidates": 10_000,
                "iou_per_class": dict.fromkeys("abcd"),
                "seconds": {"score": 1.0, "fit_semantics": 2.0},
            }
            file.write(json.dumps(row) + "\n")
    log.close()
    return workdir


@pytest.fixture
def folder(tmp_path):
    """Random choice that is four times as slow, for two seeds, and a ceiling."""
    slow = [0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.88, 0.91]
    for seed in (0, 1):
        write_run(tmp_path, f"random_{seed}", strategy="random", shares=slow, seed=seed)
        write_run(
            tmp_path, f"fast_{seed}", strategy="margin", shares=slow[2:], seed=seed
        )
    write_run(tmp_path, "full", strategy="full", shares=[0.97], clicks=[9999])
    return tmp_path


def compared(folder, **kwargs):
    return comparison.compare(comparison.find_runs([folder]), **kwargs)


def test_runs_of_one_config_are_a_group_and_ratios_are_what_was_made(folder):
    scene = compared(folder, draws=200)["hut"]
    assert set(scene["groups"]) == {"random", "margin"}
    assert scene["groups"]["margin"]["seeds"] == [0, 1]
    assert scene["full_supervision"]["runs"] == 1
    assert scene["full_supervision"]["miou"] == pytest.approx(0.94, abs=0.02)
    level = scene["groups"]["margin"]["levels"]["80%"]
    # The same curve two rounds earlier, and rounds double.
    assert level["ratio_a"]["value"] == pytest.approx(4, rel=0.1)
    assert not level["ratio_a"]["at_least"]
    low, high = level["ratio_a"]["interval"]
    assert low < level["ratio_a"]["value"] < high and low > 2
    assert level["interval"][0] <= level["clicks"] <= level["interval"][1]
    assert level["pixels"] == pytest.approx(2 * level["clicks"], rel=0.05)
    assert level["pixel_share"] == pytest.approx(level["pixels"] / 10_000)
    assert scene["groups"]["random"]["levels"]["80%"]["ratio_a"]["value"] == 1


def test_a_level_that_is_not_reached_is_not_made_up(folder):
    scene = compared(folder, draws=20)["hut"]
    level = scene["groups"]["margin"]["levels"]["within 1 point"]
    assert level["clicks"] is None and level["more_than"] == 320
    assert level["ratio_a"]["value"] is None
    text = comparison_page.table_text({"hut": scene})
    assert "> 320" in text and "> 1280" in text


def test_a_base_that_never_arrives_gives_a_bound(tmp_path):
    write_run(tmp_path, "slow", strategy="random", shares=[0.2, 0.3])
    write_run(tmp_path, "fast", strategy="margin", shares=[0.5, 0.96])
    write_run(tmp_path, "full", strategy="full", shares=[0.97])
    scene = compared(tmp_path, draws=20)["hut"]
    ratio = scene["groups"]["margin"]["levels"]["80%"]["ratio_a"]
    assert ratio["at_least"] and 1 < ratio["value"] < 2
    assert "> 1." in comparison_page.table_text({"hut": scene})


def test_settings_that_differ_name_the_groups(folder):
    write_run(folder, "more", strategy="margin", shares=[0.5, 0.9], seed=0, members=4)
    groups = compared(folder, draws=5)["hut"]["groups"]
    assert set(groups) == {"random", "margin", "margin, model.members=4"}


def test_without_a_ceiling_there_are_curves_but_no_levels(tmp_path):
    write_run(tmp_path, "one", strategy="random", shares=[0.2, 0.3])
    found = compared(tmp_path, draws=5)
    assert found["hut"]["groups"]["random"]["levels"] == {}
    assert "no levels" in comparison_page.table_text(found)


def test_what_is_written_can_be_read(folder, tmp_path):
    found = compared(folder, draws=20)
    out = tmp_path / "out"
    table = comparison_page.write(found, out)
    assert (out / "label_efficiency.md").read_text() == table + "\n"
    again = json.loads((out / "label_efficiency.json").read_text())
    assert again["hut"]["groups"].keys() == found["hut"]["groups"].keys()
    with Image.open(out / "curves.png") as image:
        colours = np.asarray(image.convert("RGB")).reshape(-1, 3)
    assert len(np.unique(colours, axis=0)) > 50  # two curves with bands, and text


@pytest.mark.parametrize("what", ["nothing", "no rounds", "no confusions", "classes"])
def test_what_cannot_be_compared_is_told_in_one_line(folder, tmp_path, what):
    place = tmp_path / "other"
    place.mkdir()
    if what == "no rounds":
        (place / "rounds.jsonl").touch()
    elif what == "no confusions":
        place = folder
        (folder / "fast_0" / "confusions" / "round_0.npz").unlink()
    elif what == "classes":
        place = folder
        path = folder / "fast_0" / "confusions" / "round_{}.npz"
        for number in range(6):
            np.savez(str(path).format(number), counts=np.ones((6, C + 1, C + 1)))
    with pytest.raises(InputError) as error:
        compared(place, draws=5)
    assert "\n" not in str(error.value) and str(tmp_path) in str(error.value)
