"""Describes a checked capture in lines of text."""

import re
from collections.abc import Iterator, Sequence

import numpy as np

from alsem.core.types import Intrinsics
from alsem.data.capture import Capture, FrameRecord
from alsem.data.checks.capture_report import CaptureReport
from alsem.data.checks.frame_statistics import FrameStatistics
from alsem.data.checks.known_length import FORM as LENGTH_FORM
from alsem.data.checks.pose_depth_agreement import Agreement
from alsem.data.checks.pose_picture_agreement import PictureAgreement
from alsem.data.readers.registry import has_metres

_PLACE = re.compile(r"\S*\d\S*")  # a word that names a file, frame or value
_FEW, _NAMED = 4, 20  # lines of one cause to be merged; places that are listed
MAX_LISTED = 100  # errors of each kind


def summary_lines(report: CaptureReport) -> Iterator[str]:
    """Yields lines about a capture: its contents, then errors, most serious first."""
    yield f"{report.folder}: {report.source or 'no known layout'}"
    if report.capture is not None and report.camera is not None:
        every = report.all_statistics
        has_depth = bool(every and _any_depth(every))
        is_metric = has_metres(report.source or "", has_depth)
        yield from _frames(
            report.sequences, report.camera, "m" if is_metric else "units"
        )
        yield from _depth(every, report.agreement)
        yield from _pictures(report.picture_agreement)
        yield _unit(report, report.capture, is_metric=is_metric)
        masked = np.mean([each.masked for each in every]) if every else 0.0
        if masked:
            yield f"  masks         hide {masked:.1%} of the pixels"
        yield from _classes(report, report.capture, every)
    for title, lines in (("fatal", report.fatal), ("doubtful", report.doubtful)):
        lines = merged([" ".join(line.split()) for line in lines])
        for line in lines[:MAX_LISTED]:
            yield f"{title}: {line}"
        if len(lines) > MAX_LISTED:
            yield f"{title}: and {len(lines) - MAX_LISTED} more"
    if report.fatal:
        yield f"It cannot be trained on; fatal errors: {len(report.fatal)}."
    else:
        yield f"It can be trained on; doubts: {len(report.doubtful)}."


def merged(lines: Sequence[str]) -> list[str]:
    """Lines of one cause as one, with their number and the places of the others.

    They are of one cause if they differ only in words that hold a digit, as file names
    and indices do.
    """
    groups: dict[str, list[str]] = {}
    for line in lines:
        groups.setdefault(_PLACE.sub("#", line), []).append(line)
    return [line for alike in groups.values() for line in _merged(alike)]


def _merged(alike: list[str]) -> Iterator[str]:
    words = [_PLACE.findall(line) for line in alike]
    differ = [i for i, each in enumerate(zip(*words, strict=True)) if len({*each}) > 1]
    if len(alike) < _FEW or not differ:
        yield from alike
        return
    places = list(dict.fromkeys(each[differ[0]].strip(":;,") for each in words[1:]))
    more = f" and {len(places) - _NAMED} more" if len(places) > _NAMED else ""
    yield f"{alike[0]} ({len(alike)} times: also {', '.join(places[:_NAMED])}{more})"


def _frames(
    sequences: dict[str, list[FrameRecord]], camera: Intrinsics, unit: str
) -> Iterator[str]:
    paths = [_positions(records) for records in sequences.values()]
    counts = ", ".join(f"{n} {len(records)}" for n, records in sequences.items())
    yield f"  frames        {sum(map(len, paths))} ({counts})"
    yield f"  images        {camera.width} x {camera.height} pixels"
    yield (
        f"  camera        fx {camera.fx:.2f} fy {camera.fy:.2f} cx {camera.cx:.2f}"
        f" cy {camera.cy:.2f}"
    )
    length = sum(
        float(np.linalg.norm(np.diff(path, axis=0), axis=-1).sum()) for path in paths
    )
    every = np.concatenate(paths)
    box = _box(every.min(axis=0), every.max(axis=0))
    yield f"  trajectory    {length:.2f} {unit}, cameras within {box} {unit}"


def _depth(
    every: Sequence[FrameStatistics], agreement: Agreement | None
) -> Iterator[str]:
    clouds = [each.points for each in every if len(each.points)]
    if not clouds:
        yield "  depth         none: poses are not checked against it"
        return
    low, high = np.quantile(np.concatenate(clouds), (0.005, 0.995), axis=0)
    ranges = np.array([each.depth_range for each in every])
    near, far = np.nanmin(ranges[:, 0]), np.nanmax(ranges[:, 1])
    yield (
        f"  depth         {near:.2f} to {far:.2f} m,"
        f" {np.nanmean([each.depth_missing for each in every]):.1%} holes,"
        f" points within {_box(low, high)} m"
    )
    if agreement is not None and agreement.pairs:
        yield (
            f"  agreement     {agreement.fraction:.0%} of points agree in depth with a"
            f" neighbouring frame ({agreement.pairs} pairs)"
        )


def _pictures(judged: PictureAgreement | None) -> Iterator[str]:
    if judged is None:
        return
    if np.isnan(judged.fraction):
        yield (
            f"  pictures      only {judged.matches} matches in {judged.pairs} pairs of"
            " photographs (too little texture or overlap): poses are not checked"
            " against them"
        )
        return
    yield (
        f"  pictures      {judged.fraction:.0%} of {judged.matches} matches in"
        f" {judged.pairs} pairs lie on their epipolar lines (median error"
        f" {judged.error:.1f} pixels)"
    )


def _any_depth(every: Sequence[FrameStatistics]) -> bool:
    return any(len(each.points) for each in every)


def _unit(report: CaptureReport, capture: Capture, *, is_metric: bool) -> str:
    """The unit that lengths are believed to be in, and how to correct it."""
    if is_metric:
        return "  unit          metres, as this layout or its depth has them"
    places = np.concatenate([_positions(each) for each in report.sequences.values()])
    apart = np.linalg.norm(np.diff(places, axis=0), axis=1)
    text = f"typically {np.median(apart):.3g} from one camera to the next"
    if capture.points is not None and len(capture.points):
        middle = np.median(places, axis=0)
        far = np.median(np.linalg.norm(capture.points - middle, axis=1))
        text += f", {far:.3g} to a surface"
    return (
        "  unit          unknown ("
        f"{text if len(apart) else 'one camera'}); data.scale=0 guesses it, a known"
        f" length (--length='{LENGTH_FORM}') measures it"
    )


def _classes(
    report: CaptureReport, capture: Capture, every: Sequence[FrameStatistics]
) -> Iterator[str]:
    names, ids = capture.classes
    counting = f" ({report.numbering})" if report.numbering else ""
    counts = [each.label_counts for each in every if each.label_counts is not None]
    if not counts:
        listed = f"{len(names)} classes{counting}: {', '.join(names)}"
        listed = listed if report.has_classes else "no class list"
        yield f"  labels        none; {listed}"
        return
    total = np.sum(counts, axis=0)
    void = f"{total[0] / total.sum():.1%} void"
    yield f"  labels        {void}, {len(names)} classes{counting}:"
    for i in np.argsort(-total[1:], kind="stable"):
        yield f"    {ids[i]:>5} {names[i]:<24} {total[i + 1] / total.sum():8.3%}"


def _positions(records: Sequence[FrameRecord]) -> np.ndarray:
    return np.stack([record.world_from_cam[:3, 3] for record in records])


def _box(low: np.ndarray, high: np.ndarray) -> str:
    return " x ".join(f"{side:.2f}" for side in high - low)
