"""The sections of the report page, each as HTML text.

User text (class names, titles, paths, config) is escaped where it enters.
"""

import json
from collections.abc import Sequence

import numpy as np

from alsem.reporting.html_report import figures, markup, palette
from alsem.reporting.html_report.data import (
    Curve,
    FrameView,
    QueryView,
    ReportData,
    TopView,
)

MAX_FRAMES = 6  # test frames drawn: more of them make the page heavy, not clearer
MAX_QUERIED = 12  # training frames drawn, those asked about most
MAX_NUMBERS = 70  # markers of a frame that still have room for a number
MAX_MARKERS = 1500
MINE = (
    ("miou", "mIoU", "#1f5f99", "-"),
    ("miou_estimate", "mIoU as the model itself estimates it", "#d08a2e", "--"),
    ("miou_present", "mIoU of the classes present", "#5b9bd0", "--"),
    ("total_acc", "pixels right", "#8a8f91", ":"),
)
OTHERS_RGB = ("#9a5b13", "#7a4fa3", "#3d7d4d", "#b13a52", "#4a6a78", "#8a7d00")
LINES = {"-": "solid", "--": "dashed", ":": "dotted"}


def headline(data: ReportData) -> str:
    """The run in ten figures."""
    last = data.rounds[-1] if data.rounds else {}
    spent = sum(s or 0 for row in data.rounds for s in row["seconds"].values())
    seconds = data.wall_seconds if data.wall_seconds is not None else spent
    numbers = (
        (markup.number(last.get("miou"), 1, 100), " %", "mIoU on test frames"),
        (markup.number(last.get("clicks"), 0), "", "clicks"),
        (markup.number(last.get("pixels"), 0), "", "pixels labelled"),
        (markup.number(seconds, 1, 1 / 60), "", "minutes"),
        (markup.number(last.get("psnr"), 1), " dB", "PSNR of renderings"),
    )
    words = (
        (data.scene or markup.NONE, "scene"),
        (len(data.class_names), "classes"),
        (last.get("strategy", markup.NONE), "strategy"),
        (last.get("granularity", markup.NONE), "granularity"),
        (data.config.get("seed", markup.NONE), "seed"),
    )
    cells = [
        f'<div class="tile"><b>{value}{unit if value != markup.NONE else ""}</b>'
        f"<span>{name}</span></div>"
        for value, unit, name in numbers
    ]
    cells += [
        f'<div class="tile"><b class="word">{markup.text(value)}</b>'
        f"<span>{name}</span></div>"
        for value, name in words
    ]
    note = "" if data.rounds else "<p>No round is finished yet.</p>"
    return f'<div class="tiles">{"".join(cells)}</div>{note}'


def learning_curve(data: ReportData) -> str:
    """How well, against clicks, beside other runs."""
    if not data.rounds:
        return ""
    series = []
    for key, name, colour, line in MINE:
        # Nothing is at zero on a log axis, and null is no figure.
        rows = [r for r in data.rounds if r["clicks"] > 0 and r.get(key) is not None]
        curve = Curve(
            name, tuple(r["clicks"] for r in rows), tuple(r[key] for r in rows)
        )
        series.append((curve, colour, line))
    for i, curve in enumerate(data.curves):
        series.append((curve, OTHERS_RGB[i % len(OTHERS_RGB)], "-"))
    names = "".join(
        f'<li><span class="dash" style="border-top-style:'
        f'{LINES[line]};color:{colour}"></span>{markup.text(curve.name)}</li>'
        for curve, colour, line in series
    )
    return (
        "<h2>Learning curve</h2><p class='soft'>Share of 1 against clicks so far, on "
        f'the test frames.</p><div class="card sided"><div class="chart">'
        f"{figures.learning_curve(series)}</div>"
        f'<ul class="legend">{names}</ul></div>'
    )


