"""Labels: the store of queries and answers, who answers, and what it costs."""

from alsem.annotation.annotators.base import Annotator, Members
from alsem.annotation.annotators.csv_file import FileAnnotator
from alsem.annotation.annotators.simulated import AnswerFn, SimulatedAnnotator
from alsem.annotation.answer_modes import MODES
from alsem.annotation.costs import CostModel, point_cost, segments_cost
from alsem.annotation.label_sets import LabelSet, parse_label_set
from alsem.annotation.labelled_pixels import expand_annotations
from alsem.annotation.rows import Annotations, Queries, Totals
from alsem.annotation.store import LabelStore

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
    "expand_annotations",
    "parse_label_set",
    "point_cost",
    "segments_cost",
]
