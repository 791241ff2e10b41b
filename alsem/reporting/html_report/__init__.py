"""The report of a run: ``report/index.html``, one page that needs nothing else."""

import os
from pathlib import Path

from alsem.core.errors import InputError
from alsem.reporting.html_report.data import (
    Curve,
    FrameView,
    QueryView,
    ReportData,
    TopView,
)
from alsem.reporting.html_report.figures import top_view
from alsem.reporting.html_report.page import render
from alsem.reporting.html_report.palette import class_colours

__all__ = [
    "Curve",
    "FrameView",
    "QueryView",
    "ReportData",
    "TopView",
    "class_colours",
    "render",
    "top_view",
    "write_report",
]


def write_report(workdir: str | os.PathLike[str], data: ReportData) -> Path:
    """Writes ``report/index.html`` in the run directory, replacing it in one step.

    Returns:
        Path of the page.

    Raises:
        InputError: if the disk is full or the place cannot be written.
    """
    page = Path(workdir) / "report" / "index.html"
    content = render(data).encode("utf-8")
    try:
        page.parent.mkdir(parents=True, exist_ok=True)
        temporary = page.with_name(f".{page.name}.{os.getpid()}")
        try:
            temporary.write_bytes(content)
            os.replace(temporary, page)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(
            f"{page}: {error.strerror or error}; free some space or choose a "
            "--workdir that can be written"
        ) from error
    return page
