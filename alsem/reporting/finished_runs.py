"""Runs to compare: read from their directories and grouped by their configs."""

import dataclasses
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from alsem.core.errors import InputError
from alsem.evaluation import segmentation
from alsem.evaluation.label_efficiency import LearningCurve
from alsem.reporting import run_dir

# Keys in which runs of one group may differ: seed, length, where answers are.
FREE_KEYS = (
    *("seed", "active.rounds", "active.budget", "active.stop_at_miou"),
    "active.answers",
)
# Keys that a group's name has already.
NAME_KEYS = ("active.strategy", "active.granularity")
# Keys of how queries are chosen and rounds grow: they differ between a strategy and
# the random choice it is compared with.
SELECTION_KEYS = (
    *("active.strategy", "active.mix_by", "active.diversity", "active.exact_views"),
    *("active.initial_clicks", "active.clicks_per_round", "active.growth"),
)

FlatConfig = dict[str, Any]  # dotted key: value


@dataclasses.dataclass(frozen=True)
class FinishedRun:
    """A run directory with finished rounds.

    Attributes:
        workdir: The directory.
        config: Its config.
        rows: Rows of its rounds.
        curve: Its learning curve.
    """

    workdir: Path
    config: FlatConfig
    rows: list[dict[str, Any]]
    curve: LearningCurve

    @property
    def data_key(self) -> str:
        """Key of the scene and its frames."""
        return _dump({k: v for k, v in self.config.items() if k.startswith("data.")})

    @property
    def training_key(self) -> str:
        """Key of the model and its training, whatever labels it has."""
        other = ("data.", "active.", "seed", "train.policy.")
        keys = [k for k in self.config if not k.startswith(other)]
        return _dump(
            {k: self.config[k] for k in (*keys, "active.start") if k in self.config}
        )

    @property
    def group_key(self) -> str:
        """Key of the runs that differ only by their seed and length."""
        return _dump({k: v for k, v in self.config.items() if k not in FREE_KEYS})

    @property
    def is_full(self) -> bool:
        """Whether it is full supervision: every label, and the true ones."""
        config = self.config
        changed = config.get("active.label_set") or config.get("active.noise_rate")
        return config["active.strategy"] == "full" and not changed

    def annotation_differences(self, other: "FinishedRun") -> int:
        """Number of settings of annotation (answers, cost, noise) that differ."""
        keys = {k for k in self.config | other.config if k.startswith("active.")}
        return sum(
            self.config.get(k) != other.config.get(k)
            for k in keys - {*FREE_KEYS, *SELECTION_KEYS}
        )


def _dump(values: Any) -> str:
    return json.dumps(values, sort_keys=True)


def find_runs(folders: Sequence[Path]) -> list[FinishedRun]:
    """Reads the runs in folders, or in the folders directly below them.

    Runs without a finished round, or whose test frames have no labels, are left out.

    Raises:
        InputError: A folder has no run, none can be compared, or one is damaged.
    """
    found: dict[Path, FinishedRun] = {}
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


def read_run(workdir: Path) -> FinishedRun | None:
    """Reads a run directory; None if no round was scored: unfinished, or no labels.

    Raises:
        InputError: It is damaged, or was made by a version whose runs cannot be read.
    """
    rows = run_dir.read_rounds(workdir)
    if not rows or rows[-1].get("miou", 0.0) is None:
        return None
    config = run_dir.flat(run_dir.read_config(workdir))
    missing = [key for key in ("seed", *NAME_KEYS) if key not in config]
    if missing:
        raise InputError(
            f"{workdir / 'config.json'}: has no {missing[0]}, so its version cannot be"
            " read; run it again in a new directory"
        )
    sums = [
        segmentation.class_sums(run_dir.read_confusions(workdir, row["round"]))
        for row in rows
    ]
    curve = LearningCurve(
        clicks=np.array([row["clicks"] for row in rows]),
        pixels=np.array([row["pixels"] for row in rows]),
        sums=np.stack(sums),
    )
    return FinishedRun(workdir, config, rows, curve)


def distinct_names(
    names: list[str], configs: list[FlatConfig], *, ignore: Sequence[str] = ()
) -> list[str]:
    """Makes names distinct by settings that differ from their most frequent value.

    Args:
        names: One a config, perhaps equal.
        configs: Flat configs.
        ignore: Keys that no name needs. With any, names get their settings even where
            they are distinct without.
    """
    keys = sorted({k for config in configs for k in config} - set(ignore))
    values = {k: [_dump(config.get(k)) for config in configs] for k in keys}
    usual = {k: Counter(of_key).most_common(1)[0][0] for k, of_key in values.items()}
    found = []
    for i, name in enumerate(names):
        unusual = [f"{k}={configs[i].get(k)}" for k in keys if values[k][i] != usual[k]]
        is_distinct = names.count(name) == 1 and not ignore
        found.append(name if is_distinct else ", ".join([name, *unusual]))
    # Values may print alike: numbers keep them apart.
    return [
        name if found.count(name) == 1 else f"{name} ({found[:i].count(name) + 1})"
        for i, name in enumerate(found)
    ]
