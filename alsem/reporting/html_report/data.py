"""Data of the report, as NumPy arrays and plain values."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from alsem.reporting.top_view import TopView


@dataclasses.dataclass(frozen=True)
class FrameView:
    """One test frame and its prediction; all arrays have the same ``h w``.

    Attributes:
        name: Stable id of the photograph.
        rgb: uint8 ``[h w 3]``, the photograph.
        rgb_rendered: uint8 ``[h w 3]``.
        label: int ``[h w]``, predicted class.
        uncertainty: float ``[h w]``, entropy over log of the number of classes.
        label_true: int ``[h w]``, -1 void; None without ground truth.
        depth_z: float ``[h w]``, metres, or None.
        depth_z_true: float ``[h w]``, metres, 0 = unknown, or None.
    """

    name: str
    rgb: np.ndarray
    rgb_rendered: np.ndarray
    label: np.ndarray
    uncertainty: np.ndarray
    label_true: np.ndarray | None = None
    depth_z: np.ndarray | None = None
    depth_z_true: np.ndarray | None = None


@dataclasses.dataclass(frozen=True)
class QueryView:
    """One training frame and the queries on it.

    Attributes:
        name: Stable id of the photograph.
        rgb: uint8 ``[h w 3]``.
        rows: int ``[q]``, pixels.
        cols: int ``[q]``, pixels.
        labels: int ``[q]``, the answers; negative for void or mixed.
        rounds: int ``[q]``, round of each query.
    """

    name: str
    rgb: np.ndarray
    rows: np.ndarray
    cols: np.ndarray
    labels: np.ndarray
    rounds: np.ndarray


@dataclasses.dataclass(frozen=True)
class ReportData:
    """All that a report shows.

    Attributes:
        title: Heading of the page.
        config: The run's config, shown at the end; ``seed`` is in the headline.
        class_names: Index = label.
        rounds: Rows of ``rounds.jsonl``, earliest first; may be empty.
        wall_seconds: Of the whole run.
        scene: Name of the scene.
        frames: All test frames; a few of them, evenly spaced, are drawn.
        queried: Training frames with queries; those with the most are drawn.
        top_view: The labelled surface from above.
        geometry: The verdict on geometry, a line.
    """

    title: str
    config: Mapping[str, Any]
    class_names: tuple[str, ...]
    rounds: Sequence[Mapping[str, Any]]
    wall_seconds: float | int
    scene: str = ""
    frames: tuple[FrameView, ...] = ()
    queried: tuple[QueryView, ...] = ()
    top_view: TopView | None = None
    geometry: str = ""
