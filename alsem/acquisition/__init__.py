"""Which labels to ask for next: scores of candidates, and diverse batches of them.

Sees arrays only, never a model and never ground truth. A new score is one function
and a row of `SCORES`; a new strategy is a row of `STRATEGIES`.
"""

from alsem.acquisition.candidates import Candidates, make_candidates, surface_area
from alsem.acquisition.cues import Cues, voxel_cues
from alsem.acquisition.pool import make_scorer
from alsem.acquisition.scores import SCORES, ScoreFn
from alsem.acquisition.select import SelectFn, spaced, top_k
from alsem.acquisition.strategies import (
    STRATEGIES,
    Strategy,
    find_strategy,
    for_round,
)

__all__ = [
    "SCORES",
    "STRATEGIES",
    "Candidates",
    "Cues",
    "ScoreFn",
    "SelectFn",
    "Strategy",
    "find_strategy",
    "for_round",
    "make_candidates",
    "make_scorer",
    "spaced",
    "surface_area",
    "top_k",
    "voxel_cues",
]
