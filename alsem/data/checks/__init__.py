"""Checks of captures before training: their contents, and what is wrong with them."""

from alsem.data.checks.capture_report import CaptureReport, check_capture
from alsem.data.checks.command_output import print_conversion, print_reports
from alsem.data.checks.contact_sheet import draw_contact_sheet, sheet_path
from alsem.data.checks.known_length import FORM as LENGTH_FORM
from alsem.data.checks.summary import summary_lines

__all__ = [
    "LENGTH_FORM",
    "CaptureReport",
    "check_capture",
    "draw_contact_sheet",
    "print_conversion",
    "print_reports",
    "sheet_path",
    "summary_lines",
]
