r"""A capture in the Semantic-NeRF Replica layout, at its published split.

Run:      python -m alsem.main --config=configs/replica.py --workdir=runs/room_0 \
              --config.data.dir=Replica_Dataset --config.data.scene=room_0
Variants: configs/replica.py:smoke  (a few frames, about a minute with compilation)
          configs/replica.py:full   (full supervision: the ceiling)
          configs/replica.py:paper  (the published MLP and schedule; needs a GPU)
Cost:     5 to 7 minutes on 2 CPU cores for 60 frames of 160x120, 2 GB; the 180
          frames of 320x240 that Replica has here are 12 times as many rays.
Expected: not measured on Replica itself; 0.83 to 0.91 at 2832 clicks on kitchen, a
          room in this layout (RESULTS.md).
"""

from typing import Any

from alsem.runs import defaults, variants


def get_config(variant: str = "") -> Any:
    """The experiment; ``variant`` is '', 'smoke', 'full' or 'paper'."""
    config = defaults.get_defaults("scale")
    config.data.dir = "data/replica"
    config.data.scene = "room_0"
    config.data.downscale = 2  # 640x480 to 320x240
    config.data.train_split = "Sequence_1[::5]"
    config.data.test_split = "Sequence_1[2::5]"
    if variant == "smoke":
        config.data.train_split = "Sequence_1[:20:5]"
        config.data.test_split = "Sequence_1[2:20:5]"
    config.model.hash.grid.log2_rows = 18  # real rooms have more surface
    config.model.hash.grid.colour_width = 64
    config.train.geometry.fit.steps = 1600  # with depth; see also colour_only
    config.active.rounds = 11  # 2832 clicks
    return variants.apply_variant(config, variant)
