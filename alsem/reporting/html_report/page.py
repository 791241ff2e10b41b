"""The report page: one run's data in, one self-contained HTML text out.

Why no script and no outside file: the page is read years later, by mail, offline.
"""

import importlib.resources
import string

from alsem.reporting.html_report import markup, palette, sections
from alsem.reporting.html_report.data import ReportData


def render(data: ReportData) -> str:
    """The whole page as HTML."""
    colours = palette.class_colours(len(data.class_names))
    parts = (
        sections.learning_curve(data),
        sections.class_table(data, colours),
        sections.queries(data, colours),
        sections.frames(data, colours),
        sections.top_view(data.top_view),
        sections.timing(data),
        sections.config(data),
    )
    template = importlib.resources.files("alsem.reporting.html_report").joinpath(
        "template.html"
    )
    return string.Template(template.read_text(encoding="utf-8")).substitute(
        title=markup.text(data.title),
        headline=sections.headline(data),
        sections="\n".join(part for part in parts if part),
    )
