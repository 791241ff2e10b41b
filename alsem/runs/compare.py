"""Compares finished runs: learning curves, clicks to levels of mIoU, label efficiency.

Runs of one scene that differ only by their seed are a group. Ratio A compares a group
with random choice at its own granularity and with its own training, ratio B with
random points, of its own training if there are any.
"""

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

import numpy as np

from alsem.core.errors import InputError
from alsem.evaluation import label_efficiency
from alsem.evaluation.label_efficiency import (
    LEVELS,
    WITHIN,
    Bootstrap,
    SeedGroup,
    interval,
)
from alsem.reporting.finished_runs import (
    FREE_KEYS,
    NAME_KEYS,
    FinishedRun,
    FlatConfig,
    distinct_names,
)

Groups = dict[str, tuple[list[FinishedRun], SeedGroup]]  # by name


def compare(runs: Sequence[FinishedRun], *, samples: int = 1000) -> dict[str, Any]:
    """Computes the label efficiency of all groups, by scene, as plain data.

    A scene that has only runs of full supervision is left out.

    Args:
        runs: From `find_runs`.
        samples: Bootstrap samples of test frames and seeds.

    Raises:
        InputError: There is nothing to compare, or runs do not fit together.
    """
    scenes: dict[str, list[FinishedRun]] = {}
    for run in runs:
        scenes.setdefault(run.data_key, []).append(run)
    scenes = {k: of for k, of in scenes.items() if not all(r.is_full for r in of)}
    if not scenes:
        raise InputError(
            f"{runs[0].workdir}: nothing but full supervision to compare; add a run"
        )
    configs = [of[0].config for of in scenes.values()]
    names = distinct_names(
        [_scene_name(config) for config in configs],
        [{k: v for k, v in c.items() if k.startswith("data.")} for c in configs],
    )
    found = {
        name: _compare_scene(of, samples)
        for name, of in zip(names, scenes.values(), strict=True)
    }
    return dict(sorted(found.items()))


def _scene_name(config: FlatConfig) -> str:
    if scene := config.get("data.scene"):
        return str(scene)
    if config.get("data.make_room"):
        return f"room_{config['data.room.seed']}"
    return PurePath(str(config.get("data.dir", ""))).name or "scene"


def _compare_scene(runs: list[FinishedRun], num_samples: int) -> dict[str, Any]:
    frames, _, classes = runs[0].curve.sums.shape[1:]
    for run in runs:
        if run.curve.sums.shape[1:] != (frames, 3, classes):
            raise InputError(
                f"{run.workdir}: other test frames or classes than"
                f" {runs[0].workdir}; compare runs of the same scene and split"
            )
    samples = label_efficiency.make_bootstrap(frames, num=num_samples)
    groups = _group(runs, samples)
    ceilings = _ceilings([run for run in runs if run.is_full], samples)
    clicks, full_miou = {}, {}
    for label, (of, group) in groups.items():
        ceiling = ceilings.get(of[0].training_key)
        clicks[label] = _clicks_to_levels(group, ceiling)
        full_miou[label] = None if ceiling is None else float(ceiling[0])
    points = [
        g
        for of, g in groups.values()
        if of[0].config["active.granularity"] == "point"
        and g.first_clicks < g.common_clicks  # one round spans no interval
    ]
    mean_range = _common_range(points or [group for _, group in groups.values()])
    return {
        "test_frames": frames,
        "mean_miou_range": mean_range,
        "groups": {
            label: _group_results(label, groups, clicks, mean_range)
            | {"full_supervision": full_miou[label]}
            for label in groups
        },
    }


def _group(runs: list[FinishedRun], samples: Bootstrap) -> Groups:
    """Groups runs, but those of full supervision, that differ only by their seed."""
    by_key: dict[str, list[FinishedRun]] = {}
    for run in runs:
        if not run.is_full:
            by_key.setdefault(run.group_key, []).append(run)
    for of in by_key.values():
        seeds = Counter(run.config["seed"] for run in of)
        twice = [run for run in of if seeds[run.config["seed"]] > 1]
        if twice:
            raise InputError(
                f"{twice[0].workdir} and {twice[1].workdir} are the same run, of seed"
                f" {twice[0].config['seed']}; give one of them"
            )
    labels = distinct_names(
        [_group_name(of[0].config) for of in by_key.values()],
        [of[0].config for of in by_key.values()],
        ignore=(*FREE_KEYS, *NAME_KEYS),
    )
    return {
        label: (of, SeedGroup([run.curve for run in of], samples))
        for label, of in zip(labels, by_key.values(), strict=True)
    }


def _group_name(config: FlatConfig) -> str:
    granularity, strategy = config["active.granularity"], config["active.strategy"]
    return strategy if granularity == "point" else f"{granularity} {strategy}"


def _common_range(groups: list[SeedGroup]) -> list[int] | None:
    """First and last clicks that all curves of groups span; None if there are none."""
    first = max(group.first_clicks for group in groups)
    last = min(group.common_clicks for group in groups)
    return [first, last] if last > first else None


