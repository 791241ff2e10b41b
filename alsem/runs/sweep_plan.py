"""Plans a study: every scene with every arm and seed, each in its run directory."""

import dataclasses
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alsem import acquisition
from alsem.core.errors import InputError
from alsem.reporting import run_dir
from alsem.runs import config_checks, config_files

SCENE_KEYS = {"config": str, "set": (tuple, list)}
ARM_KEYS = {"seeds": int, "set": (tuple, list), "variant": str}
WANTED = {"seeds": "a number", "set": "a list: ('active.rounds=3',)"}


@dataclasses.dataclass(frozen=True)
class PlannedRun:
    """One run of a study.

    Attributes:
        scene: Name of its scene in the study.
        arm: Name of its arm.
        workdir: Its run directory.
        flags: Flags of `alsem.main`.
        config: The config that these flags make, as plain data.
    """

    scene: str
    arm: str
    workdir: Path
    flags: tuple[str, ...]
    config: dict[str, Any]

    @property
    def rounds(self) -> int:
        """Number of rounds it has in all."""
        return self.config["active"]["rounds"]

    def rounds_done(self) -> int:
        """Number of rounds it has finished."""
        return len(run_dir.read_rounds(self.workdir))

    def is_done(self) -> bool:
        """Whether it has finished its rounds or its budget, or has no candidate left.

        Raises:
            InputError: The directory holds a run of another config.
        """
        summary = self.workdir / "summary.json"
        if not (self.workdir / "config.json").exists():
            return False
        done, before = self.rounds_done(), run_dir.read_config(self.workdir)
        # It may have more rounds than the study asks for.
        config_checks.check_continues(before, self.config, self.workdir, rounds_done=0)
        if not summary.exists():
            return False
        ended_by = json.loads(summary.read_text()).get("ended_by", "active.rounds")
        if ended_by in (None, "active.rounds"):
            return ended_by is not None and done >= self.rounds
        return run_dir.flat(before) == run_dir.flat(self.config) or done >= self.rounds


def plan(config: Any, out: Path) -> list[PlannedRun]:
    """Plans the runs of a study: all arms with their first seed, then the next seed.

    Arms go in the order in which they are written; each goes through all scenes.

    Args:
        config: ``configs/study.py``: ``scenes`` and ``arms``, pairs of a name and its
            settings.
        out: Folder of the run directories.

    Raises:
        InputError: There is no scene or no arm, two runs would share a directory, or
            a setting cannot be used.
    """
    scenes = _named_settings(config, "scenes", SCENE_KEYS)
    arms = _named_settings(config, "arms", ARM_KEYS)
    for name, arm in arms:
        if arm.get("seeds", 0) < 1:
            raise InputError(f"arms.{name}.seeds={arm.get('seeds')}: must be 1 or more")
    for name, scene in scenes:
        if "config" not in scene:
            raise InputError(f"scenes.{name}.config: must name a config file")
    runs = [
        _planned(scene, arm, seed, out)
        for seed in range(max(arm["seeds"] for _, arm in arms))
        for arm in arms
        if seed < arm[1]["seeds"]
        for scene in scenes
    ]
    twice = [p for p, n in Counter(run.workdir for run in runs).items() if n > 1]
    if twice:
        raise InputError(f"{twice[0]}: two runs of the study; rename a scene or an arm")
    return runs


Named = tuple[str, Mapping[str, Any]]


def _named_settings(config: Any, section: str, known: dict[str, Any]) -> list[Named]:
    """Checks the pairs of a section: known keys of the right types, and no seed."""
    pairs = config.get(section)
    if not pairs:
        raise InputError("the study has no scene or no arm; name some in its config")
    if not isinstance(pairs, tuple | list):
        # A ConfigDict would forget the order in which its keys were written.
        raise InputError(f"{section}: must be a list of pairs: (('name', {{...}}),)")
    for pair in pairs:
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise InputError(f"{section}: {pair!r}: must be a pair: ('name', {{...}})")
        name, settings = pair
        where = f"{section}.{name}"
        if not isinstance(settings, Mapping):
            raise InputError(f"{where}={settings!r}: must hold {', '.join(known)}")
        for key, value in settings.items():
            if key not in known:
                raise InputError(f"{where}.{key}: no such key; use {', '.join(known)}")
            if not isinstance(value, known[key]):
                wanted = WANTED.get(key, "a text")
                raise InputError(f"{where}.{key}={value!r}: must be {wanted}")
        for setting in settings.get("set", ()):
            if str(setting).partition("=")[0] == "seed":
                raise InputError(
                    f"{where}.set: {setting!r}: cannot be set; give the number of"
                    " seeds of an arm"
                )
    return list(pairs)


def _planned(scene: Named, arm: Named, seed: int, out: Path) -> PlannedRun:
    (scene_name, of_scene), (arm_name, of_arm) = scene, arm
    variant = of_arm.get("variant", "")
    base = of_scene["config"] + (f":{variant}" if variant else "")
    settings = (*of_scene.get("set", ()), *of_arm.get("set", ()), f"seed={seed}")
    workdir = out / f"{scene_name}-{arm_name}-{seed}"
    flags = (
        f"--config={base}",
        f"--workdir={workdir}",
        *(f"--config.{setting}" for setting in settings),
    )
    config = config_files.load(base)
    config_files.change(config, settings)
    config_checks.check(config)
    if config.active.strategy != "full":
        acquisition.parse_strategy(config.active.strategy, mix_by=config.active.mix_by)
    plain = json.loads(config.to_json_best_effort())
    return PlannedRun(scene_name, arm_name, workdir, flags, plain)
