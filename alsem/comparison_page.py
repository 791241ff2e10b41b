"""What a comparison shows: a figure of the curves, a table, and all of it as JSON."""

import math
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from alsem import logs
from alsem.types import InputError

_PANEL = (5.2, 3.9)  # inches


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
    except OSError as error:
        raise InputError(f"{out}: {error.strerror}; give another --out") from error
    logs.write_json(out / "label_efficiency.json", found)
    return table


def table_text(found: dict[str, Any]) -> str:
    """One table a scene, in Markdown."""
    return "\n\n".join(_scene_text(name, scene) for name, scene in found.items())


def _scene_text(name: str, scene: dict[str, Any]) -> str:
    full = scene["full_supervision"]
    groups = scene["groups"]
    lines = [f"**{name}**, {scene['test_frames']} test frames. "]
    if full["miou"] is None:
        lines[0] += "No run of full supervision: no levels (add one with `:full`)."
    else:
        lines[0] += f"Full supervision: mIoU {full['miou']:.3f}."
    names = list(next(iter(groups.values()))["levels"])
    first, last = scene["area_between"]
    head = ["", "seeds", *(f"clicks to {level}" for level in names)]
    head += [f"A at {level}" for level in names] + [f"B at {level}" for level in names]
    head += [f"% of pixels at {names[-1]}"] if names else []
    head += [f"mean mIoU over log clicks, {first} to {last}"]
    rows = [head, ["---"] * len(head)]
    for label, group in groups.items():
        levels = [group["levels"][level] for level in names]
        row = [f"`{label}`", str(len(group["seeds"]))]
        row += [_clicks(level) for level in levels]
        row += [_ratio(level.get("ratio_a")) for level in levels]
        row += [_ratio(level.get("ratio_b")) for level in levels]
        if levels:
            share = levels[-1].get("pixel_share")
            row.append("" if share is None else f"{100 * share:.2g}")
        low, high = group["area"]["interval"]
        row.append(f"{group['area']['mean']:.3f} ({low:.3f} to {high:.3f})")
        rows.append(row)
    lines += ["", *("| " + " | ".join(row) + " |" for row in rows)]
    return "\n".join(lines)


def _clicks(level: dict[str, Any]) -> str:
    if level["clicks"] is None:
        return f"> {level['more_than']}"
    low, high = level["interval"]
    top = "more" if high is None else f"{high:.0f}"
    return f"{level['clicks']:.0f} ({'?' if low is None else f'{low:.0f}'} to {top})"


def _ratio(ratio: dict[str, Any] | None) -> str:
    if ratio is None or ratio["value"] is None:
        return ""
    low, high = ratio["interval"]
    sign = "> " if ratio["at_least"] else ""
    return f"{sign}{ratio['value']:.1f} ({low:.1f} to {high:.1f})"


def draw_curves(found: dict[str, Any], path: Path) -> None:
    """Mean mIoU over clicks of every group and its band, one panel a scene."""
    columns = min(2, len(found))
    rows = math.ceil(len(found) / columns)
    figure = Figure((columns * _PANEL[0], rows * _PANEL[1]), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.flat[len(found) :]:
        axis.set_visible(False)
    for axis, (name, scene) in zip(axes.flat, found.items(), strict=False):
        _draw_scene(axis, name, scene)
    FigureCanvasAgg(figure).print_png(str(path))


def _draw_scene(axis: Any, name: str, scene: dict[str, Any]) -> None:
    full = scene["full_supervision"]["miou"]
    if full is not None:
        axis.axhline(full, color="black", lw=0.8)
        for share in (0.8, 0.9, 0.95):
            axis.axhline(share * full, color="0.75", lw=0.6, ls=":")
    for number, (label, group) in enumerate(scene["groups"].items()):
        curve, colour = group["curve"], f"C{number % 10}"
        axis.plot(curve["clicks"], curve["miou"], color=colour, lw=1.5, label=label)
        axis.fill_between(
            curve["clicks"], curve["low"], curve["high"], color=colour, alpha=0.2, lw=0
        )
    axis.set_xscale("log")
    axis.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.set(title=name, xlabel="clicks", ylabel="mIoU")
    axis.legend(fontsize=7, frameon=False, loc="lower right")
