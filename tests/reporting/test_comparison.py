"""Comparing run directories: groups, ratios, what is said of levels not reached."""

import json

import numpy as np
import pytest
from PIL import Image
from test_efficiency import C, counts_of

from alsem.core.errors import InputError
from alsem.reporting import comparison_table, finished_runs
from alsem.reporting.run_log import RunLog
from alsem.runs import compare


def write_run(
    folder,
    name,
    *,
    strategy,
    fractions,
    seed=0,
    clicks=None,
    unit="point",
    more=(),
    **config,
):
    """A run directory as the loop leaves it, as far as comparing needs it."""
    workdir = folder / name
    workdir.mkdir(parents=True)
    active = {"strategy": strategy, "granularity": unit, "rounds": len(fractions)}
    active |= dict(more)
    plain = {"seed": seed, "data": {"scene": "hut"}, "active": active}
    plain["model"] = {"members": 2} | config
    (workdir / "config.json").write_text(json.dumps(plain))
    log = RunLog(workdir)
    clicks = clicks or [10 * 2**i for i in range(len(fractions))]
    for number, (spent, fraction) in enumerate(zip(clicks, fractions, strict=True)):
        counts = counts_of(fraction, pixels=4000, seed=1000 * seed + number)
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
        write_run(
            tmp_path, f"random_{seed}", strategy="random", fractions=slow, seed=seed
        )
        write_run(
            tmp_path, f"fast_{seed}", strategy="margin", fractions=slow[2:], seed=seed
        )
    write_run(tmp_path, "full", strategy="full", fractions=[0.97], clicks=[9999])
    return tmp_path


def compare_all(folder, **kwargs):
    return compare.compare(finished_runs.find_runs([folder]), **kwargs)


def test_runs_of_one_config_are_a_group_and_ratios_are_what_was_made(folder):
    scene = compare_all(folder, draws=200)["hut"]
    assert set(scene["groups"]) == {"random", "margin"}
    assert scene["groups"]["margin"]["seeds"] == [0, 1]
    full = scene["groups"]["margin"]["full_supervision"]
    assert full == pytest.approx(0.94, abs=0.02)
    bases = {"ratio_a": "random", "ratio_b": "random"}
    assert scene["groups"]["margin"]["compared_with"] == bases
    assert scene["area_between"] == [10, 320]
    area = scene["groups"]["margin"]["area"]
    assert area["interval"][0] < area["mean"] < area["interval"][1]
    assert area["mean"] > scene["groups"]["random"]["area"]["mean"]
    assert scene["groups"]["margin"]["seconds_per_round"] == 3
    assert list(scene["groups"]["margin"]["iou_per_class"]["40"]) == list("abcd")
    level = scene["groups"]["margin"]["levels"]["80%"]
    # The same curve two rounds earlier, and rounds double.
    assert level["ratio_a"]["value"] == pytest.approx(4, rel=0.1)
    assert not level["ratio_a"]["at_least"]
    low, high = level["ratio_a"]["interval"]
    assert low < level["ratio_a"]["value"] < high and low > 2
    assert level["interval"][0] <= level["clicks"] <= level["interval"][1]
    assert level["pixels"] == pytest.approx(2 * level["clicks"], rel=0.05)
    assert level["pixel_share"] == pytest.approx(level["pixels"] / 10_000)
    assert "ratio_a" not in scene["groups"]["random"]["levels"]["80%"]  # itself


def test_the_mean_is_of_points_where_there_are_any(folder):
    fractions, clicks = [0.5, 0.6, 0.7], [200, 400, 900]
    write_run(
        folder, "f", strategy="margin", fractions=fractions, clicks=clicks, unit="frame"
    )
    scene = compare_all(folder, draws=20)["hut"]
    assert scene["area_between"] == [10, 320]
    assert "area" not in scene["groups"]["frame margin"]


def test_a_level_that_is_not_reached_is_not_made_up(folder):
    scene = compare_all(folder, draws=20)["hut"]
    level = scene["groups"]["margin"]["levels"]["within 1 point"]
    assert level["clicks"] is None and level["more_than"] == 320
    assert level["ratio_a"]["value"] is None
    text = comparison_table.table_text({"hut": scene})
    assert "> 320" in text and "> 1280" in text


