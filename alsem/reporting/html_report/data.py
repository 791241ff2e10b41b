"""What a report shows: plain NumPy, whatever trained the model."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class TopView:
    """The labelled surface seen from above, without the ceiling; north is +y.

    Attributes:
        by_class: uint8 ``[h w 3]``, class colours, void black.
        by_photo: uint8 ``[h w 3]``, the photographs' colours.
        pixel_size: Metres a pixel.
    """

    by_class: np.ndarray
    by_photo: np.ndarray
    pixel_size: float


@dataclasses.dataclass(frozen=True)
class Curve:
    """A learning curve to compare with: totals of clicks, and mIoU in [0, 1]."""

    name: str
    clicks: tuple[float | int, ...]
    miou: tuple[float | int, ...]


@dataclasses.dataclass(frozen=True)
class FrameView:
    """One test frame as the model sees it; all arrays share ``h w``.

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
    """One training frame and what was asked on it.

    Attributes:
        name: Stable id of the photograph.
        rgb: uint8 ``[h w 3]``.
        rows: ``[q]``, pixels.
        cols: ``[q]``, pixels.
        labels: int ``[q]``, the answers; negative for void or mixed.
        rounds: int ``[q]``, in which each was asked.
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
        config: The run's config, shown at the end; ``seed`` is a headline.
        class_names: Index = label.
        rounds: Rows of ``rounds.jsonl``, earliest first; may be empty.
        scene: Name of the scene.
        frames: Test frames; a few of them, evenly spread, are drawn.
        queried: Training frames; those asked about most are drawn.
        top_view: The labelled surface from above.
        curves: Other runs' mIoU to compare with.
        wall_seconds: Of the whole run; None takes the sum over stages.
    """

    title: str
    config: Mapping[str, Any]
    class_names: tuple[str, ...]
    rounds: Sequence[Mapping[str, Any]]
    scene: str = ""
    frames: tuple[FrameView, ...] = ()
    queried: tuple[QueryView, ...] = ()
    top_view: TopView | None = None
    curves: tuple[Curve, ...] = ()
    wall_seconds: float | int | None = None
