"""Comparison of run directories: groups, baselines, ratios, bounds."""

import json

import pytest
from captures import input_error
from made_runs import write_bounds, write_run, write_study

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
    margin, random = scene["groups"]["margin"], scene["groups"]["random"]
    assert margin["seeds"] == [0, 1]
    assert margin["full_supervision"] == pytest.approx(0.94, abs=0.02)
    assert margin["compared_with"] == {"ratio_a": "random", "ratio_b": "random"}
    assert scene["mean_miou_range"] == [10, 320]
    low, high = margin["mean_miou"]["interval"]
    assert low < margin["mean_miou"]["value"] < high
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
    not_reached = margin["levels"]["within 1 point"]
    assert not_reached["clicks"] is None and not_reached["more_than"] == 320
    assert not_reached["ratio_a"]["value"] is None


def test_levels_outside_of_a_curve_are_bounds(tmp_path):
    groups = groups_of(write_bounds(tmp_path), samples=20)
    ratio = groups["margin"]["levels"]["80%"]["ratio_a"]
    assert ratio["at_least"] and 1 < ratio["value"] < 2  # the baseline misses it
    assert groups["bald"]["levels"]["80%"]["at_most"]  # reached before its start


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
    frames = {"clicks": [200, 900], "active__granularity": "frame"}
    write_run(folder / "f", "margin", [0.5, 0.6], **frames)
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


def test_scenes_differ_by_their_data(folder):
    write_run(folder / "margin_2", "margin", [0.5], seed=2, data__downscale=4)
    write_run(folder / "barn", "full", [0.9], data__scene="barn")
    # A scene that has only full supervision is left out.
    assert set(compare_all(folder)) == {"hut", "hut, data.downscale=4"}
    error = input_error(compare_all, folder / "barn")
    assert "nothing but full supervision" in error


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
    error = input_error(compare_all, folder, folder / "again")
    assert "are the same run" in error


def test_runs_of_an_early_version_are_compared_with_new_ones(folder):
    """Keys and values that were renamed since do not make another group."""
    for path in folder.glob("*/config.json"):
        is_old = path.parent.name == "margin_1"
        key = "grid_share" if is_old else "grid_fraction"
        config = json.loads(path.read_text()) | {"train": {"geometry": {key: 0.05}}}
        path.write_text(json.dumps(config))
    assert groups_of(folder)["margin"]["seeds"] == [0, 1]
