"""Labels: the store of queries and answers, who answers, and what it costs."""

from alsem.labels.annotators import (
    Annotator,
    AnswerFn,
    FileAnnotator,
    SimulatedAnnotator,
)
from alsem.labels.costs import point_cost, segments_cost
from alsem.labels.rows import Annotations, Queries, Totals
from alsem.labels.store import LabelStore

__all__ = [
    "Annotations",
    "Annotator",
    "AnswerFn",
    "FileAnnotator",
    "LabelStore",
    "Queries",
    "SimulatedAnnotator",
    "Totals",
    "point_cost",
    "segments_cost",
]