def class_table(data: ReportData, colours: np.ndarray) -> str:
    """IoU of every class at the first and the last round, worst class last."""
    if not data.rounds:
        return ""
    first, last = (data.rounds[i]["iou_per_class"] for i in (0, -1))
    ious = [last.get(name) for name in data.class_names]
    order = sorted(range(len(ious)), key=lambda i: (ious[i] is None, -(ious[i] or 0)))
    rows = []
    for i in order:
        name, now = data.class_names[i], ious[i]
        before = first.get(name)
        bar = ""
        if now is not None:
            bar = f'<i style="width:{now:.1%};background:{markup.css(colours[i])}"></i>'
        if before is not None:
            bar += f'<u style="left:calc({before:.1%} - 1px)"></u>'
        change = None if now is None or before is None else 100 * (now - before)
        rows.append(
            (
                f"{markup.swatch(colours[i])}{markup.text(name)}",
                f'<div class="track">{bar}</div>',
                markup.number(now, 1, 100),
                markup.number(before, 1, 100),
                markup.NONE if change is None else f"{change:+.1f}",
            )
        )
    table = markup.table(
        ("class", "", "IoU, last round, %", "first round, %", "change"), rows
    )
    return (
        "<h2>Classes</h2><p class='soft'>Bar: intersection over union at the last "
        "round. Mark: at the first. A dash: neither in the test frames nor predicted."
        f'</p><div class="card classes">{table}</div>'
    )


def queries(data: ReportData, colours: np.ndarray) -> str:
    """Training frames with what was asked on them."""
    asked = [view for view in data.queried if len(view.rows)]
    if not asked:
        return ""
    # Stable: of frames asked about equally often the earlier come first.
    valid_mask = sorted(asked, key=lambda view: -len(view.rows))[:MAX_QUERIED]
    pictures = "".join(
        _query_figure(view, data.class_names, colours) for view in valid_mask
    )
    total = sum(len(view.rows) for view in asked)
    return (
        f"<h2>Queries</h2><p class='soft'>{markup.number(total, 0)} queries on "
        f"{len(asked)} training frames; the {len(valid_mask)} frames asked about most. "
        "Colour: the class answered, black for void or mixed. Number: the round.</p>"
        f'<div class="row wide">{pictures}</div>'
    )


def _query_figure(
    view: QueryView, class_names: Sequence[str], colours: np.ndarray
) -> str:
    height, width = view.rgb.shape[:2]
    has_numbers = len(view.rows) <= MAX_NUMBERS
    radius = width * (0.024 if has_numbers else 0.010)
    marks = []
    for row, col, label, asked in list(
        zip(view.rows, view.cols, view.labels, view.rounds, strict=True)
    )[-MAX_MARKERS:]:
        rgb = colours[label] if label >= 0 else np.array(palette.VOID_RGB, np.uint8)
        name = class_names[label] if label >= 0 else "void or mixed"
        x, y = col + 0.5, row + 0.5
        mark = (
            f'<circle cx="{x:g}" cy="{y:g}" r="{radius:.2f}" fill="{markup.css(rgb)}" '
            f'stroke="#fff" stroke-width="{radius / 5:.2f}"/>'
        )
        if has_numbers:
            ink = "#000" if palette.oklab(rgb)[0] > 0.62 else "#fff"
            mark += (
                f'<text x="{x:g}" y="{y + 0.42 * radius:.2f}" fill="{ink}" '
                f'font-size="{1.2 * radius:.2f}">{asked}</text>'
            )
        marks.append(f"<g><title>{markup.text(name)}, round {asked}</title>{mark}</g>")
    numbers = "" if has_numbers else ", too many for numbers"
    if len(view.rows) > MAX_MARKERS:
        numbers += f", the last {MAX_MARKERS} drawn"
    kind = ' class="photo"' if width > 200 else ""
    return (
        f'<figure><div class="marks"><img{kind} alt="{markup.text(view.name)}" '
        f'src="{figures.data_uri(view.rgb, is_photo=True)}">'
        f'<svg viewBox="0 0 {width} {height}" text-anchor="middle" '
        f'font-weight="650" preserveAspectRatio="none">{"".join(marks)}</svg></div>'
        f"<figcaption>{markup.text(view.name)} · {len(view.rows)} queries{numbers}"
        "</figcaption></figure>"
    )


