"""Plots drawn with matplotlib: learning curves, comparisons, maps of one frame."""

import io
import math
import re
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from alsem.acquisition import Plot
from alsem.evaluation.label_efficiency import LEVELS

Curve = tuple[Sequence[float | int], Sequence[float | int], str, str]

_PANEL = (5.2, 3.9)  # inches
_NAME_WIDTH = 70  # characters of a line of a group's name, below the panel
_LINE = 0.15  # inches
_COLUMNS = 4  # of a sheet of maps
_MAP_INCHES = 3.6  # height of one map


def draw_learning_curves(curves: Sequence[Curve]) -> str:
    """Draws curves over clicks on a log axis, as SVG to embed in a page.

    Args:
        curves: Clicks, values in [0, 1], colour and line style of each. Names are left
            to the page's legend: no user text passes through the plotting library.
    """
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "alsem"}):
        figure = Figure(figsize=(7.2, 3.7), layout="constrained")
        axes = figure.add_subplot()
        style: Any = {"marker": "o", "markersize": 3.5, "linewidth": 1.8}
        for clicks, values, colour, line in curves:
            axes.plot(clicks, values, line, color=colour, **style)
        axes.set(xscale="log", xlabel="clicks (log scale)", ylabel="mIoU, accuracy")
        axes.set_ylim(0, 1)
        axes.margins(x=0.04)
        axes.grid(color="#e3e3de", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        drawn = sorted({value for clicks, *_ in curves for value in clicks})
        if drawn:
            _label_clicks(axes, drawn)
        buffer = io.StringIO()
        FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    # HTML needs no metadata and no XML namespaces, whose values are web addresses.
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", svg)
    svg = re.sub(r'(<svg[^>]*?)\sheight="[^"]*"', r"\1", svg, count=1)
    return re.sub(r'(<svg[^>]*?)\swidth="[^"]*"', r"\1", svg, count=1)


def _label_clicks(axes: Axes, clicks: Sequence[float | int]) -> None:
    """Sets ticks at clicks of the rounds, leaving out those that would overlap."""
    ticks = [clicks[-1]]
    gap = max((clicks[-1] / clicks[0]) ** (1 / 13), 1.05)
    for value in reversed(clicks):
        if ticks[-1] / value >= gap:
            ticks.append(value)
    if len(ticks) > 1:  # the first is always labelled
        ticks[-1] = clicks[0]
    axes.set_xticks(ticks)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(axis="x", which="minor", length=0)


def draw_comparison(scenes: Mapping[str, Any], path: Path) -> None:
    """Draws mean mIoU over clicks of every group with its band, one panel a scene.

    Args:
        scenes: From `runs.compare.compare`.
        path: PNG file to write.
    """
    columns = min(2, len(scenes))
    rows = math.ceil(len(scenes) / columns)
    lines = max(
        sum(_wrapped(name).count("\n") + 1 for name in scene["groups"])
        for scene in scenes.values()
    )
    size = (columns * _PANEL[0], rows * (_PANEL[1] + lines * _LINE))
    figure = Figure(size, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.flat[len(scenes) :]:
        axis.set_visible(False)
    for axis, (name, scene) in zip(axes.flat, scenes.items(), strict=False):
        _draw_scene(axis, name, scene)
    _save(figure, path)


def _draw_scene(axis: Axes, name: str, scene: Mapping[str, Any]) -> None:
    for full in {g["full_supervision"] for g in scene["groups"].values()} - {None}:
        axis.axhline(full, color="black", lw=0.8)
        for fraction in LEVELS:
            axis.axhline(fraction * full, color="0.75", lw=0.6, ls=":")
    for number, (label, group) in enumerate(scene["groups"].items()):
        curve, colour = group["curve"], f"C{number % 10}"
        line = ("-", "--", ":", "-.")[number // 10 % 4]
        clicks, style = curve["clicks"], {"color": colour, "lw": 1.5}
        axis.plot(clicks, curve["miou"], line, label=_wrapped(label), **style)
        axis.fill_between(
            clicks, curve["low"], curve["high"], color=colour, alpha=0.2, lw=0
        )
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.set(title=name, xlabel="clicks", ylabel="mIoU")
    axis.legend(
        loc="upper center", bbox_to_anchor=(0.5, -0.14), fontsize=7, frameon=False
    )


def _wrapped(label: str) -> str:
    return textwrap.fill(label, _NAME_WIDTH)


def draw_maps(
    folder: Path,
    maps: Mapping[str, np.ndarray],
    styles: Mapping[str, Plot] | None = None,
) -> list[Path]:
    """Writes ``NAME.png`` for every map, and ``sheet.png`` with all of them.

    Args:
        folder: Where to write; made if it is missing.
        maps: By name: an image, uint8 ``[h w 3]``, or a number per pixel ``[h w]``,
            NaN where there is none, drawn with its scale.
        styles: Title, unit and colour range by name; by default the name and the range
            of the numbers.

    Returns:
        The files, the sheet last.
    """
    folder.mkdir(parents=True, exist_ok=True)
    styles = {name: Plot(name.replace("_", " ")) for name in maps} | dict(styles or {})
    files = []
    for name, values in maps.items():
        figure = Figure((1.3 * _MAP_INCHES, _MAP_INCHES), layout="constrained")
        _draw_map(figure, figure.subplots(), styles[name], values)
        files.append(_save(figure, folder / f"{name}.png"))
    rows = -(-len(maps) // _COLUMNS)
    size = (_COLUMNS * 1.2 * _MAP_INCHES, rows * 0.9 * _MAP_INCHES)
    sheet = Figure(size, layout="constrained")
    axes = np.ravel(sheet.subplots(rows, _COLUMNS, squeeze=False))
    for axis, (name, values) in zip(axes, maps.items(), strict=False):
        _draw_map(sheet, axis, styles[name], values)
    for axis in axes[len(maps) :]:
        axis.axis("off")
    return [*files, _save(sheet, folder / "sheet.png")]


def _draw_map(figure: Figure, axis: Axes, style: Plot, values: np.ndarray) -> None:
    axis.set_title(style.label, fontsize=10)
    axis.set_xticks([])
    axis.set_yticks([])
    if values.ndim == 3:
        axis.imshow(values)
        return
    drawn = axis.imshow(
        np.ma.masked_invalid(values), cmap="viridis", vmin=style.low, vmax=style.high
    )
    axis.set_facecolor("#f2d5d5")  # where there is no number
    figure.colorbar(drawn, ax=axis, fraction=0.04, label=style.unit)


def _save(figure: Figure, path: Path) -> Path:
    FigureCanvasAgg(figure).print_png(str(path))
    return path
