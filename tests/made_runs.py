"""Run directories as the loop leaves them, as far as comparing them needs."""

import json

import numpy as np

from alsem.evaluation import segmentation
from alsem.reporting.run_dir import RunLog

CLASSES = "abcd"
SLOW = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.88, 0.91)


def make_counts(right, *, frames=6, pixels=400, seed=0):
    """Confusions ``[f c c]`` with about a fraction ``right`` of right pixels."""
    rng = np.random.default_rng(seed)
    num = len(CLASSES)
    made = []
    for _ in range(frames):
        fraction = np.clip(right + rng.normal(0, 0.02), 0, 1)
        true = rng.integers(0, num, pixels)
        wrong = (true + rng.integers(1, num, pixels)) % num
        seen = np.where(rng.uniform(size=pixels) < fraction, true, wrong)
        made.append(segmentation.confusion(seen, true, num_classes=num))
    return np.stack(made)


def write_run(workdir, strategy, fractions, *, seed=0, clicks=None, **settings):
    """A run whose rounds have these fractions of right pixels.

    Rounds double from 10 clicks unless ``clicks`` are given; ``__`` in the names of
    settings stands for a dot.
    """
    workdir.mkdir(parents=True)
    active = {"strategy": strategy, "granularity": "point", "rounds": len(fractions)}
    config = {"seed": seed, "data": {"scene": "hut"}, "active": active, "model": {}}
    for key, value in settings.items():
        section, _, name = key.partition("__")
        config[section][name] = value
    (workdir / "config.json").write_text(json.dumps(config))
    log = RunLog(workdir)
    clicks = clicks or [10 * 2**i for i in range(len(fractions))]
    lines = []
    for number, (spent, fraction) in enumerate(zip(clicks, fractions, strict=True)):
        counts = make_counts(fraction, pixels=4000, seed=1000 * seed + number)
        log.write_confusions(number, counts)
        row = {
            "round": number,
            "clicks": spent,
            "pixels": 2 * spent,
            "candidates": 10_000,
            "iou_per_class": dict.fromkeys(CLASSES),
            "seconds": {"score": 1.0, "fit_semantics": 2.0},
        }
        lines.append(json.dumps(row) + "\n")
    (workdir / "rounds.jsonl").write_text("".join(lines))
    return workdir


def write_study(folder):
    """Random choice that needs four times the clicks of margin, and full supervision.

    Margin has the same curve two rounds earlier, and rounds double.
    """
    for seed in (0, 1):
        write_run(folder / f"random_{seed}", "random", SLOW, seed=seed)
        write_run(folder / f"margin_{seed}", "margin", SLOW[2:], seed=seed)
    write_run(folder / "full", "full", [0.97], clicks=[9999])
    return folder


def write_bounds(folder):
    """Of 80 % of full supervision, random choice falls short and BALD starts above."""
    write_run(folder / "random", "random", [0.2, 0.3])
    write_run(folder / "margin", "margin", [0.5, 0.96])
    write_run(folder / "late", "bald", [0.9, 0.92], clicks=[500, 700])
    write_run(folder / "full", "full", [0.97])
    return folder
