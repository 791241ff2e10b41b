r"""The label-efficiency study: scenes x arms x seeds over shared geometry.

Run:      python -m alsem.study --config=configs/study.py --out=runs/study --jobs=2
          python -m alsem.compare runs/study --out=runs/study/compared
Smoke:    ... --config=configs/study.py:smoke   (one tiny room, a minute)
Captures: ... --config=configs/study.py:DIR     (and kitchen and living_grey in DIR)

A scene names a config and what is set in it; an arm what is set beside, and how many
seeds it has. Every run is `alsem.main` on that config with those flags.
"""

import os
from typing import Any

import ml_collections


def get_config(variant: str = "") -> Any:
    """The whole study; ``variant`` is '', 'smoke' or a folder of captures."""
    config: Any = ml_collections.ConfigDict()
    config.scenes = _smoke_scenes() if variant == "smoke" else _scenes(variant)
    config.arms = _smoke_arms() if variant == "smoke" else _arms()
    return config


def _scenes(captures: str) -> Any:
    if captures and not os.path.isdir(captures):
        raise ValueError(f"{captures!r} is no folder; use '', 'smoke' or a folder")
    scenes: Any = ml_collections.ConfigDict()
    for seed in (7, 8):
        scenes[f"room_{seed}"] = _scene("configs/room.py", f"data.room.seed={seed}")
    for name in ("kitchen", "living_grey") if captures else ():
        scenes[name] = _scene(
            "configs/replica.py",
            f"data.dir={captures}",
            f"data.scene={name}",
            "data.train_split=Sequence_1[::3]",
            "data.test_split=Sequence_2[:]",
        )
    return scenes


def _arms() -> Any:
    # Rounds grow by 1.4: 7 end at 693 clicks, 12 at 3989, 16 at 15497, 17 at 21720.
    arms: Any = ml_collections.ConfigDict()
    arms.full = _arm(seeds=1, variant="full")
    arms.random = _arm("active.strategy=random", "active.rounds=17", seeds=5)
    arms.default = _arm("active.rounds=16", seeds=5)
    for strategy in ("policy", "margin"):
        settings = (f"active.strategy={strategy}", "active.rounds=12")
        arms[strategy] = _arm(*settings, seeds=3)
    exact = "active.answer=exact"
    arms.frame = _arm("active.granularity=frame", exact, "active.rounds=7", seeds=1)
    # By pixels: what a share of the pool teaches. They end at 124,000.
    pixels = ("active.cost=pixels", "active.rounds=8")
    pixels += ("active.initial_clicks=5000", "active.clicks_per_round=5000")
    for unit, how in (
        ("patch", (exact,)),
        ("superpixel", (exact,)),
        ("volume", ("active.volume_size=0.05",)),
    ):
        arms[unit] = _arm(f"active.granularity={unit}", *how, *pixels, seeds=1)
    return arms


def _smoke_scenes() -> Any:
    scenes: Any = ml_collections.ConfigDict()
    scenes.room_0 = _scene("configs/room.py:smoke")
    return scenes


def _smoke_arms() -> Any:
    arms: Any = ml_collections.ConfigDict()
    arms.full = _arm("active.strategy=full", "active.rounds=1", seeds=1)
    arms.random = _arm("active.strategy=random", seeds=1)
    arms.default = _arm(seeds=1)
    return arms


def _scene(config: str, *settings: str) -> Any:
    return ml_collections.ConfigDict({"config": config, "set": settings})


def _arm(*settings: str, seeds: int, variant: str = "") -> Any:
    return ml_collections.ConfigDict(
        {"set": settings, "seeds": seeds, "variant": variant}
    )