def test_a_base_that_never_arrives_gives_a_bound(tmp_path):
    write_run(tmp_path, "slow", strategy="random", fractions=[0.2, 0.3])
    write_run(tmp_path, "fast", strategy="margin", fractions=[0.5, 0.96])
    write_run(tmp_path, "full", strategy="full", fractions=[0.97])
    scene = compare_all(tmp_path, draws=20)["hut"]
    ratio = scene["groups"]["margin"]["levels"]["80%"]["ratio_a"]
    assert ratio["at_least"] and 1 < ratio["value"] < 2
    assert "> 1." in comparison_table.table_text({"hut": scene})


def test_settings_that_differ_name_the_groups(folder):
    write_run(
        folder, "more", strategy="margin", fractions=[0.5, 0.9], seed=0, members=4
    )
    groups = compare_all(folder, draws=5)["hut"]["groups"]
    assert set(groups) == {"random", "margin", "margin, model.members=4"}
    # No random choice and no full supervision with that training.
    other = groups["margin, model.members=4"]
    assert other["compared_with"] == {"ratio_a": None, "ratio_b": "random"}
    assert other["full_supervision"] is None and other["levels"] == {}


def test_without_a_ceiling_there_are_curves_but_no_levels(tmp_path):
    write_run(tmp_path, "one", strategy="random", fractions=[0.2, 0.3])
    found = compare_all(tmp_path, draws=5)
    assert found["hut"]["groups"]["random"]["levels"] == {}
    assert "no levels" in comparison_table.table_text(found)


def test_what_is_written_can_be_read(folder, tmp_path):
    found = compare_all(folder, draws=20)
    out = tmp_path / "out"
    table = comparison_table.write(found, out)
    assert (out / "label_efficiency.md").read_text() == table + "\n"
    again = json.loads((out / "label_efficiency.json").read_text())
    assert again["hut"]["groups"].keys() == found["hut"]["groups"].keys()
    with Image.open(out / "curves.png") as image:
        colours = np.asarray(image.convert("RGB")).reshape(-1, 3)
    assert len(np.unique(colours, axis=0)) > 50  # two curves with bands, and text


@pytest.mark.parametrize(
    "what", ["nothing", "no rounds", "no confusions", "no config", "classes"]
)
def test_what_cannot_be_compared_is_told_in_one_line(folder, tmp_path, what):
    place = tmp_path / "other"
    place.mkdir()
    if what == "no rounds":
        (place / "rounds.jsonl").touch()
    elif what == "no confusions":
        place = folder
        (folder / "fast_0" / "confusions" / "round_0.npz").unlink()
    elif what == "no config":
        place = folder
        (folder / "fast_0" / "config.json").write_text("null")
    elif what == "classes":
        place = folder
        path = folder / "fast_0" / "confusions" / "round_{}.npz"
        for number in range(6):
            np.savez(str(path).format(number), counts=np.ones((6, C + 1, C + 1), int))
    with pytest.raises(InputError) as error:
        compare_all(place, draws=5)
    assert "\n" not in str(error.value) and str(tmp_path) in str(error.value)


def test_runs_of_different_lengths_bound_nothing_by_the_shortest(folder):
    write_run(folder, "random_2", strategy="random", fractions=[0.3], seed=2)
    scene = compare_all(folder, draws=50)["hut"]
    level = scene["groups"]["margin"]["levels"]["80%"]
    assert level["ratio_a"]["value"] == pytest.approx(4, rel=0.15)
    assert scene["area_between"] == [10, 320]


def test_a_run_that_has_just_begun_takes_no_mean_from_the_others(folder):
    write_run(folder, "begun", strategy="entropy", fractions=[0.3])
    label_set = {"label_set": "click"}
    write_run(folder, "set", strategy="full", fractions=[0.6], more=label_set)
    scene = compare_all(folder, draws=5)["hut"]
    assert scene["area_between"] == [10, 320]
    assert "area" in scene["groups"]["margin"]
    assert "area" not in scene["groups"]["entropy"]


