"""Which labels to query next: scores of candidates, and diverse batches of them.

Works on arrays: neither models nor ground truth are known here. A new score is a
function and a row of `SCORES`, a new strategy a row of `STRATEGIES`, a new cue a
function and a row of `CUES`.
"""

from alsem.acquisition.batch import steps
from alsem.acquisition.batch.context import Batch, PredictFn, Running, Step
from alsem.acquisition.batch.select import STEPS, choose
from alsem.acquisition.candidates import (
    Candidates,
    make_candidates,
    surface_area,
    surface_coordinates,
)
from alsem.acquisition.cues.depth_consistency import Cameras
from alsem.acquisition.cues.gather import Cues, gather_cues, ray_cues
from alsem.acquisition.cues.groups import (
    class_cues,
    geometry_cues,
    label_cues,
    view_cues,
)
from alsem.acquisition.cues.multiview import accumulate, init_sums, own_view_probs
from alsem.acquisition.cues.multiview_exact import exact_views
from alsem.acquisition.cues.table import CUES, Cue, Plot
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
from alsem.acquisition.units.patches import frame_units, patch_units, point_units
from alsem.acquisition.units.pooling import pool_scores, unit_candidates
from alsem.acquisition.units.superpixels import region_units, superpixel_units
from alsem.acquisition.units.supervoxels import supervoxel_units, voxel_units
from alsem.acquisition.units.units import (
    GRANULARITIES,
    Units,
    make_units,
    units_within,
)
from alsem.acquisition.vectorize import make_scorer

__all__ = [
    "CUES",
    "GRANULARITIES",
    "SCORES",
    "STEPS",
    "STRATEGIES",
    "Batch",
    "Cameras",
    "Candidates",
    "Cue",
    "Cues",
    "Mixture",
    "Plot",
    "PredictFn",
    "Running",
    "ScoreFn",
    "Step",
    "Strategy",
    "Units",
    "accumulate",
    "choose",
    "class_cues",
    "exact_views",
    "find_strategy",
    "for_round",
    "frame_units",
    "gather_cues",
    "geometry_cues",
    "init_sums",
    "label_cues",
    "make_candidates",
    "make_scorer",
    "make_units",
    "mix",
    "mixture_strategy",
    "own_view_probs",
    "parse_strategy",
    "patch_units",
    "point_units",
    "pool_scores",
    "ray_cues",
    "region_units",
    "steps",
    "superpixel_units",
    "supervoxel_units",
    "surface_area",
    "surface_coordinates",
    "unit_candidates",
    "units_within",
    "view_cues",
    "voxel_units",
    "with_steps",
]
