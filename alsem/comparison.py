"""Comparing finished runs: from run directories to curves, a table and a figure.

Runs of one scene that differ by their seed alone are a group. Ratio A compares a group
with random choice at its own granularity and with its own training, ratio B with
random points and the plainest training there is.
"""

import dataclasses
import json
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from alsem import logs
from alsem.efficiency import Curve, Draws, Group, interval, make_draws
from alsem.types import InputError

LEVELS = (0.80, 0.90, 0.95)
WITHIN = 0.01  # of full supervision's mIoU: the level "within one point"
# What tells runs of a group apart, or says only how far they went.
_FREE = ("seed", "active.rounds", "active.budget", "data.dir", "active.stop_at_miou")
_NAMED = ("active.strategy", "active.granularity")


@dataclasses.dataclass(frozen=True)
class Run:
    """What is compared of a run directory.

    Attributes:
        workdir: The directory.
        config: Its config, flat: dotted key to value.
        rows: Its ``rounds.jsonl``.
        curve: Its curve.
    """

    workdir: Path
    config: dict[str, Any]
    rows: list[dict[str, Any]]
    curve: Curve

    @property
    def scene(self) -> str:
        """Name of the scene, with what chooses and scales its frames."""
        data = {k: v for k, v in self.config.items() if k.startswith("data.")}
        name = data.get("data.scene") or f"room_{data.get('data.room.seed', 0)}"
        return str(name)

    @property
    def key(self) -> tuple[tuple[str, str], ...]:
        """What the runs of a group have in common."""
        return tuple(
            sorted((k, json.dumps(v)) for k, v in self.config.items() if k not in _FREE)
        )

    @property
    def is_full(self) -> bool:
        """Whether it is full supervision."""
        return self.config["active.strategy"] == "full"


def find_runs(folders: Sequence[Path]) -> list[Run]:
    """Runs in the folders, or in the folders directly below them.

    Raises:
        InputError: A folder has no run, or a run no round that can be compared.
    """
    found: dict[Path, Run] = {}
    for folder in folders:
        below = sorted(folder.iterdir()) if folder.is_dir() else []
        places = [p for p in (folder, *below) if (p / "rounds.jsonl").exists()]
        if not places:
            raise InputError(f"{folder}: no run directory in it; give folders of runs")
        for place in places:
            run = read_run(place)
            if run is not None:
                found[place.resolve()] = run
    if not found:
        raise InputError(f"{folders[0]}: no run there has finished a round yet")
    return list(found.values())