def test_full_supervision_is_by_true_labels(folder):
    before = compare_all(folder, draws=5)["hut"]["groups"]
    active = {"noise_rate": 0.9}
    write_run(
        folder, "bad", strategy="full", fractions=[0.2], clicks=[9999], more=active
    )
    after = compare_all(folder, draws=5)["hut"]["groups"]
    ceiling = before["margin"]["full_supervision"]
    assert after["margin"]["full_supervision"] == ceiling
    assert "full, active.noise_rate=0.9" in after  # a group of its own


def test_the_base_is_random_choice_with_the_same_answers(folder):
    slow, active = [0.3, 0.4, 0.5], {"noise_rate": 0.5}
    write_run(folder, "a_noisy", strategy="random", fractions=slow, more=active)
    write_run(folder, "b_noisy", strategy="margin", fractions=slow, more=active)
    write_run(folder, "entropy", strategy="entropy", fractions=slow)  # most are clean
    groups = compare_all(folder, draws=5)["hut"]["groups"]
    bases = {name: row["compared_with"]["ratio_a"] for name, row in groups.items()}
    assert len(bases) == 5
    assert sum("noise_rate=0.5" in name for name in bases) == 2
    for name, base in bases.items():
        assert ("noise_rate=0.5" in base) == ("noise_rate=0.5" in name)


def test_runs_without_labels_are_left_out(folder):
    before = compare_all(folder, draws=5)
    bare = write_run(folder, "bare", strategy="margin", fractions=[0.3], seed=5)
    row = json.loads((bare / "rounds.jsonl").read_text()) | {"miou": None}
    (bare / "rounds.jsonl").write_text(json.dumps(row) + "\n")
    (bare / "confusions" / "round_0.npz").unlink()
    assert compare_all(folder, draws=5) == before


def test_a_capture_without_a_scene_is_named_by_its_folder():
    config = {"data.scene": "", "data.dir": "rooms/attic/"}
    assert compare._scene_name(config) == "attic"
    config |= {"data.make_room": True, "data.room.seed": 7}
    assert compare._scene_name(config) == "room_7"


def test_a_curve_that_begins_above_a_level_is_a_bound(folder):
    fractions = [0.9, 0.92]
    write_run(folder, "late", strategy="bald", fractions=fractions, clicks=[500, 700])
    scene = compare_all(folder, draws=20)["hut"]
    assert scene["groups"]["bald"]["levels"]["80%"]["at_most"]
    assert "at most 500" in comparison_table.table_text({"hut": scene})


def test_other_frames_are_another_scene_and_a_run_given_twice_an_error(folder):
    plain = json.loads((folder / "fast_1" / "config.json").read_text())
    plain["data"]["downscale"] = 4
    (folder / "fast_1" / "config.json").write_text(json.dumps(plain))
    found = compare_all(folder, draws=5)
    assert set(found) == {"hut", "hut, data.downscale=4"}
    write_run(folder / "again", "fast_0", strategy="margin", fractions=[0.5])
    with pytest.raises(InputError, match="are the same run"):
        compare.compare(finished_runs.find_runs([folder, folder / "again"]))


def test_a_scene_with_nothing_but_its_ceiling_is_left_out(folder):
    only = write_run(folder, "barn", strategy="full", fractions=[0.9])
    plain = json.loads((only / "config.json").read_text())
    plain["data"]["scene"] = "barn"
    (only / "config.json").write_text(json.dumps(plain))
    assert set(compare_all(folder, draws=5)) == {"hut"}
    with pytest.raises(InputError, match="nothing but full supervision"):
        compare_all(only, draws=5)


def test_rounds_written_twice_count_once(folder):
    path = folder / "fast_0" / "rounds.jsonl"
    path.write_text(path.read_text() * 2)
    run = finished_runs.read_run(folder / "fast_0")
    assert run is not None and run.curve.clicks.tolist() == [10, 20, 40, 80, 160, 320]
