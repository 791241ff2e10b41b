"""Comparison of run directories: groups, baselines, ratios, bounds."""

import json

import pytest
from made_runs import write_run, write_study

from alsem.core.errors import InputError
from alsem.reporting import finished_runs
from alsem.runs import compare


@pytest.fixture
def folder(tmp_path):
    return write_study(tmp_path)


def compare_all(*folders, samples=5):
    return compare.compare(finished_runs.find_runs(folders), samples=samples)


def groups_of(folder, **kwargs):
    return compare_all(folder, **kwargs)["hut"]["groups"]


def test_seeds_are_grouped_and_ratios_are_those_of_the_curves(folder):
    scene = compare_all(folder, samples=200)["hut"]
    assert set(scene["groups"]) == {"random", "margin"}
    margin = scene["groups"]["margin"]
    assert margin["seeds"] == [0, 1]
    assert margin["full_supervision"] == pytest.approx(0.94, abs=0.02)
    assert margin["compared_with"] == {"ratio_a": "random", "ratio_b": "random"}
    assert scene["mean_miou_range"] == [10, 320]
    low, high = margin["mean_miou"]["interval"]
    assert low < margin["mean_miou"]["value"] < high
    random = scene["groups"]["random"]
    assert margin["mean_miou"]["value"] > random["mean_miou"]["value"]
    assert margin["seconds_per_round"] == 3
    assert list(margin["iou_per_class"]["40"]) == list("abcd")
    level = margin["levels"]["80%"]
    assert level["ratio_a"]["value"] == pytest.approx(4, rel=0.1)
    assert not level["ratio_a"]["at_least"]
    low, high = level["ratio_a"]["interval"]
    assert 2 < low < level["ratio_a"]["value"] < high
    assert level["interval"][0] <= level["clicks"] <= level["interval"][1]
    assert level["pixels"] == pytest.approx(2 * level["clicks"], rel=0.05)
    assert level["pixel_fraction"] == pytest.approx(level["pixels"] / 10_000)
    assert "ratio_a" not in random["levels"]["80%"]  # itself


def test_a_level_that_is_not_reached_is_a_lower_bound(folder):
    level = groups_of(folder, samples=20)["margin"]["levels"]["within 1 point"]
    assert level["clicks"] is None and level["more_than"] == 320
    assert level["ratio_a"]["value"] is None


def test_a_baseline_that_misses_the_level_gives_a_bound(tmp_path):
    write_run(tmp_path / "slow", "random", [0.2, 0.3])
    write_run(tmp_path / "fast", "margin", [0.5, 0.96])
    write_run(tmp_path / "full", "full", [0.97])
    ratio = groups_of(tmp_path, samples=20)["margin"]["levels"]["80%"]["ratio_a"]
    assert ratio["at_least"] and 1 < ratio["value"] < 2


def test_groups_are_named_by_settings_that_differ(folder):
    write_run(folder / "more", "margin", [0.5, 0.9], model__members=4)
    groups = groups_of(folder)
    assert set(groups) == {"random", "margin", "margin, model.members=4"}
    # There is no random choice and no full supervision with that training.
    other = groups["margin, model.members=4"]
    assert other["compared_with"] == {"ratio_a": None, "ratio_b": "random"}
    assert other["full_supervision"] is None and other["levels"] == {}


def test_a_run_of_another_length_bounds_nothing(folder):
    write_run(folder / "random_2", "random", [0.3], seed=2)  # one round so far
    write_run(folder / "short", "entropy", [0.3])
    write_run(folder / "set", "full", [0.6], active__label_set="click")
    write_run(folder / "f", "margin", [0.5, 0.6], clicks=[200, 900], unit="frame")
    scene = compare_all(folder, samples=50)["hut"]
    assert scene["mean_miou_range"] == [10, 320]
    groups = scene["groups"]
    level = groups["margin"]["levels"]["80%"]
    assert level["ratio_a"]["value"] == pytest.approx(4, rel=0.15)
    assert "mean_miou" in groups["margin"]
    # Curves that do not span the range of the points.
    assert not any("mean_miou" in groups[name] for name in ("entropy", "frame margin"))


def test_full_supervision_has_true_labels_only(folder):
    before = groups_of(folder)["margin"]["full_supervision"]
    noisy = {"clicks": [9999], "active__noise_rate": 0.9}
    write_run(folder / "noisy", "full", [0.2], **noisy)
    after = groups_of(folder)
    assert after["margin"]["full_supervision"] == before
    assert "full, active.noise_rate=0.9" in after  # a group of its own


def test_the_baseline_has_the_same_annotation(folder):
    slow = [0.3, 0.4, 0.5]
    write_run(folder / "a_noisy", "random", slow, active__noise_rate=0.5)
    write_run(folder / "b_noisy", "margin", slow, active__noise_rate=0.5)
    write_run(folder / "entropy", "entropy", slow)  # most groups have no noise
    groups = groups_of(folder)
    bases = {name: row["compared_with"]["ratio_a"] for name, row in groups.items()}
    assert len(bases) == 5
    assert sum("noise_rate=0.5" in name for name in bases) == 2
    for name, base in bases.items():
        assert ("noise_rate=0.5" in base) == ("noise_rate=0.5" in name)


def test_a_curve_that_starts_above_a_level_gives_an_upper_bound(folder):
    write_run(folder / "late", "bald", [0.9, 0.92], clicks=[500, 700])
    assert groups_of(folder, samples=20)["bald"]["levels"]["80%"]["at_most"]


def test_scenes_differ_by_their_data(folder):
    write_run(folder / "margin_2", "margin", [0.5], seed=2, data={"downscale": 4})
    write_run(folder / "barn", "full", [0.9], data={"scene": "barn"})
    # A scene that has only full supervision is left out.
    assert set(compare_all(folder)) == {"hut", "hut, data.downscale=4"}
    with pytest.raises(InputError, match="nothing but full supervision"):
        compare_all(folder / "barn")


@pytest.mark.parametrize(
    ("config", "name"),
    [
        ({"data.scene": "", "data.dir": "rooms/attic/"}, "attic"),
        ({"data.scene": "", "data.make_room": True, "data.room.seed": 7}, "room_7"),
    ],
)
def test_captures_without_a_scene_name_have_one(config, name):
    assert compare._scene_name(config) == name


def test_a_run_that_is_given_twice_is_an_error(folder):
    write_run(folder / "again" / "margin_0", "margin", [0.5])
    with pytest.raises(InputError, match="are the same run"):
        compare_all(folder, folder / "again")


def test_runs_of_an_early_version_are_compared_with_new_ones(folder):
    """Keys and values that were renamed since do not make another group."""
    path = folder / "margin_1" / "config.json"
    old = json.loads(path.read_text())
    old["train"] = {"geometry": {"grid_share": 0.05}}
    path.write_text(json.dumps(old))
    for other in set(folder.glob("*/config.json")) - {path}:
        new = json.loads(other.read_text())
        new["train"] = {"geometry": {"grid_fraction": 0.05}}
        other.write_text(json.dumps(new))
    assert groups_of(folder)["margin"]["seeds"] == [0, 1]
