"""Comparing finished runs: from run directories to curves, a table and a figure.

Runs of one scene that differ by their seed alone are a group. Ratio A compares a group
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
from alsem.evaluation.label_efficiency import Draws, Group, interval, make_draws
from alsem.reporting.finished_runs import FREE, NAMED, Config, Run, distinct_names

LEVELS = (0.80, 0.90, 0.95)
WITHIN = 0.01  # of full supervision's mIoU: the level "within one point"


def compare(runs: Sequence[Run], *, draws: int = 1000) -> dict[str, Any]:
    """Label efficiency of all groups, by scene, as plain data.

    A scene of which there is nothing but full supervision is left out.

    Args:
        runs: From `find_runs`.
        draws: How often test frames and seeds are drawn anew.

    Raises:
        InputError: There is nothing to compare, or runs do not go together.
    """
    scenes: dict[str, list[Run]] = {}
    for run in runs:
        scenes.setdefault(run.data, []).append(run)
    scenes = {k: of for k, of in scenes.items() if not all(r.is_full for r in of)}
    if not scenes:
        raise InputError(
            f"{runs[0].workdir}: nothing but full supervision to compare; add a run"
        )
    names = distinct_names(
        [_scene_name(of[0].config) for of in scenes.values()],
        [_only(of[0].config, "data.") for of in scenes.values()],
    )
    found = {
        name: _scene(of, draws) for name, of in zip(names, scenes.values(), strict=True)
    }
    return dict(sorted(found.items()))


def _scene_name(config: Config) -> str:
    if scene := config.get("data.scene"):
        return str(scene)
    if config.get("data.make_room"):
        return f"room_{config['data.room.seed']}"
    return PurePath(str(config.get("data.dir", ""))).name or "scene"


def _only(config: Config, prefix: str) -> Config:
    return {k: v for k, v in config.items() if k.startswith(prefix)}


def _scene(runs: list[Run], num_draws: int) -> dict[str, Any]:
    """All groups of one scene."""
    frames, _, classes = runs[0].curve.sums.shape[1:]
    for run in runs:
        if run.curve.sums.shape[1:] != (frames, 3, classes):
            raise InputError(
                f"{run.workdir}: other test frames or classes than"
                f" {runs[0].workdir}; compare runs of the same scene and split"
            )
    draws = make_draws(frames, num=num_draws)
    by_key: dict[str, list[Run]] = {}
    for run in runs:
        if not run.is_full:
            by_key.setdefault(run.key, []).append(run)
    _check_seeds(by_key)
    labels = distinct_names(
        [_group_name(of[0].config) for of in by_key.values()],
        [of[0].config for of in by_key.values()],
        besides=(*FREE, *NAMED),
    )
    groups = {
        label: (of, Group([run.curve for run in of], draws))
        for label, of in zip(labels, by_key.values(), strict=True)
    }
    ceilings = _ceilings([run for run in runs if run.is_full], draws)
    reach, miou = {}, {}
    for label, (of, group) in groups.items():
        ceiling = ceilings.get(of[0].training)
        reach[label] = _reach(group, ceiling)
        miou[label] = None if ceiling is None else float(ceiling[0])
    points = [
        g
        for of, g in groups.values()
        if of[0].config["active.granularity"] == "point"
        and g.first_clicks < g.common_clicks  # one round alone spans nothing
    ]
    between = _between(points or [group for _, group in groups.values()])
    return {
        "test_frames": frames,
        "area_between": between,
        "groups": {
            label: _row(label, groups, reach, between)
            | {"full_supervision": miou[label]}
            for label in groups
        },
    }


def _check_seeds(by_key: dict[str, list[Run]]) -> None:
    for runs in by_key.values():
        seeds = Counter(run.config["seed"] for run in runs)
        twice = [run for run in runs if seeds[run.config["seed"]] > 1]
        if twice:
            raise InputError(
                f"{twice[0].workdir} and {twice[1].workdir} are the same run, of seed"
                f" {twice[0].config['seed']}; give one of them"
            )


def _between(groups: list[Group]) -> list[int] | None:
    """Clicks that all of some curves span; None if there are none."""
    first = max(group.first_clicks for group in groups)
    last = min(group.common_clicks for group in groups)
    return [first, last] if last > first else None


def _ceilings(full: list[Run], draws: Draws) -> dict[str, np.ndarray]:
    """Full supervision's mIoU ``[b]`` on each draw, by the training it is of."""
    found: dict[str, list[np.ndarray]] = {}
    for run in full:
        scored = Group([run.curve], draws).miou[0][:, -1]
        found.setdefault(run.training, []).append(scored)
    return {training: np.mean(scored, axis=0) for training, scored in found.items()}


