"""Labels: the store of queries and answers, who answers, and what it costs."""

from alsem.labels.annotator import Annotator, Members
from alsem.labels.answer_file import FileAnnotator
from alsem.labels.answers import MODES
from alsem.labels.costs import CostModel, point_cost, segments_cost
from alsem.labels.expand import expand
from alsem.labels.rows import Annotations, Queries, Totals
from alsem.labels.simulated import AnswerFn, SimulatedAnnotator
from alsem.labels.static_sets import LabelSet, parse_label_set
from alsem.labels.store import LabelStore

__all__ = [
    "MODES",
    "Annotations",
    "Annotator",
    "AnswerFn",
    "CostModel",
    "FileAnnotator",
    "LabelSet",
    "LabelStore",
    "Members",
    "Queries",
    "SimulatedAnnotator",
    "Totals",
    "expand",
    "parse_label_set",
    "point_cost",
    "segments_cost",
]