def frames(data: ReportData, colours: np.ndarray) -> str:
    """Test frames: what is there, what the model says, and where it errs."""
    if not data.frames:
        return ""
    count = min(len(data.frames), MAX_FRAMES)
    picks = np.linspace(0, len(data.frames) - 1, count).round().astype(int)
    cards = "".join(_frame_card(data.frames[i], colours) for i in picks)
    return (
        f"<h2>Test frames</h2><p class='soft'>{count} of {len(data.frames)}. "
        f"Uncertainty: none {markup.ramp('magma')} as great as can be. "
        f"Errors: {markup.swatch(figures.RIGHT_RGB)}right, "
        f"{markup.swatch(figures.WRONG_RGB)}wrong, "
        f"{markup.swatch(palette.VOID_RGB)}void, which counts as neither.</p>"
        f"{legend(data, colours)}{cards}"
    )


def _frame_card(view: FrameView, colours: np.ndarray) -> str:
    true = view.label_true
    cells = [markup.figure(view.rgb, "photograph", is_photo=True)]
    if true is not None:
        cells.append(markup.figure(palette.label_image(true, colours), "true classes"))
    cells.append(
        markup.figure(palette.label_image(view.label, colours), "predicted classes")
    )
    if true is not None:
        wrong = figures.is_wrong(view.label, true).sum() / max((true >= 0).sum(), 1)
        errors = figures.error_image(view.label, true)
        cells.append(markup.figure(errors, f"errors: {markup.number(wrong, 1, 100)} %"))
    cells += [
        markup.figure(view.rgb_rendered, "rendered", is_photo=True),
        markup.figure(figures.scale_image(view.uncertainty, "magma"), "uncertainty"),
    ]
    depths = [d for d in (view.depth_z, view.depth_z_true) if d is not None]
    far = max((float(np.nanmax(d, initial=0.0)) for d in depths), default=0.0) or 1.0
    for depth, name in ((view.depth_z, "rendered"), (view.depth_z_true, "true")):
        if depth is not None:
            scaled = np.where(depth > 0, depth / far, np.nan)
            picture = figures.scale_image(scaled, "viridis")
            cells.append(markup.figure(picture, f"{name} depth, 0 to {far:.1f} m"))
    return (
        f'<div class="card"><h3>{markup.text(view.name)}</h3>'
        f'<div class="row" style="--cols:{3 if len(cells) == 6 else 4}">'
        f"{''.join(cells)}</div></div>"
    )


def top_view(view: TopView | None) -> str:
    """The labelled room from above."""
    if view is None:
        return ""
    height, width = (side * view.pixel_size for side in view.by_class.shape[:2])
    return (
        "<h2>The room from above</h2><p class='soft'>The labelled surface without its "
        f"ceiling, {width:.1f} m by {height:.1f} m.</p>"
        f'<div class="card two">{markup.figure(view.by_class, "by class")}'
        f"{markup.figure(view.by_photo, 'by colour', is_photo=True)}</div>"
    )


def legend(data: ReportData, colours: np.ndarray) -> str:
    """Colours of the classes, and of void."""
    items = [
        f"<li>{markup.swatch(rgb)}{markup.text(name)}</li>"
        for name, rgb in zip(data.class_names, colours, strict=True)
    ]
    items.append(f"<li>{markup.swatch(palette.VOID_RGB)}void</li>")
    return f'<ul class="legend">{"".join(items)}</ul>'


def timing(data: ReportData) -> str:
    """Seconds each stage of each round took."""
    if not data.rounds:
        return ""
    stages = list(dict.fromkeys(name for row in data.rounds for name in row["seconds"]))
    rows = []
    for row in data.rounds:
        spent = [row["seconds"].get(name) for name in stages]
        rates = (row["candidates_per_second"], row["train_rays_per_second"])
        rows.append(
            [
                str(row["round"]),
                markup.number(row["clicks"], 0),
                markup.number(row["miou"], 1, 100),
            ]
            + [markup.number(seconds) for seconds in spent]
            + [markup.number(sum(seconds or 0 for seconds in spent))]
            + [markup.number(rate, 0) for rate in rates]
        )
    names = [markup.text(name.replace("_", " ")) for name in stages]
    header = ["round", "clicks", "mIoU, %", *names, "all"]
    table = markup.table([*header, "candidates/s", "training rays/s"], rows)
    return f'<h2>Seconds a round</h2><div class="card">{table}</div>'


def config(data: ReportData) -> str:
    """The run's config, folded away."""
    dump = json.dumps(data.config, indent=2, default=str, ensure_ascii=False)
    return f"<details><summary>Config</summary><pre>{markup.text(dump)}</pre></details>"
