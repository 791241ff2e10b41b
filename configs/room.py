"""The built-in procedural room: the default experiment and the demo.

Run:      python -m alsem.main --config=configs/room.py --workdir=runs/demo
Variants: configs/room.py:smoke  (32x24 pixels, about a minute with compilation)
          configs/room.py:full   (full supervision: the ceiling)
          configs/room.py:paper  (the published MLP and schedule; needs a GPU)
Cost:     2 to 5 minutes on 2 CPU cores, 2.5 GB of memory.
Expected: mIoU 0.86 at 693 clicks, seven rounds, seed 0.
"""

from typing import Any

from alsem.runs import defaults, variants


def get_config(variant: str = "") -> Any:
    """The experiment; ``variant`` is '', 'smoke', 'full' or 'paper'."""
    # An empty data.dir: the room is written to "rooms" beside the run directory.
    return variants.apply_variant(defaults.get_defaults("room"), variant)
