"""Annotation: the store of queries and answers, annotators, and costs."""

from alsem.annotation.annotators.base import Annotator
from alsem.annotation.annotators.csv_file import FileAnnotator
from alsem.annotation.annotators.simulated import SimulatedAnnotator, TrueLabelFn
from alsem.annotation.answer_modes import MODES, UnitPixelsFn
from alsem.annotation.costs import CostModel, point_cost, segments_cost
from alsem.annotation.label_sets import LabelSet, parse_label_set
from alsem.annotation.labelled_pixels import expand_annotations
from alsem.annotation.records import Annotations, Queries, RoundSnapshot, Totals
from alsem.annotation.store import LabelStore

__all__ = [
    "MODES",
    "Annotations",
    "Annotator",
    "CostModel",
    "FileAnnotator",
    "LabelSet",
    "LabelStore",
    "Queries",
    "RoundSnapshot",
    "SimulatedAnnotator",
    "Totals",
    "TrueLabelFn",
    "UnitPixelsFn",
    "expand_annotations",
    "parse_label_set",
    "point_cost",
    "segments_cost",
]
