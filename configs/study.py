r"""The label-efficiency study: scenes x arms x seeds over shared geometry.

Run:      python -m alsem.study --config=configs/study.py --out=runs/study --jobs=2
          python -m alsem.compare runs/study --out=runs/study/compared
Smoke:    ... --config=configs/study.py:smoke   (one tiny room: shows that it runs)
Captures: ... --config=configs/study.py:DIR     (and kitchen and living_grey in DIR)

A scene names a config and settings of it; an arm adds settings and a number of
seeds. Every run is `alsem.main` on that config with those flags. Scenes and arms are
pairs of a name and its settings, because a ConfigDict would sort names: arms run in the
order in which they are written.
"""

import os
from typing import Any

import ml_collections

Named = tuple[str, dict[str, Any]]


def get_config(variant: str = "") -> ml_collections.ConfigDict:
    """The whole study; ``variant`` is '', 'smoke' or a folder of captures."""
    is_smoke = variant == "smoke"
    config = ml_collections.ConfigDict()
    config.scenes = (
        (_scene("room_0", "configs/room.py:smoke"),) if is_smoke else _scenes(variant)
    )
    config.arms = _smoke_arms() if is_smoke else _arms()
    return config


def _scenes(captures: str) -> tuple[Named, ...]:
    if captures and not os.path.isdir(captures):
        raise ValueError(f"{captures!r} is no folder; use '', 'smoke' or a folder")
    rooms = (
        _scene(f"room_{seed}", "configs/room.py", f"data.room.seed={seed}")
        for seed in (7, 8)
    )
    replica = (
        _scene(
            name,
            "configs/replica.py",
            f"data.dir={captures}",
            f"data.scene={name}",
            "data.train_split=Sequence_1[::3]",
            "data.test_split=Sequence_2[:]",
        )
        for name in (("kitchen", "living_grey") if captures else ())
    )
    return (*rooms, *replica)


def _arms() -> tuple[Named, ...]:
    # Rounds grow by 1.4: 7 end at 693 clicks, 12 at 3989, 16 at 15497, 17 at 21720.
    exact = "active.answer=exact"
    # Arms by pixels show what a fraction of the pool teaches. They end at 124,000.
    pixels = ("active.cost=pixels", "active.rounds=8")
    pixels += ("active.initial_clicks=5000", "active.clicks_per_round=5000")
    of_volumes = ("active.granularity=volume", "active.volume_size=0.05")
    return (
        _arm("full", seeds=1, variant="full"),
        _arm("random", "active.strategy=random", "active.rounds=17", seeds=5),
        _arm("default", "active.rounds=16", seeds=5),
        _arm("policy", "active.strategy=policy", "active.rounds=12", seeds=3),
        _arm("margin", "active.strategy=margin", "active.rounds=12", seeds=3),
        _arm("frame", "active.granularity=frame", exact, "active.rounds=7", seeds=1),
        _arm("patch", "active.granularity=patch", exact, *pixels, seeds=1),
        _arm("superpixel", "active.granularity=superpixel", exact, *pixels, seeds=1),
        _arm("volume", *of_volumes, *pixels, seeds=1),
    )


def _smoke_arms() -> tuple[Named, ...]:
    return (
        _arm("full", "active.strategy=full", "active.rounds=1", seeds=1),
        _arm("random", "active.strategy=random", seeds=1),
        _arm("default", seeds=1),
    )


def _scene(name: str, config: str, *settings: str) -> Named:
    return name, {"config": config, "set": settings}


def _arm(name: str, *settings: str, seeds: int, variant: str = "") -> Named:
    return name, {"set": settings, "seeds": seeds, "variant": variant}