def read_run(workdir: Path) -> Run | None:
    """A run directory; None if it has not finished a round.

    Raises:
        InputError: It is damaged, or its test frames have no labels.
    """
    rows = logs.read_jsonl(workdir / "rounds.jsonl")
    if not rows:
        return None
    try:
        config = json.loads((workdir / "config.json").read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{workdir / 'config.json'}: cannot be read") from error
    counts = [logs.read_confusions(workdir, row["round"]) for row in rows]
    # A round whose answers were all void costs clicks as well.
    curve = Curve(
        clicks=np.array([row["clicks"] for row in rows]),
        pixels=np.array([row["pixels"] for row in rows]),
        counts=np.stack(counts),
    )
    return Run(workdir, logs.flat(config), rows, curve)


def compare(runs: Sequence[Run], *, draws: int = 1000) -> dict[str, Any]:
    """Label efficiency of all groups, by scene, as plain data.

    Args:
        runs: From `find_runs`.
        draws: How often test frames and seeds are drawn anew.
    """
    scenes: dict[str, list[Run]] = {}
    for run in runs:
        scenes.setdefault(run.scene, []).append(run)
    return {name: _scene(of, draws) for name, of in sorted(scenes.items())}


def _scene(runs: list[Run], num_draws: int) -> dict[str, Any]:
    """All groups of one scene."""
    frames, classes = runs[0].curve.counts.shape[1:3]
    for run in runs:
        if run.curve.counts.shape[1:3] != (frames, classes):
            raise InputError(
                f"{run.workdir}: other test frames or classes than"
                f" {runs[0].workdir}; compare runs of the same scene and split"
            )
    draws = make_draws(frames, num=num_draws)
    by_key: dict[Any, list[Run]] = {}
    for run in runs:
        if not run.is_full:
            by_key.setdefault(run.key, []).append(run)
    full = [run for run in runs if run.is_full]
    ceiling = _ceiling(full, draws)
    groups = {
        label: (of, Group([run.curve for run in of], draws))
        for label, of in zip(_labels(by_key), by_key.values(), strict=True)
    }
    if not groups:
        raise InputError(f"{runs[0].scene}: nothing but full supervision to compare")
    first = max(int(run.curve.clicks[0]) for of, _ in groups.values() for run in of)
    last = min(group.last_clicks for _, group in groups.values())
    reach = {label: _reach(group, ceiling) for label, (_, group) in groups.items()}
    return {
        "test_frames": frames,
        "full_supervision": {
            "runs": len(full),
            "miou": None if ceiling is None else float(ceiling[0]),
        },
        "area_between": [first, last],
        "groups": {
            label: _row(label, groups, reach, draws, (first, last)) for label in groups
        },
    }


def _ceiling(full: list[Run], draws: Draws) -> np.ndarray | None:
    """Full supervision's mIoU ``[b]`` on each draw of the test frames."""
    if not full:
        return None
    return np.mean([Group([run.curve], draws).miou[0][:, -1] for run in full], axis=0)


def _levels(ceiling: np.ndarray) -> dict[str, np.ndarray]:
    """MIoU ``[b]`` of every level."""
    shares = {f"{share:.0%}": share * ceiling for share in LEVELS}
    return shares | {"within 1 point": ceiling - WITHIN}


def _reach(group: Group, ceiling: np.ndarray | None) -> dict[str, np.ndarray]:
    """Clicks ``[b]`` to every level; empty where there is no ceiling."""
    if ceiling is None:
        return {}
    return {name: group.clicks_to(level) for name, level in _levels(ceiling).items()}


def _row(
    label: str,
    groups: dict[str, tuple[list[Run], Group]],
    reach: dict[str, dict[str, np.ndarray]],
    draws: Draws,
    between: tuple[int, int],
) -> dict[str, Any]:
    """Everything that is said of one group."""
    runs, group = groups[label]
    base_a = _baseline(runs[0], groups, same_granularity=True)
    base_b = _baseline(runs[0], groups, same_granularity=False)
    pool = int(runs[0].rows[-1]["candidates"])
    levels = {}
    for name, clicks in reach[label].items():
        levels[name] = _measured(clicks, group.last_clicks)
        if math.isfinite(clicks[0]):
            pixels = group.pixels_at(float(clicks[0]))
            levels[name] |= {"pixels": pixels, "pixel_share": pixels / pool}
        for ratio, base in (("ratio_a", base_a), ("ratio_b", base_b)):
            if base is not None:
                last = groups[base][1].last_clicks
                levels[name][ratio] = _ratio(reach[base][name], clicks, last)
    area = group.area(*between)
    ladder = runs[0].curve.clicks
    names = list(runs[0].rows[-1]["iou_per_class"])
    low, high = np.quantile(group.at(ladder), [0.025, 0.975], axis=0)
    return {
        "strategy": runs[0].config["active.strategy"],
        "granularity": runs[0].config["active.granularity"],
        "seeds": sorted(run.config["seed"] for run in runs),
        "compared_with": {"a": base_a, "b": base_b},
        "levels": levels,
        "area": {"mean": float(area[0]), "interval": interval(area[1:])},
        "curve": {
            "clicks": ladder.tolist(),
            "miou": group.at(ladder)[0].tolist(),
            "low": low.tolist(),
            "high": high.tolist(),
            "pixels": [group.pixels_at(int(c)) for c in ladder],
        },
        "iou_per_class": {
            str(clicks): dict(zip(names, group.iou_at(clicks).tolist(), strict=True))
            for clicks in ladder.tolist()
        },
        "seconds_per_round": float(
            np.median([_round_seconds(row) for run in runs for row in run.rows[1:]])
            if any(len(run.rows) > 1 for run in runs)
            else np.nan
        ),
    }


def _round_seconds(row: dict[str, Any]) -> float:
    return float(sum(row["seconds"].values()))


def _measured(clicks: np.ndarray, last: int) -> dict[str, Any]:
    """Clicks to a level and their interval; None beyond the last that was asked."""
    value, (low, high) = float(clicks[0]), interval(clicks[1:])
    return {
        "clicks": value if math.isfinite(value) else None,
        "more_than": None if math.isfinite(value) else last,
        "interval": [x if math.isfinite(x) else None for x in (low, high)],
    }


def _ratio(base: np.ndarray, clicks: np.ndarray, base_last: int) -> dict[str, Any]:
    """How many times fewer clicks; at least so many where the base never arrives."""
    if not math.isfinite(clicks[0]):
        return {"value": None, "at_least": False, "interval": [None, None]}
    bounded = np.minimum(base, base_last)
    with np.errstate(invalid="ignore"):
        values = bounded / clicks  # 0 where the group itself does not arrive
    low, high = interval(values[1:])
    return {
        "value": float(values[0]),
        "at_least": not math.isfinite(base[0]),
        "interval": [low, high],
    }


def _baseline(
    run: Run,
    groups: dict[str, tuple[list[Run], Group]],
    *,
    same_granularity: bool,
) -> str | None:
    """The group of random choice that a run is measured against."""
    wanted = run.config["active.granularity"] if same_granularity else "point"
    best, label_of = None, None
    for label, (runs, _) in groups.items():
        config = runs[0].config
        if config["active.strategy"] != "random":
            continue
        if config["active.granularity"] != wanted:
            continue
        skipped = (*_FREE, *_NAMED)
        differing = sum(
            config.get(k) != v for k, v in run.config.items() if k not in skipped
        )
        if best is None or differing < best:
            best, label_of = differing, label
    return label_of


def _labels(by_key: dict[Any, list[Run]]) -> list[str]:
    """A short name for every group: what sets it apart from the others."""
    configs = [runs[0].config for runs in by_key.values()]
    usual = {
        key: Counter(json.dumps(c.get(key)) for c in configs).most_common(1)[0][0]
        for key in {k for config in configs for k in config}
    }
    labels = []
    for config in configs:
        granularity = config["active.granularity"]
        parts = [str(config["active.strategy"])]
        if granularity != "point":
            parts[0] = f"{granularity} {parts[0]}"
        parts += [
            f"{key}={config.get(key)}"
            for key in sorted(usual)
            if key not in (*_FREE, *_NAMED)
            and json.dumps(config.get(key)) != usual[key]
        ]
        labels.append(", ".join(parts))
    return labels
