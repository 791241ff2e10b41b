"""Writes a comparison of runs: a Markdown table, JSON, and a figure of the curves."""

import json
from pathlib import Path
from typing import Any

from alsem.core.errors import InputError
from alsem.reporting import figures, json_records


def write(scenes: dict[str, Any], out: Path) -> str:
    """Writes ``label_efficiency.json``, ``.md`` and ``curves.png``.

    Args:
        scenes: From `runs.compare.compare`.
        out: Folder to write to; made if it is missing.

    Returns:
        The table's text.

    Raises:
        InputError: The folder cannot be written.
    """
    table = table_text(scenes)
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "label_efficiency.md").write_text(table + "\n")
        figures.draw_comparison(scenes, out / "curves.png")
        text = json.dumps(json_records.plain(scenes), indent=2, allow_nan=False)
        (out / "label_efficiency.json").write_text(text + "\n")
    except OSError as error:
        raise InputError(f"{out}: {error.strerror}; give another --out") from error
    return table


def table_text(scenes: dict[str, Any]) -> str:
    """One table a scene, in Markdown."""
    return "\n\n".join(_scene_text(name, scene) for name, scene in scenes.items())


def _scene_text(name: str, scene: dict[str, Any]) -> str:
    groups = scene["groups"]
    levels = list(dict.fromkeys(k for g in groups.values() for k in g["levels"]))
    head = ["", "seeds", *(f"clicks to {level}" for level in levels)]
    if scene["mean_miou_range"]:
        first, last = scene["mean_miou_range"]
        head.append(f"mean mIoU over log clicks, {first} to {last}")
    rows = [head, ["---"] * len(head)]
    for label, group in groups.items():
        row = [f"`{label}`", str(len(group["seeds"]))]
        row += [_level(group["levels"].get(level)) for level in levels]
        if "mean_miou" in group:
            low, high = group["mean_miou"]["interval"]
            row.append(f"{group['mean_miou']['value']:.3f} ({low:.3f} to {high:.3f})")
        rows.append(row)
    lines = [f"**{name}**, {scene['test_frames']} test frames. {_ceiling(groups)}", ""]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    for ratio, title in (("ratio_a", "A"), ("ratio_b", "B")):
        lines += _ratio_rows(groups, levels, ratio, title)
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


def _ratio_rows(
    groups: dict[str, Any], levels: list[str], ratio: str, title: str
) -> list[str]:
    """Lines of one ratio; ratio B is left out where its baseline is that of A."""
    lines = []
    for label, group in groups.items():
        baselines = group["compared_with"]
        if ratio == "ratio_b" and baselines["ratio_b"] == baselines["ratio_a"]:
            continue
        cells = [_ratio(group["levels"].get(k, {}).get(ratio)) for k in levels]
        if any(cells):
            row = [f"`{label}` against `{baselines[ratio]}`", *cells]
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
    fraction = f"{100 * level['pixel_fraction']:.2g} % of pixels"
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
