"""Contents of the sections of the report, from a run's data to values of the page."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from alsem.reporting import figures, images, palette
from alsem.reporting.html_report.data import FrameView, QueryView, ReportData

MAX_FRAMES = 6  # test frames drawn: more make the page heavy, not clearer
MAX_QUERIED = 12  # training frames drawn
MAX_NUMBERS = 70  # markers of a frame that still have room for a number
MAX_MARKERS = 1500  # of one frame
CURVES = (  # key of a round, name, colour, line
    ("miou", "mIoU", "#1f5f99", "-"),
    ("miou_estimate", "mIoU as estimated by the model", "#d08a2e", "--"),
    ("miou_present", "mIoU of the classes present", "#5b9bd0", "--"),
    ("total_acc", "pixel accuracy", "#8a8f91", ":"),
)
CSS_LINES = {"-": "solid", "--": "dashed", ":": "dotted"}


@dataclasses.dataclass(frozen=True)
class CaptionedImage:
    """An image and its caption.

    Attributes:
        image: uint8 ``[h w 3]``.
        caption: Plain text.
        is_photo: Whether it is a photograph or a rendering of one.
    """

    image: np.ndarray
    caption: str
    is_photo: bool = False


@dataclasses.dataclass(frozen=True)
class Mark:
    """A query drawn on its photograph.

    Attributes:
        x: Pixels from the left edge to the pixel's centre.
        y: Pixels from the top edge.
        rgb: Colour of the answered class.
        ink: Colour of the number on it.
        name: Name of the answered class.
        round_index: Round of the query.
    """

    x: float
    y: float
    rgb: Sequence[int] | np.ndarray
    ink: str
    name: str
    round_index: int


def headline(data: ReportData) -> Mapping[str, Any]:
    """Values of the tiles at the top: the last round's row and the seed."""
    last = data.rounds[-1] if data.rounds else {}
    keys = ("miou", "miou_estimate", "clicks", "pixels", "psnr")
    keys += ("strategy", "granularity")
    return {key: last.get(key) for key in keys} | {"seed": data.config.get("seed")}


def learning_curves(data: ReportData) -> Mapping[str, Any] | None:
    """The plot as SVG and its legend; None without a round."""
    if not data.rounds:
        return None
    curves, legend = [], []
    for key, name, colour, line in CURVES:
        # A log axis has no zero.
        rows = [r for r in data.rounds if r["clicks"] > 0 and r.get(key) is not None]
        if not rows:
            continue
        clicks, values = [r["clicks"] for r in rows], [r[key] for r in rows]
        curves.append((clicks, values, colour, line))
        legend.append((name, colour, CSS_LINES[line]))
    return {"svg": figures.draw_learning_curves(curves), "legend": legend}


def class_rows(data: ReportData, colours: np.ndarray) -> list[Mapping[str, Any]]:
    """IoU of every class at the last and the first round, best class first.

    None without a round, or where the test frames have no labels.
    """
    if not data.rounds:
        return []
    first, last = (data.rounds[i]["iou_per_class"] for i in (0, -1))
    if all(iou is None for iou in last.values()):
        return []
    rows = []
    for name, colour in zip(data.class_names, colours, strict=True):
        now, before = last.get(name), first.get(name)
        change = None if now is None or before is None else now - before
        row = {"name": name, "colour": colour, "now": now, "before": before}
        rows.append(row | {"change": change})
    return sorted(rows, key=lambda row: (row["now"] is None, -(row["now"] or 0)))


def queries(data: ReportData, colours: np.ndarray) -> Mapping[str, Any] | None:
    """Training frames with the most queries and the marks on them; None without any."""
    queried = [view for view in data.queried if len(view.rows)]
    if not queried:
        return None
    # Stable: of frames with equally many queries the earlier come first.
    drawn = sorted(queried, key=lambda view: -len(view.rows))[:MAX_QUERIED]
    return {
        "total": sum(len(view.rows) for view in queried),
        "num_frames": len(queried),
        "frames": [_query_frame(view, data.class_names, colours) for view in drawn],
    }


def _query_frame(
    view: QueryView, class_names: Sequence[str], colours: np.ndarray
) -> Mapping[str, Any]:
    height, width = view.rgb.shape[:2]
    has_numbers = len(view.rows) <= MAX_NUMBERS
    columns = (view.rows, view.cols, view.labels, view.rounds)
    marks = []
    for row, col, label, round_index in list(zip(*columns, strict=True))[-MAX_MARKERS:]:
        rgb, name = np.array(palette.VOID_RGB, np.uint8), "void or mixed"
        if label >= 0:
            rgb, name = colours[label], class_names[int(label)]
        ink = "#000" if palette.oklab(rgb)[0] > 0.62 else "#fff"
        marks.append(Mark(col + 0.5, row + 0.5, rgb, ink, name, int(round_index)))
    return {
        "name": view.name,
        "rgb": view.rgb,
        "width": width,
        "height": height,
        "radius": width * (0.024 if has_numbers else 0.010),
        "has_numbers": has_numbers,
        "num_queries": len(view.rows),
        "marks": marks,
    }


def frames(
    data: ReportData, colours: np.ndarray
) -> list[tuple[str, list[CaptionedImage]]]:
    """Name and images of evenly spaced test frames."""
    count = min(len(data.frames), MAX_FRAMES)
    drawn = np.linspace(0, len(data.frames) - 1, count).round().astype(int)
    views = [data.frames[i] for i in drawn]
    return [(view.name, _frame_images(view, colours)) for view in views]


def _frame_images(view: FrameView, colours: np.ndarray) -> list[CaptionedImage]:
    true = view.label_true
    cells = [CaptionedImage(view.rgb, "photograph", is_photo=True)]
    if true is not None:
        cells.append(CaptionedImage(images.label_image(true, colours), "true classes"))
    predicted = images.label_image(view.label, colours)
    cells.append(CaptionedImage(predicted, "predicted classes"))
    if true is not None:
        wrong = images.is_wrong(view.label, true).sum() / max((true >= 0).sum(), 1)
        errors = images.error_image(view.label, true)
        cells.append(CaptionedImage(errors, f"errors: {wrong:.1%}".replace("%", " %")))
    uncertainty = images.scale_image(view.uncertainty, "magma")
    cells += [
        CaptionedImage(view.rgb_rendered, "rendered", is_photo=True),
        CaptionedImage(uncertainty, "uncertainty"),
    ]
    depths = [d for d in (view.depth_z, view.depth_z_true) if d is not None]
    far = max((float(np.nanmax(d, initial=0.0)) for d in depths), default=0.0) or 1.0
    for depth, name in ((view.depth_z, "rendered"), (view.depth_z_true, "true")):
        if depth is not None:
            scaled = np.where(depth > 0, depth / far, np.nan)
            image = images.scale_image(scaled, "viridis")
            cells.append(CaptionedImage(image, f"{name} depth, 0 to {far:.1f} m"))
    return cells


def stages(data: ReportData) -> list[str]:
    """Stages whose seconds are in the rounds, in their order."""
    return list(dict.fromkeys(name for row in data.rounds for name in row["seconds"]))


def config_text(data: ReportData) -> str:
    """The run's config as indented JSON."""
    return json.dumps(data.config, indent=2, default=str, ensure_ascii=False)
