"""Finds problems of a readable capture that may harm the result of training."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from alsem.core.errors import InputError
from alsem.data.capture import Capture, FrameRecord, check_same_images
from alsem.data.checks.frame_statistics import FrameStatistics
from alsem.data.scene_box import inliers

_BRIGHTNESS_JUMP = 1.6  # ratio of a frame's brightness to both of its neighbours'
_BLUR = 0.15  # ratio of a frame's sharpness to the median of the frames around it
_AROUND = 10  # frames before and after


def find_doubts(
    folder: Path,
    capture: Capture,
    sequences: dict[str, list[FrameRecord]],
    statistics: dict[str, list[FrameStatistics]],
    *,
    numbering: str = "",
) -> Iterator[str]:
    """Yields a line for each problem.

    Args:
        folder: The capture's folder, for messages.
        capture: The capture.
        sequences: The frames of every sequence.
        statistics: Of the same frames.
        numbering: How the ids of a class list of names are counted.
    """
    every = [each for frames in statistics.values() for each in frames]
    yield from _missing_images(sequences)
    yield from _missing_depth(folder, every)
    yield from _off_axis(folder, capture, sequences)
    first: dict[bytes, str] = {}  # hash of a photograph -> the first frame that has it
    for name, records in sequences.items():
        yield from _duplicates(records, statistics[name], first)
        yield from _blurred(records, statistics[name])
        yield from _brightness_jumps(records, statistics[name])
    yield from _labels(folder, capture, every, numbering)


def _missing_images(sequences: dict[str, list[FrameRecord]]) -> Iterator[str]:
    for records in sequences.values():
        try:
            check_same_images(records)
        except InputError as error:
            yield f"{error}; or let each split take frames of one kind"


def _missing_depth(folder: Path, every: list[FrameStatistics]) -> Iterator[str]:
    missing = [each.depth_missing for each in every]
    if np.isfinite(missing).any() and np.nanmean(missing) > 0.5:
        yield f"{folder}: {np.nanmean(missing):.0%} of the depth is missing"
    nothing = [each.depth_nothing for each in every if each.depth_nothing > 0]
    if nothing:
        yield (
            f"{folder}: depth of {len(nothing)} of {len(every)} frames has a value that"
            f" stands for none (65535, or one far beyond all else), up to"
            f" {max(nothing):.2%} of its pixels; read as holes, write 0 if so"
        )
    clouds = [each.points for each in every if len(each.points)]
    if not clouds:
        return
    points = np.concatenate(clouds)
    low, high = inliers(points)
    far = ((points < low) | (points > high)).any(axis=1).mean()
    if far > 0:
        yield (
            f"{folder}: {far:.2%} of the depth lies far outside of all else, beyond a"
            f" box of {' x '.join(f'{side:.1f}' for side in high - low)} m; the field's"
            " box leaves it out, check the depth"
        )


def _off_axis(
    folder: Path, capture: Capture, sequences: dict[str, list[FrameRecord]]
) -> Iterator[str]:
    size = next(records[0].rgb.size() for records in sequences.values() if records)
    camera = capture.camera(*size)
    across, down = (
        (axis + 0.5) / side * 2
        for axis, side in zip((camera.cx, camera.cy), size, strict=True)
    )
    if 0.5 < across < 1.5 and 0.5 < down < 1.5:
        return
    text = (
        f"{folder}: the optical axis is at cx {camera.cx:.1f}, cy {camera.cy:.1f} of"
        f" {size[0]} x {size[1]} pixels, far from the middle; "
    )
    if across > 0 and abs(down / across - 1) < 0.05:
        yield text + (
            "the intrinsics seem to be of photographs of another size: multiply fx, fy,"
            f" cx and cy by {1 / across:.4g}"
        )
    else:
        yield text + "check the intrinsics"


def _duplicates(
    records: list[FrameRecord], every: list[FrameStatistics], first: dict[bytes, str]
) -> Iterator[str]:
    for record, each in zip(records, every, strict=True):
        if each.rgb_hash in first:
            yield (
                f"{record.rgb.where}: same photograph as {first[each.rgb_hash]}; remove"
                " one"
            )
        first.setdefault(each.rgb_hash, each.name)


def _blurred(records: list[FrameRecord], every: list[FrameStatistics]) -> Iterator[str]:
    sharpness = np.array([each.sharpness for each in every])
    for i, record in enumerate(records):
        around = sharpness[max(i - _AROUND, 0) : i + _AROUND + 1]
        if len(around) > 4 and sharpness[i] < _BLUR * np.median(around):
            yield (
                f"{record.rgb.where}: blurred or empty: sharpness {sharpness[i]:.0f},"
                f" others near it {np.median(around):.0f}; leave it out (a split may"
                " take the 'sharpest 3')"
            )


def _brightness_jumps(
    records: list[FrameRecord], every: list[FrameStatistics]
) -> Iterator[str]:
    brightness = np.array([each.brightness for each in every])
    for i, record in enumerate(records):
        if len(records) < 3 or brightness[i] <= 0:
            continue
        beside = np.concatenate(
            [brightness[max(i - 1, 0) : i], brightness[i + 1 : i + 2]]
        )
        ratio = brightness[i] / np.maximum(beside, 1e-6)
        if (ratio > _BRIGHTNESS_JUMP).all() or (ratio < 1 / _BRIGHTNESS_JUMP).all():
            yield (
                f"{record.rgb.where}: brightness {brightness[i]:.2f} jumps from"
                f" {beside.mean():.2f} beside it; fix the exposure"
            )


def _labels(
    folder: Path, capture: Capture, every: list[FrameStatistics], numbering: str
) -> Iterator[str]:
    counts = [each.label_counts for each in every if each.label_counts is not None]
    if not counts:
        return
    total = np.sum(counts, axis=0)
    if total[0] > 0.5 * total.sum():
        fraction = total[0] / total.sum()
        yield f"{folder}: {fraction:.0%} of the label pixels are void"
    absent = [n for n, c in zip(capture.classes[0], total[1:], strict=True) if not c]
    if absent[-1:] == [*capture.classes[0][-1:]] and total[0] and "from 1" in numbering:
        yield (
            f"{folder}: label images hold the id 0 and not that of the last class,"
            f" {absent[-1]}, as if the list counted from 0; if so, write its lines as"
            " 'id name', each id plus 1 in the images too, for 0 is void"
        )
    if absent:
        yield (
            f"{folder}: no label image contains {', '.join(absent)}; remove them from"
            " the class list if they are not in the room"
        )
