"""The output of `alsem.validate`: lines, contact sheets, progress bars, conversions."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from tqdm import tqdm

from alsem.core.progress import LogProgress
from alsem.data.checks.capture_report import CaptureReport, check_capture
from alsem.data.checks.contact_sheet import draw_contact_sheet, sheet_path
from alsem.data.checks.known_length import KnownLength, measure, parse_length
from alsem.data.checks.summary import summary_lines
from alsem.data.writers import convert


def print_reports(
    folders: Sequence[Path],
    *,
    out: Path,
    classes: Sequence[str] = (),
    label_space: str = "",
    scale: float = 1.0,
    length: str = "",
) -> list[CaptureReport]:
    """Checks captures, prints their summaries and draws their contact sheets.

    Args:
        folders: The captures' folders.
        out: Folder for the contact sheets.
        classes: As of `check_capture`.
        label_space: Likewise.
        scale: Likewise.
        length: A known length, as `known_length.parse_length` reads it; empty for none.

    Raises:
        InputError: A contact sheet cannot be written, or the length not be measured.
    """
    known = parse_length(length) if length else None
    reports, sheets = [], []
    for folder in folders:
        report = check_capture(
            folder,
            classes=classes,
            label_space=label_space,
            scale=scale,
            progress=_bar,
        )
        for line in summary_lines(report):
            print(line, flush=True)
        if known is not None:
            _print_scale(report, known, scale)
        if report.all_statistics:
            sheets.append(sheet_path(out, folder, sheets))
            draw_contact_sheet(report, sheets[-1])
            print(f"contact sheet: {sheets[-1]}")
        reports.append(report)
    return reports


def _print_scale(report: CaptureReport, known: KnownLength, scale: float) -> None:
    """Prints the metres of a unit by a known length, and how to use them."""
    if report.capture is None or report.camera is None:
        print("length: not measured, for the capture cannot be read")
        return
    frames = [record for records in report.sequences.values() for record in records]
    measured = measure(report.capture, frames, known)
    print(
        f"length: {known.metres:g} m are {measured.units / scale:.4g} units (points by"
        f" {measured.found[0]}, and by {measured.found[1]}); use"
        f" --config.data.scale={scale * measured.scale:.4g}, here"
        f" --scale={scale * measured.scale:.4g}"
    )


def print_conversion(report: CaptureReport, out: Path, to: str, width: int = 0) -> None:
    """Converts a checked capture unless it has fatal errors, and prints the outcome.

    Args:
        report: The checked capture.
        out: The new folder.
        to: A row of `writers.WRITERS`.
        width: Of the images written, pixels; 0 for that of the capture.

    Raises:
        InputError: The folder cannot be written, or images have no such width.
    """
    if report.capture is None or report.fatal:
        print("not converted")
        return
    capture = report.capture.downscaled(width) if width else report.capture
    convert(capture, out, to=to, progress=_bar)
    print(f"converted: {out}")


def _bar(todo: Sequence, done: Iterable) -> Iterable:
    if sys.stderr.isatty():
        return tqdm(done, total=len(todo), unit="frame")
    return LogProgress(done, total=len(todo), desc="frames")
