"""Everything that can be found out about a capture in one pass."""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from alsem.core.errors import ErrorCollector, InputError
from alsem.core.types import Intrinsics
from alsem.data.capture import Capture, check_alike, check_frames
from alsem.data.checks.frame_statistics import FrameStatistics, glances
from alsem.data.checks.pose_depth_agreement import ENOUGH, Agreement, agreement
from alsem.data.frame_records import FrameRecord
from alsem.data.readers.registry import READERS, detect

_ANY_CLASS = ("1 wall",)  # stands in for a class list that cannot be read
_JUMP = 1.6  # brightness of a frame over both of its neighbours'
_BLUR = 0.15  # sharpness of a frame to the median of those about it
_ABOUT = 10


@dataclasses.dataclass
class Examined:
    """What was found.

    Attributes:
        folder: The capture's.
        source: Its layout, a row of `READERS`; None if none.
        fatal: Why it cannot be trained on, a line each.
        doubtful: What will harm the result, a line each.
        capture: Its files; None if they could not be listed.
        sequences: The frames of every sequence, each frame in one.
        glances: Of every frame that could be read, by sequence.
        camera: Of its images; None if they or it are no good.
        agreement: Between poses and depth; None where that could not be looked at.
    """

    folder: Path
    source: str | None = None
    fatal: list[str] = dataclasses.field(default_factory=list)
    doubtful: list[str] = dataclasses.field(default_factory=list)
    capture: Capture | None = None
    sequences: dict[str, list[FrameRecord]] = dataclasses.field(default_factory=dict)
    glances: dict[str, list[FrameStatistics]] = dataclasses.field(default_factory=dict)
    camera: Intrinsics | None = None
    agreement: Agreement | None = None


def examine(
    folder: Path,
    *,
    classes: Sequence[str] = (),
    label_space: str = "",
    scale: float = 1.0,
    track: Callable[
        [Sequence[FrameRecord], Iterable], Iterable
    ] = lambda records, each: each,
) -> Examined:
    """Reads every file of a capture and says what is in it and what is wrong.

    Args:
        folder: The capture's.
        classes: As ``data.classes`` of a config.
        label_space: As ``data.label_space``.
        scale: As ``data.scale``.
        track: Wraps the looks at frames, for a progress bar.
    """
    found = Examined(folder)
    try:
        found.source = detect(folder)
        if label_space and found.source != "scannet":
            raise InputError(f"label space {label_space!r} is of ScanNet; leave it out")
        found.capture = _read(found, folder, classes, label_space)
        if found.capture is not None:
            found.capture = found.capture.scaled(scale)
            _look(found, found.capture, track)
    except InputError as error:
        found.fatal += [str(error), *error.also]
    except OSError as error:
        found.fatal.append(f"{error.filename}: {error.strerror}; make it readable")
    return found


def _read(
    found: Examined, folder: Path, classes: Sequence[str], label_space: str
) -> Capture | None:
    """The capture; with a class list of our own if its own is what is wrong."""
    assert found.source is not None
    reader = READERS[found.source]
    if label_space:
        reader = functools.partial(reader, label_space=label_space)
    try:
        return reader(folder, "", classes)
    except InputError as error:
        found.fatal += [str(error), *error.also]
    try:
        capture = reader(folder, "", _ANY_CLASS)
    except InputError:
        return None  # not the class list
    return dataclasses.replace(
        capture,
        frames=lambda name: [
            dataclasses.replace(record, label=None) for record in capture.frames(name)
        ],
    )


def _look(found: Examined, capture: Capture, track: Callable) -> None:
    found.sequences = capture.parts()
    every = [record for records in found.sequences.values() for record in records]
    if not every:
        raise InputError(f"{found.folder}: has no frame; add photographs")
    troubles = ErrorCollector()
    with troubles.caught():
        found.camera = capture.camera(*check_frames(every))
    seen = iter(track(every, glances(capture, every, troubles)))
    for name, records in found.sequences.items():
        looked = [next(seen) for _ in records]
        found.glances[name] = [glance for glance in looked if glance is not None]
    found.fatal += list(dict.fromkeys(troubles.found))
    if found.camera is None or troubles.found:
        return
    known = found.agreement = agreement(capture, list(found.sequences.values()))
    if known.pairs and not known.fraction >= ENOUGH:
        text = (
            f"{found.folder}: depth and poses agree at {known.fraction:.0%} of the points"
            f" that {known.pairs} pairs of neighbours see; "
        )
        if known.remedy is None:
            found.doubtful.append(text + "check poses, camera and depth scale")
        else:
            found.fatal.append(text + known.remedy)
    found.doubtful += [
        *_unlike(found),
        *_depth(found),
        *_photographs(found),
        *_labels(found, capture),
    ]


def _depth(found: Examined) -> Iterable[str]:
    holes = [g.holes for each in found.glances.values() for g in each]
    if np.isfinite(holes).any() and np.nanmean(holes) > 0.5:
        yield f"{found.folder}: {np.nanmean(holes):.0%} of the depth is missing"


def _unlike(found: Examined) -> Iterable[str]:
    for records in found.sequences.values():
        try:
            check_alike(records)
        except InputError as error:
            yield f"{error}; or let each split take frames of one kind"


def _photographs(found: Examined) -> Iterable[str]:
    first: dict[bytes, str] = {}
    for name, records in found.sequences.items():
        each = found.glances[name]
        for record, glance in zip(records, each, strict=True):
            where = f"{record.rgb.where}: the photograph"
            if glance.rgb_hash in first:
                yield f"{where} is that of {first[glance.rgb_hash]} again; remove one"
            first.setdefault(glance.rgb_hash, glance.name)
        sharpness = np.array([g.sharpness for g in each])
        light = np.array([g.brightness for g in each])
        for i, record in enumerate(records):
            about = sharpness[max(i - _ABOUT, 0) : i + _ABOUT + 1]
            if len(about) > 4 and sharpness[i] < _BLUR * np.median(about):
                yield (
                    f"{record.rgb.where}: blurred or empty: {sharpness[i]:.0f}, others"
                    f" near it {np.median(about):.0f}; leave it out (a split may take"
                    " the 'sharpest 3')"
                )
            beside = np.concatenate([light[max(i - 1, 0) : i], light[i + 1 : i + 2]])
            if len(light) > 2 and light[i] > 0:
                ratio = light[i] / np.maximum(beside, 1e-6)
                if (ratio > _JUMP).all() or (ratio < 1 / _JUMP).all():
                    yield (
                        f"{record.rgb.where}: brightness {light[i]:.2f} jumps from"
                        f" {beside.mean():.2f} beside it; fix the exposure"
                    )


def _labels(found: Examined, capture: Capture) -> Iterable[str]:
    counts = [g.labels for each in found.glances.values() for g in each]
    counts = [count for count in counts if count is not None]
    if not counts:
        return
    total = np.sum(counts, axis=0)
    if total[0] > 0.5 * total.sum():
        fraction = total[0] / total.sum()
        yield f"{found.folder}: {fraction:.0%} of the label pixels are void"
    absent = [n for n, c in zip(capture.classes[0], total[1:], strict=True) if not c]
    if absent:
        yield (
            f"{found.folder}: no label image shows {', '.join(absent)}; leave them out"
            " of the class list if they are not in the room"
        )