def _ceilings(full: list[FinishedRun], samples: Bootstrap) -> dict[str, np.ndarray]:
    """Full supervision's mIoU ``[b]`` on each sample, by the key of its training."""
    found: dict[str, list[np.ndarray]] = {}
    for run in full:
        scored = SeedGroup([run.curve], samples).miou[0][:, -1]
        found.setdefault(run.training_key, []).append(scored)
    return {training: np.mean(scored, axis=0) for training, scored in found.items()}


def _clicks_to_levels(
    group: SeedGroup, ceiling: np.ndarray | None
) -> dict[str, np.ndarray]:
    """Clicks ``[b]`` to every level; empty without full supervision."""
    if ceiling is None:
        return {}
    levels = {f"{fraction:.0%}": fraction * ceiling for fraction in LEVELS}
    levels["within 1 point"] = ceiling - WITHIN
    return {name: group.clicks_to(level) for name, level in levels.items()}


def _group_results(
    label: str,
    groups: Groups,
    clicks: dict[str, dict[str, np.ndarray]],
    mean_range: list[int] | None,
) -> dict[str, Any]:
    """Results of one group: levels, ratios, curve, IoU of every class."""
    runs, group = groups[label]
    config = runs[0].config
    baselines = {
        "ratio_a": _baseline(runs[0], groups, config["active.granularity"]),
        "ratio_b": _baseline(runs[0], groups, "point", any_training=True),
    }
    levels = {}
    for name, needed in clicks[label].items():
        levels[name] = _level(needed, group, int(runs[0].rows[-1]["candidates"]))
        for ratio, baseline in baselines.items():
            # A baseline with another training reaches for levels of its own ceiling.
            if baseline not in (None, label) and name in clicks[baseline]:
                last = groups[baseline][1].last_clicks
                levels[name][ratio] = _ratio(clicks[baseline][name], needed, last)
    longest = max((run.curve.clicks for run in runs), key=len)
    fit = group.miou_at(longest)
    low, high = np.quantile(fit, [0.025, 0.975], axis=0)
    classes = list(runs[0].rows[-1]["iou_per_class"])
    seconds = [sum(row["seconds"].values()) for run in runs for row in run.rows[1:]]
    found: dict[str, Any] = {
        "strategy": config["active.strategy"],
        "granularity": config["active.granularity"],
        "seeds": sorted(run.config["seed"] for run in runs),
        "rounds": sorted(len(run.rows) for run in runs),
        "compared_with": baselines,
        "levels": levels,
        "curve": {
            "clicks": longest.tolist(),
            "miou": fit[0].tolist(),
            "low": low.tolist(),
            "high": high.tolist(),
            "pixels": [group.pixels_at(int(c)) for c in longest],
        },
        "iou_per_class": {
            str(spent): dict(zip(classes, group.iou_at(spent).tolist(), strict=True))
            for spent in longest.tolist()
        },
        "seconds_per_round": float(np.median(seconds)) if seconds else None,
    }
    if mean_range is not None and group.spans(*mean_range):
        mean = group.mean_miou(*mean_range)
        found["mean_miou"] = {"value": float(mean[0]), "interval": interval(mean[1:])}
    return found


def _level(clicks: np.ndarray, group: SeedGroup, pool: int) -> dict[str, Any]:
    """Clicks to a level and their interval; a lower bound if it is not reached."""
    value, (low, high) = float(clicks[0]), interval(clicks[1:])
    if not math.isfinite(value):
        return {"clicks": None, "more_than": group.last_clicks}
    pixels = group.pixels_at(value)
    return {
        "clicks": value,
        # Before the first round nothing is measured: an upper bound.
        "at_most": value <= group.first_clicks,
        "interval": [low, high if math.isfinite(high) else None],
        "pixels": pixels,
        "pixel_fraction": pixels / pool,
    }


def _ratio(baseline: np.ndarray, clicks: np.ndarray, last: int) -> dict[str, Any]:
    """Times fewer clicks; None where the level is not reached."""
    found = label_efficiency.click_ratio(baseline, clicks, base_last=last)
    if found is None:
        return {"value": None}
    value, (low, high) = found
    return {
        "value": value,
        "at_least": not math.isfinite(baseline[0]),
        "interval": [low if low > 0 else None, high if math.isfinite(high) else None],
    }


def _baseline(
    run: FinishedRun, groups: Groups, granularity: str, *, any_training: bool = False
) -> str | None:
    """The group of random choice that a run is compared with.

    Of several, the one with the fewest differences in answers, cost and noise.
    """
    random = {
        label: of[0]
        for label, (of, _) in groups.items()
        if of[0].config["active.strategy"] == "random"
        and of[0].config["active.granularity"] == granularity
    }
    same = [k for k, other in random.items() if other.training_key == run.training_key]
    usable = same if same or not any_training else list(random)

    def differences(label: str) -> int:
        return random[label].annotation_differences(run)

    return min(usable, key=differences, default=None)