def _reach(group: Group, ceiling: np.ndarray | None) -> dict[str, np.ndarray]:
    """Clicks ``[b]`` to every level; empty where there is no ceiling."""
    if ceiling is None:
        return {}
    levels = {f"{fraction:.0%}": fraction * ceiling for fraction in LEVELS}
    levels["within 1 point"] = ceiling - WITHIN
    return {name: group.clicks_to(level) for name, level in levels.items()}


def _row(
    label: str,
    groups: dict[str, tuple[list[Run], Group]],
    reach: dict[str, dict[str, np.ndarray]],
    between: list[int] | None,
) -> dict[str, Any]:
    """Everything that is said of one group."""
    runs, group = groups[label]
    bases = {
        "ratio_a": _base(runs[0], groups, runs[0].config["active.granularity"]),
        "ratio_b": _base(runs[0], groups, "point", any_training=True),
    }
    levels = {}
    for name, clicks in reach[label].items():
        levels[name] = _measured(clicks, group, int(runs[0].rows[-1]["candidates"]))
        for ratio, base in bases.items():
            # A base of another training has levels of its own: the same are asked.
            if base is not None and base != label and name in reach[base]:
                last = groups[base][1].last_clicks
                levels[name][ratio] = _ratio(reach[base][name], clicks, last)
    longest = max((run.curve.clicks for run in runs), key=len)
    low, high = np.quantile(group.at(longest), [0.025, 0.975], axis=0)
    classes = list(runs[0].rows[-1]["iou_per_class"])
    found: dict[str, Any] = {
        "strategy": runs[0].config["active.strategy"],
        "granularity": runs[0].config["active.granularity"],
        "seeds": sorted(run.config["seed"] for run in runs),
        "rounds": sorted(len(run.rows) for run in runs),
        "compared_with": bases,
        "levels": levels,
        "curve": {
            "clicks": longest.tolist(),
            "miou": group.at(longest)[0].tolist(),
            "low": low.tolist(),
            "high": high.tolist(),
            "pixels": [group.pixels_at(int(c)) for c in longest],
        },
        "iou_per_class": {
            str(clicks): dict(zip(classes, group.iou_at(clicks).tolist(), strict=True))
            for clicks in longest.tolist()
        },
    }
    seconds = [sum(row["seconds"].values()) for run in runs for row in run.rows[1:]]
    found["seconds_per_round"] = float(np.median(seconds)) if seconds else None
    if between is not None and group.spans(*between):
        area = group.area(*between)
        found["area"] = {"mean": float(area[0]), "interval": interval(area[1:])}
    return found


def _measured(clicks: np.ndarray, group: Group, pool: int) -> dict[str, Any]:
    """Clicks to a level and their interval; None beyond the last that was asked."""
    value, (low, high) = float(clicks[0]), interval(clicks[1:])
    if not math.isfinite(value):
        return {"clicks": None, "more_than": group.last_clicks}
    pixels = group.pixels_at(value)
    return {
        "clicks": value,
        # It may have been there before its first round: nobody looked.
        "at_most": value <= group.first_clicks,
        "interval": [low, high if math.isfinite(high) else None],
        "pixels": pixels,
        "pixel_share": pixels / pool,
    }


def _ratio(base: np.ndarray, clicks: np.ndarray, base_last: int) -> dict[str, Any]:
    """How many times fewer clicks; None where there is no telling."""
    found = label_efficiency.ratio(base, clicks, base_last=base_last)
    if found is None:
        return {"value": None}
    value, (low, high) = found
    return {
        "value": value,
        "at_least": not math.isfinite(base[0]),
        "interval": [low if low > 0 else None, high if math.isfinite(high) else None],
    }


def _base(
    run: Run,
    groups: dict[str, tuple[list[Run], Group]],
    granularity: str,
    *,
    any_training: bool = False,
) -> str | None:
    """The group of random choice that a run is measured against.

    Of several the one whose labels come most like the run's: its answers, costs, noise.
    """
    random = {
        label: of[0]
        for label, (of, _) in groups.items()
        if of[0].config["active.strategy"] == "random"
        and of[0].config["active.granularity"] == granularity
    }
    same = [k for k, other in random.items() if other.training == run.training]
    able = same if same or not any_training else list(random)
    return min(able, key=lambda k: random[k].settings_apart(run), default=None)


def _group_name(config: Config) -> str:
    granularity, strategy = config["active.granularity"], config["active.strategy"]
    return strategy if granularity == "point" else f"{granularity} {strategy}"
