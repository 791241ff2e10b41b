"""The report of a run: ``report/index.html``, one page that needs nothing else."""

from alsem.reporting.html_report.data import FrameView, QueryView, ReportData
from alsem.reporting.html_report.page import render, write_report

__all__ = ["FrameView", "QueryView", "ReportData", "render", "write_report"]
