"""Runs that are compared: read from their directories, told apart by their configs."""

import dataclasses
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from alsem.core.errors import InputError
from alsem.evaluation import segmentation
from alsem.evaluation.label_efficiency import Curve
from alsem.reporting import run_dir

# Says only which run of a group it is, how far it went, or where its answers lie.
FREE = (
    *("seed", "active.rounds", "active.budget", "active.stop_at_miou"),
    "active.answers",
)
NAMED = ("active.strategy", "active.granularity")
# How queries are chosen and rounds grow: of random choice as of any other.
OF_CHOICE = (
    *("active.strategy", "active.mix_by", "active.diversity", "active.exact_views"),
    *("active.initial_clicks", "active.clicks_per_round", "active.growth"),
)

Config = dict[str, Any]  # flat: dotted key to value


@dataclasses.dataclass(frozen=True)
class Run:
    """What is compared of a run directory.

    Attributes:
        workdir: The directory.
        config: Its config.
        rows: Its rounds.
        curve: Its curve.
    """

    workdir: Path
    config: Config
    rows: list[dict[str, Any]]
    curve: Curve

    @property
    def data(self) -> str:
        """What decides the scene and its frames."""
        return _dump({k: v for k, v in self.config.items() if k.startswith("data.")})

    @property
    def training(self) -> str:
        """What decides the model but for its labels."""
        other = ("data.", "active.", "seed", "train.policy.")
        keys = [k for k in self.config if not k.startswith(other)]
        return _dump(
            {k: self.config[k] for k in (*keys, "active.start") if k in self.config}
        )

    @property
    def key(self) -> str:
        """What the runs of a group have in common."""
        return _dump({k: v for k, v in self.config.items() if k not in FREE})

    @property
    def is_full(self) -> bool:
        """Whether it is full supervision: all labels, and the true ones."""
        config = self.config
        changed = config.get("active.label_set") or config.get("active.noise_rate")
        return config["active.strategy"] == "full" and not changed

    def settings_apart(self, other: "Run") -> int:
        """In how many settings labels come otherwise, but for how they are chosen."""
        keys = {k for k in self.config | other.config if k.startswith("active.")}
        return sum(
            self.config.get(k) != other.config.get(k)
            for k in keys - {*FREE, *OF_CHOICE}
        )


def _dump(values: Any) -> str:
    return json.dumps(values, sort_keys=True)


def find_runs(folders: Sequence[Path]) -> list[Run]:
    """Runs in the folders, or in the folders directly below them.

    Runs without a finished round, or whose test frames have no labels, are left out.

    Raises:
        InputError: A folder has no run, none can be compared, or one is damaged.
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
        raise InputError(
            f"{folders[0]}: no run there has finished a round yet that was scored on"
            " labelled test frames"
        )
    return list(found.values())


def read_run(workdir: Path) -> Run | None:
    """A run directory; None if no round was scored: unfinished, or without labels.

    Raises:
        InputError: It is damaged.
    """
    rows = run_dir.read_rounds(workdir)
    if not rows or rows[-1].get("miou", 0.0) is None:
        return None
    config = run_dir.read_config(workdir)
    sums = [
        segmentation.class_sums(run_dir.read_confusions(workdir, row["round"]))
        for row in rows
    ]
    curve = Curve(
        clicks=np.array([row["clicks"] for row in rows]),
        pixels=np.array([row["pixels"] for row in rows]),
        sums=np.stack(sums),
    )
    return Run(workdir, run_dir.flat(config), rows, curve)


def distinct_names(
    names: list[str], configs: list[Config], *, besides: Sequence[str] = ()
) -> list[str]:
    """Names, with what sets their configs apart from the usual one."""
    keys = sorted({k for config in configs for k in config} - set(besides))
    values = {k: [_dump(config.get(k)) for config in configs] for k in keys}
    usual = {k: Counter(of_key).most_common(1)[0][0] for k, of_key in values.items()}
    found = []
    for i, name in enumerate(names):
        apart = [f"{k}={configs[i].get(k)}" for k in keys if values[k][i] != usual[k]]
        alone = names.count(name) == 1 and not besides
        found.append(name if alone else ", ".join([name, *apart]))
    # Values that print alike: numbered, so that none is lost.
    return [
        name if found.count(name) == 1 else f"{name} ({found[:i].count(name) + 1})"
        for i, name in enumerate(found)
    ]
