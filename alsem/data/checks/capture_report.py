"""Checks every file of a capture in one pass."""

import dataclasses
import functools
import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from alsem.core.errors import ErrorCollector, InputError
from alsem.core.types import Intrinsics
from alsem.data.capture import Capture, FrameRecord, check_headers
from alsem.data.checks.doubts import find_doubts
from alsem.data.checks.frame_statistics import FrameStatistics, read_statistics
from alsem.data.checks.picture_matches import find_matches
from alsem.data.checks.pose_depth_agreement import ENOUGH, Agreement, agreement
from alsem.data.checks.pose_picture_agreement import ENOUGH as ENOUGH_OF_PICTURES
from alsem.data.checks.pose_picture_agreement import PictureAgreement, picture_agreement
from alsem.data.classes import numbering
from alsem.data.readers.registry import READERS, detect

_ANY_CLASS = ("1 any",)  # stands in for a class list that cannot be read
Progress = Callable[[Sequence, Iterable], Iterable]


@dataclasses.dataclass
class CaptureReport:
    """The contents of a capture, and what is wrong with it.

    Attributes:
        folder: The capture's folder.
        source: Its layout, a row of `READERS`; None if unknown.
        fatal: Errors that prevent training, a line each.
        doubtful: Problems that may harm the result, a line each.
        capture: Its files; None if they could not be listed.
        sequences: The frames of every sequence, each frame in one.
        statistics: Of every frame that could be read, by sequence.
        camera: Intrinsics of its images; None if they could not be determined.
        agreement: Between poses and depth; None if it could not be computed.
        picture_agreement: Between poses and photographs, likewise.
        has_classes: Whether the class list could be read.
        numbering: How the ids of the class list are counted, if it has only names.
    """

    folder: Path
    source: str | None = None
    fatal: list[str] = dataclasses.field(default_factory=list)
    doubtful: list[str] = dataclasses.field(default_factory=list)
    capture: Capture | None = None
    sequences: dict[str, list[FrameRecord]] = dataclasses.field(default_factory=dict)
    statistics: dict[str, list[FrameStatistics]] = dataclasses.field(
        default_factory=dict
    )
    camera: Intrinsics | None = None
    agreement: Agreement | None = None
    picture_agreement: PictureAgreement | None = None
    has_classes: bool = False
    numbering: str = ""

    @property
    def all_statistics(self) -> list[FrameStatistics]:
        """Statistics of the frames of all sequences."""
        return [each for frames in self.statistics.values() for each in frames]


def check_capture(
    folder: Path,
    *,
    classes: Sequence[str] = (),
    label_space: str = "",
    scale: float = 1.0,
    progress: Progress = lambda todo, done: done,
) -> CaptureReport:
    """Reads every file of a capture and reports its contents and what is wrong.

    Args:
        folder: The capture's folder.
        classes: As ``data.classes`` of a config.
        label_space: As ``data.label_space``.
        scale: As ``data.scale``.
        progress: Wraps the iterator over frames done, given the list of frames to do,
            to show a progress bar.
    """
    report = CaptureReport(folder)
    try:
        report.source = detect(folder)
        if label_space and report.source != "scannet":
            raise InputError(
                f"label space {label_space!r} is for ScanNet; leave it out"
            )
        report.capture = _open(report, classes, label_space)
        if report.capture is not None:
            report.capture = report.capture.scaled(scale)
            _check_frames(report, report.capture, progress)
    except InputError as error:
        report.fatal += [str(error), *error.also]
    except OSError as error:
        report.fatal.append(f"{error.filename}: {error.strerror}; make it readable")
    return report


def _open(
    report: CaptureReport, classes: Sequence[str], label_space: str
) -> Capture | None:
    """The capture; with a placeholder class if only its class list is wrong."""
    assert report.source is not None
    reader = READERS[report.source]
    if label_space:
        reader = functools.partial(reader, label_space=label_space)
    try:
        capture = reader(report.folder, "", classes)
        report.has_classes = True
        report.numbering = numbering([report.folder], classes, capture.classes)
        return capture
    except InputError as error:
        report.fatal += [str(error), *error.also]
    try:
        capture = reader(report.folder, "", _ANY_CLASS)
    except InputError:
        return None  # something else is wrong
    return dataclasses.replace(
        capture,
        frames=lambda name: [
            dataclasses.replace(record, label=None) for record in capture.frames(name)
        ],
    )


def _check_frames(report: CaptureReport, capture: Capture, progress: Progress) -> None:
    report.sequences = capture.disjoint_sequences()
    report.doubtful += capture.doubts()
    every = [record for records in report.sequences.values() for record in records]
    if not every:
        raise InputError(f"{report.folder}: has no frame; add photographs")
    errors = ErrorCollector()
    with errors.catch():
        report.camera = capture.camera(*check_headers(every))
    statistics = iter(progress(every, read_statistics(capture, every, errors)))
    for name, records in report.sequences.items():
        of_sequence = [next(statistics) for _ in records]
        report.statistics[name] = [each for each in of_sequence if each is not None]
    report.fatal += list(dict.fromkeys(errors.found))
    if report.camera is None or errors.found:
        return
    report.agreement = agreement(capture, list(report.sequences.values()))
    if report.agreement.pairs and not report.agreement.fraction >= ENOUGH:
        text = (
            f"{report.folder}: depth and poses agree at {report.agreement.fraction:.0%}"
            f" of the points that {report.agreement.pairs} pairs of neighbouring frames"
            " share; "
        )
        if report.agreement.remedy is None:
            report.doubtful.append(text + "check poses, camera and depth scale")
        else:
            report.fatal.append(text + report.agreement.remedy)
    if not report.fatal:
        _check_pictures(report, capture, every, progress)
    report.doubtful += find_doubts(
        *(report.folder, capture, report.sequences, report.statistics),
        numbering=report.numbering,
    )


def _check_pictures(
    report: CaptureReport,
    capture: Capture,
    every: list[FrameRecord],
    progress: Progress,
) -> None:
    """Compares poses and intrinsics with the photographs."""
    assert report.camera is not None
    judged = report.picture_agreement = picture_agreement(
        find_matches(capture, list(report.sequences.values()), progress),
        np.stack([record.world_from_cam for record in every]),
        [[record.name for record in each] for each in report.sequences.values()],
        report.camera.width,
        capture.pose_format,
    )
    if judged.fraction >= ENOUGH_OF_PICTURES or math.isnan(judged.fraction):
        return
    text = (
        f"{report.folder}: poses, intrinsics and photographs agree at"
        f" {judged.fraction:.0%} of {judged.matches} matches in {judged.pairs} pairs of"
        f" photographs (median error {judged.error:.1f} pixels); "
    )
    if judged.remedy is None:
        report.doubtful.append(text + "check poses and intrinsics, or refine them")
    else:
        report.fatal.append(text + judged.remedy)
