"""Renders the report: one run's data in, one self-contained HTML file out.

Why no script and no outside file: the page is read years later, by mail, offline.
"""

import math
import os
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from alsem.core.files import replace_file
from alsem.reporting import images, palette
from alsem.reporting.html_report import content
from alsem.reporting.html_report.data import ReportData

DASH = "\N{EN DASH}"  # in place of a number that there is not


def write_report(workdir: str | os.PathLike[str], data: ReportData) -> Path:
    """Writes ``report/index.html`` in the run directory, replacing it in one step.

    Returns:
        Path of the page.

    Raises:
        InputError: The disk is full or the place cannot be written.
    """
    page = Path(workdir) / "report" / "index.html"
    # A lone surrogate (an odd byte in a path) has no UTF-8.
    replace_file(page, render(data).encode("utf-8", "replace"))
    return page


def render(data: ReportData) -> str:
    """Renders the page as HTML; all texts of the user are escaped."""
    colours = palette.class_colours(len(data.class_names))
    template = environment().get_template("page.html")
    return template.render(
        data=data,
        dash=DASH,
        void=palette.VOID_RGB,
        right=images.RIGHT_RGB,
        wrong=images.WRONG_RGB,
        classes=list(zip(data.class_names, colours, strict=True)),
        headline=content.headline(data),
        curves=content.learning_curves(data),
        class_rows=content.class_rows(data, colours),
        queries=content.queries(data, colours),
        frames=content.frames(data, colours),
        stages=content.stages(data),
        config=content.config_text(data),
    )


def environment() -> jinja2.Environment:
    """Templates of pages, with filters for numbers, colours and images."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("alsem.reporting.html_report", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": number,
        "css": css_colour,
        "data_uri": images.data_uri,
        "ramp": colour_ramp,
    }
    return environment


def number(
    value: float | int | None,
    digits: int = 1,
    scale: float | int = 1,
    unit: str = "",
) -> str:
    """Formats a number and its unit; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return DASH
    return f"{value * scale:,.{digits}f}{unit}"


def css_colour(rgb: np.ndarray | tuple[int, ...]) -> str:
    """An sRGB colour in CSS: ``#rrggbb``."""
    return "#" + "".join(f"{int(value):02x}" for value in rgb)


def colour_ramp(colour_map: str) -> str:
    """A colour map as a CSS gradient from its 0 to its 1."""
    stops: Any = images.scale_image(np.linspace(0, 1, 9), colour_map)
    return f"linear-gradient(90deg,{','.join(map(css_colour, stops))})"
