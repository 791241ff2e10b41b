"""What a comparison shows: a figure of the curves, a table, and all of it as JSON."""

import json
import math
import textwrap
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from alsem.core.errors import InputError
from alsem.reporting import json_records
from alsem.runs.compare import LEVELS

_PANEL = (5.2, 3.9)  # inches
_NAME = 70  # characters of a line of a group's name, below the panel
_LINE = 0.15  # inches


def write(found: dict[str, Any], out: Path) -> str:
    """Writes ``label_efficiency.json``, ``.md`` and ``curves.png``; the table's text.

    Raises:
        InputError: The folder cannot be written.
    """
    table = table_text(found)
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "label_efficiency.md").write_text(table + "\n")
        draw_curves(found, out / "curves.png")
        text = json.dumps(json_records.plain(found), indent=2, allow_nan=False)
        (out / "label_efficiency.json").write_text(text + "\n")
    except OSError as error:
        raise InputError(f"{out}: {error.strerror}; give another --out") from error
    return table


def table_text(found: dict[str, Any]) -> str:
    """One table a scene, in Markdown."""
    return "\n\n".join(_scene_text(name, scene) for name, scene in found.items())


def _scene_text(name: str, scene: dict[str, Any]) -> str:
    groups = scene["groups"]
    levels = list(dict.fromkeys(k for g in groups.values() for k in g["levels"]))
    head = ["", "seeds", *(f"clicks to {level}" for level in levels)]
    if scene["area_between"]:
        first, last = scene["area_between"]
        head.append(f"mean mIoU over log clicks, {first} to {last}")
    rows = [head, ["---"] * len(head)]
    for label, group in groups.items():
        row = [f"`{label}`", str(len(group["seeds"]))]
        row += [_level(group["levels"].get(level)) for level in levels]
        if "area" in group:
            low, high = group["area"]["interval"]
            row.append(f"{group['area']['mean']:.3f} ({low:.3f} to {high:.3f})")
        rows.append(row)
    lines = [f"**{name}**, {scene['test_frames']} test frames. {_ceiling(groups)}", ""]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    for ratio, title in (("ratio_a", "A"), ("ratio_b", "B")):
        lines += _ratios(groups, levels, ratio, title)
    return "\n".join(lines)


def _ceiling(groups: dict[str, Any]) -> str:
    known = {g["full_supervision"] for g in groups.values()} - {None}
    without = [f"`{k}`" for k, g in groups.items() if g["full_supervision"] is None]
    text = ", ".join(f"{miou:.3f}" for miou in sorted(known))
    text = f"Full supervision: mIoU {text}." if known else ""
    if without:
        text += f" No run of full supervision with the training of {', '.join(without)}"
        text += ": no levels (add one with `:full`)."
    return text.strip()


def _ratios(
    groups: dict[str, Any], levels: list[str], ratio: str, title: str
) -> list[str]:
    """Rows of one ratio, none where nothing is compared; B only where it is not A."""
    lines = []
    for label, group in groups.items():
        bases = group["compared_with"]
        if ratio == "ratio_b" and bases["ratio_b"] == bases["ratio_a"]:
            continue
        cells = [_ratio(group["levels"].get(k, {}).get(ratio)) for k in levels]
        if any(cells):
            row = [f"`{label}` against `{bases[ratio]}`", *cells]
            lines.append("| " + " | ".join(row) + " |")
    if not lines:
        return []
    head = [f"Ratio {title}, times fewer clicks", *(f"at {level}" for level in levels)]
    rule = ["---"] * len(head)
    return ["", *("| " + " | ".join(row) + " |" for row in (head, rule)), *lines]


def _level(level: dict[str, Any] | None) -> str:
    if level is None:
        return ""
    if level["clicks"] is None:
        return f"> {level['more_than']}"
    fraction = f"{100 * level['pixel_share']:.2g} % of pixels"
    if level["at_most"]:
        return f"at most {level['clicks']:.0f}, {fraction}"
    low, high = level["interval"]
    top = "more" if high is None else f"{high:.0f}"
    return f"{level['clicks']:.0f} ({low:.0f} to {top}), {fraction}"


def _ratio(ratio: dict[str, Any] | None) -> str:
    if ratio is None or ratio["value"] is None:
        return ""
    low, high = ratio["interval"]
    sign = "> " if ratio["at_least"] else ""
    ends = ["less" if low is None else f"{low:.1f}"]
    ends.append("more" if high is None else f"{high:.1f}")
    return f"{sign}{ratio['value']:.1f} ({' to '.join(ends)})"


def draw_curves(found: dict[str, Any], path: Path) -> None:
    """Mean mIoU over clicks of every group and its band, one panel a scene."""
    columns = min(2, len(found))
    rows = math.ceil(len(found) / columns)
    lines = max(
        sum(_wrapped(label).count("\n") + 1 for label in scene["groups"])
        for scene in found.values()
    )
    size = (columns * _PANEL[0], rows * (_PANEL[1] + lines * _LINE))
    figure = Figure(size, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.flat[len(found) :]:
        axis.set_visible(False)
    for axis, (name, scene) in zip(axes.flat, found.items(), strict=False):
        _draw_scene(axis, name, scene)
    FigureCanvasAgg(figure).print_png(str(path))


def _draw_scene(axis: Any, name: str, scene: dict[str, Any]) -> None:
    for full in {g["full_supervision"] for g in scene["groups"].values()} - {None}:
        axis.axhline(full, color="black", lw=0.8)
        for fraction in LEVELS:
            axis.axhline(fraction * full, color="0.75", lw=0.6, ls=":")
    for number, (label, group) in enumerate(scene["groups"].items()):
        curve, colour = group["curve"], f"C{number % 10}"
        line = ("-", "--", ":", "-.")[number // 10 % 4]
        axis.plot(
            curve["clicks"],
            curve["miou"],
            line,
            color=colour,
            lw=1.5,
            label=_wrapped(label),
        )
        axis.fill_between(
            curve["clicks"], curve["low"], curve["high"], color=colour, alpha=0.2, lw=0
        )
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.set(title=name, xlabel="clicks", ylabel="mIoU")
    below = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.14)}
    axis.legend(fontsize=7, frameon=False, **below)


def _wrapped(label: str) -> str:
    return textwrap.fill(label, _NAME)
