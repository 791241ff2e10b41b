"""Which labels to ask for next: scores of candidates, and diverse batches of them.

Sees arrays only, never a model and never ground truth. A new score is one function
and a row of `SCORES`; a new strategy is a row of `STRATEGIES`.
"""

from alsem.acquisition.batch.context import Batch, PredictFn, Running, Step
from alsem.acquisition.batch.select import STEPS, choose
from alsem.acquisition.candidates import Candidates, make_candidates, surface_area
from alsem.acquisition.cues.depth_consistency import Cameras
from alsem.acquisition.cues.geometry import Cues, VoxelTables, cues_at, voxel_cues
from alsem.acquisition.cues.label import class_weight, label_distances, likeness
from alsem.acquisition.cues.multiview import accumulate, finish, init_sums
from alsem.acquisition.cues.multiview import belief as own_view_belief
from alsem.acquisition.cues.multiview_exact import exact_views
from alsem.acquisition.mixture import Mixture, mix
from alsem.acquisition.scores import SCORES, ScoreFn
from alsem.acquisition.strategies import (
    STRATEGIES,
    Strategy,
    find_strategy,
    for_round,
    mixture_strategy,
    parse_strategy,
    with_steps,
)
from alsem.acquisition.units.regions import (
    GRANULARITIES,
    Units,
    frame_units,
    make_units,
    patch_units,
    point_units,
    pool_scores,
    region_units,
    unit_candidates,
    units_within,
    voxel_units,
)
from alsem.acquisition.units.segments import superpixel_units, supervoxel_units
from alsem.acquisition.vectorize import make_scorer

__all__ = [
    "GRANULARITIES",
    "SCORES",
    "STEPS",
    "STRATEGIES",
    "Batch",
    "Cameras",
    "Candidates",
    "Cues",
    "Mixture",
    "PredictFn",
    "Running",
    "ScoreFn",
    "Step",
    "Strategy",
    "Units",
    "VoxelTables",
    "accumulate",
    "choose",
    "class_weight",
    "cues_at",
    "exact_views",
    "find_strategy",
    "finish",
    "for_round",
    "frame_units",
    "init_sums",
    "label_distances",
    "likeness",
    "make_candidates",
    "make_scorer",
    "make_units",
    "mix",
    "mixture_strategy",
    "own_view_belief",
    "parse_strategy",
    "patch_units",
    "point_units",
    "pool_scores",
    "region_units",
    "superpixel_units",
    "supervoxel_units",
    "surface_area",
    "unit_candidates",
    "units_within",
    "voxel_cues",
    "voxel_units",
    "with_steps",
]
