r"""A ScanNet scene, exported or as a recording, at Semantic-NeRF's size.

Run:      python -m alsem.main --config=configs/scannet.py \
              --workdir=runs/scene0010_00 --config.data.dir=scans \
              --config.data.scene=scene0010_00
Variants: configs/scannet.py:smoke  (a few frames, about a minute with compilation)
          configs/scannet.py:full   (full supervision: the ceiling)
          configs/scannet.py:paper  (the published MLP and schedule; needs a GPU)
Cost:     grows with the rays: 7 minutes on 2 CPU cores per million and 11 rounds.
Expected: not measured; ScanNet's recordings are not part of alsem.
"""

from typing import Any

from alsem.runs import defaults, variants


def get_config(variant: str = "") -> Any:
    """The experiment; ``variant`` is '', 'smoke', 'full' or 'paper'."""
    config = defaults.get_defaults("scale", "label_space")
    config.data.source = "scannet"
    config.data.dir = "data/scannet/scans"
    config.data.scene = "scene0010_00"
    config.data.label_space = "nyu40"
    config.data.downscale = 2  # 640x480, the size of depth, to 320x240
    config.data.train_split = "frames[::10]"  # of those that have a pose
    config.data.test_split = "frames[5::10]"
    if variant == "smoke":
        config.data.train_split = "frames[:8:2]"
        config.data.test_split = "frames[1:8:2]"
    config.model.appearance = True  # a hand-held sensor changes its exposure
    config.model.hash.grid.log2_rows = 18  # real rooms have more surface
    config.model.hash.grid.colour_width = 64
    config.train.geometry.fit.steps = 1600  # with depth; see also colour_only
    config.active.rounds = 11  # 2832 clicks
    return variants.apply_variant(config, variant)
