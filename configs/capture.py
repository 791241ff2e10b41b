r"""Your own capture: posed photographs, depth if there is any, labels from you.

Run:      python -m alsem.main --config=configs/capture.py --workdir=runs/mine \
              --config.data.dir=CAPTURE
Variants: configs/capture.py:smoke  (a few frames, about a minute with compilation)
          configs/capture.py:full   (full supervision, if it has labels)
          configs/capture.py:paper  (the published MLP and schedule; needs a GPU)
Cost:     7 minutes on 2 CPU cores per million rays (50 frames of 160x120), with depth
          or without.
Expected: mIoU 0.89 at 2006 clicks on a kitchen with depth, 0.82 from colour only.

Each round writes queries.csv and pictures, queries/index.html, into the run directory
and ends; put the answers into answers.csv and give the command again.
"""

from typing import Any

from alsem.runs import defaults, variants


def get_config(variant: str = "") -> Any:
    """The experiment; ``variant`` is '', 'smoke', 'full' or 'paper'."""
    config = defaults.get_defaults("scale", "label_space")
    config.data.scale = 0.0  # metres of a unit are guessed where they are not known
    config.data.source = "auto"  # or the name of a layout: nerfstudio, colmap, ...
    config.data.dir = "data/capture"
    config.data.train_split = "frames[:] but frames[::8]"  # "... sharpest 3" of a video
    config.data.test_split = "frames[::8]"
    if variant == "smoke":
        config.data.train_split, config.data.test_split = (
            "frames[1:8:2]",
            "frames[:8:2]",
        )
    config.model.appearance = True  # phones change their exposure
    config.active.annotator = "file"
    config.active.answers = "answers.csv"  # in the directory where the command runs
    config.model.hash.grid.log2_rows = 18  # real rooms have more surface
    config.model.hash.grid.colour_width = 64
    config.train.geometry.fit.steps = 1600  # with depth; see also colour_only
    config.active.rounds = 11  # 2832 clicks
    return variants.apply_variant(config, variant)
