"""Compares poses and intrinsics with the photographs, and finds what would fit them.

Keypoints that match between two photographs lie on each other's epipolar lines, and
their surface point lies before both cameras, if poses and intrinsics are right. If not,
the common alternatives are tried in turn; no depth is needed.
"""

import dataclasses
import itertools
import math
from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from alsem.data import matching
from alsem.data.capture import PoseFormat
from alsem.data.checks import pose_conventions
from alsem.data.checks.picture_matches import PictureMatches
from alsem.data.checks.pose_conventions import PoseConvention
from alsem.data.turned import turned_matrix

ENOUGH = 0.7  # fraction of agreeing matches that is accepted without comment
IMPROVEMENT = 0.2  # by which another convention must raise that fraction to be named
HOPELESS = 0.35  # fraction below which poses cannot be right
MIN_MATCHES, MIN_PAIRS = 40, 3  # fewer show nothing
_TIE = 0.03  # fractions that differ by less count as equal: the first wins
_MIN_ANGLE = math.radians(0.5)  # between rays, below which depth has no sign
_INTRINSICS_FIT = 0.85  # share of matches that a free pose explains


@dataclasses.dataclass(frozen=True)
class PictureAgreement:
    """Agreement of poses and intrinsics with the photographs.

    Attributes:
        fraction: Of the matches, the fraction that agrees; NaN if there are too few.
        matches: Number of matches.
        pairs: Number of pairs of photographs that they are in.
        error: Median distance from the epipolar lines, pixels of the photographs.
        remedy: What is wrong and how to fix it; None if nothing is, or it is unknown.
        is_fatal: Whether poses or intrinsics are certainly wrong.
    """

    fraction: float
    matches: int
    pairs: int
    error: float = math.nan
    remedy: str | None = None
    is_fatal: bool = False


@dataclasses.dataclass(frozen=True)
class _Camera:
    """Intrinsics that a capture may have instead of those given."""

    remedy: str
    matrix: np.ndarray


def picture_agreement(
    found: PictureMatches,
    poses: np.ndarray,
    names: Sequence[Sequence[str]],
    width: int,
    pose_format: PoseFormat,
) -> PictureAgreement:
    """Judges poses and intrinsics by matches.

    Args:
        found: Matches between frames.
        poses: World-from-camera ``[n 4 4]`` of all frames, as read.
        names: Names of the frames of every sequence, in the same order.
        width: Of the photographs, pixels.
        pose_format: How the files write poses.
    """
    count, pairs = len(found.pair), len(found.pairs)
    if count < MIN_MATCHES or pairs < MIN_PAIRS:
        return PictureAgreement(math.nan, count, pairs)
    poses = poses.astype(np.float64)
    fraction, error = _agreeing(found, poses, found.camera)
    error *= width / found.size[0]
    judged = PictureAgreement(fraction, count, pairs, error)
    if fraction >= ENOUGH:
        return judged
    best, remedy = fraction, None
    for round_of in _alternatives(found, names, pose_format):
        for text, convention, matrix in round_of:
            other, _ = _agreeing(found, convention.poses(poses), matrix)
            if other > best + _TIE:
                best, remedy = other, text
        if best >= ENOUGH:
            break
    if remedy and best >= max(ENOUGH, fraction + IMPROVEMENT):
        return dataclasses.replace(judged, remedy=remedy, is_fatal=True)
    if fraction < HOPELESS and _free_pose_fits(found):
        text = (
            "the photographs fit the intrinsics and each other, not the poses: these"
            " are of other frames (shuffled, or of another recording) or badly tracked;"
            " pair every photograph with its own pose"
        )
        return dataclasses.replace(judged, remedy=text, is_fatal=True)
    return judged


def _agreeing(
    found: PictureMatches, poses: np.ndarray, camera: np.ndarray
) -> tuple[float, float]:
    """Fraction of matches that agree, and the median error in pixels as matched."""
    i, j = found.pair.T
    finite = np.asarray(np.isfinite(poses).all(axis=(1, 2)))
    known = np.flatnonzero(finite[i] & finite[j])
    if len(known) < len(found.pair) / 2:
        return 0.0, math.inf
    i, j, a, b = i[known], j[known], found.xy_a[known], found.xy_b[known]
    b_from_a = np.linalg.inv(poses[j]) @ poses[i]
    rotation = b_from_a[:, :3, :3]
    error = matching.epipolar_error(a, b, camera, camera, b_from_a)
    ray_a = (rotation @ matching.rays(a, camera)[..., None])[..., 0]  # in b's axes
    cosine = (ray_a * matching.rays(b, camera)).sum(axis=1)
    points = matching.triangulate(a, b, camera, camera, b_from_a)
    there = (rotation @ points[..., None])[..., 0] + b_from_a[:, :3, 3]
    ahead = (points[:, 2] > 0) & (there[:, 2] > 0)
    is_far = cosine > math.cos(_MIN_ANGLE)
    # Cameras that only turned see all pixels move by their rotation.
    at = ray_a @ camera.T
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = np.linalg.norm(at[:, :2] / at[:, 2:] - b, axis=1)
    apart = np.where(at[:, 2] > 0, apart, np.inf)
    agree = (error < found.allowed) & (ahead | is_far) | (apart < found.allowed)
    return float(agree.mean()), float(np.median(np.fmin(error, apart)))


def _alternatives(
    found: PictureMatches, names: Sequence[Sequence[str]], documented: PoseFormat
) -> Iterator[Iterator[tuple[str, PoseConvention, np.ndarray]]]:
    """Rounds of alternatives, the likelier ones first: remedy, poses, camera."""
    as_read, camera = PoseConvention(""), found.camera
    matrices = pose_conventions.of_matrices(documented)
    cameras = list(_cameras(found))
    yield ((each.remedy, each, camera) for each in matrices)
    yield ((each.remedy, as_read, each.matrix) for each in cameras)
    yield _turned(found)
    yield ((each.remedy, each, camera) for each in pose_conventions.of_order(names))
    yield ((each.remedy, each, camera) for each in pose_conventions.of_parts())
    yield (
        (f"{one.remedy}; and {two.remedy}", one, two.matrix)
        for one, two in itertools.product(matrices, cameras)
    )
    yield ((each.remedy, each, camera) for each in pose_conventions.of_axes())


def _turned(
    found: PictureMatches,
) -> Iterator[tuple[str, PoseConvention, np.ndarray]]:
    """Turned photographs, with the intrinsics of either picture."""
    size, camera = found.size, found.camera
    for quarters, convention in pose_conventions.of_turned_pictures():
        original = size if quarters == 2 else (size[1], size[0])
        turned = turned_matrix(camera, original, quarters)
        middle = camera.copy()  # of an angle of view along the other side
        middle[0, 0] = middle[1, 1] = camera[0, 0] * size[1] / size[0]
        for matrix in (turned, camera, middle):
            yield convention.remedy, convention, matrix


def _cameras(found: PictureMatches) -> Iterator[_Camera]:
    """Intrinsics of another size, with the axis elsewhere, of another focal length."""
    (width, height), camera = found.size, found.camera
    centre = ((width - 1) / 2, (height - 1) / 2)
    focal, axis = camera[0, 0], camera[:2, 2]
    by_axis = width / (2 * (axis[0] + 0.5)) if axis[0] > 0 else 1.0
    for factor in (by_axis, 0.5, 2.0, 0.25, 4.0, 1 / 3, 3.0, 0.125, 8.0):
        if abs(factor - 1) > 0.02:
            matrix = camera * factor
            matrix[:2, 2] += (factor - 1) / 2
            matrix[2, 2] = 1
            yield _Camera(
                "the intrinsics are of photographs of another size: multiply fx, fy, cx"
                f" and cy by {factor:.4g}, or give photographs of that size",
                matrix,
            )
    off = float(np.hypot(*(axis - centre)))
    if off > 0.03 * width:
        matrix = camera.copy()
        matrix[:2, 2] = centre
        yield _Camera(
            "the optical axis (cx, cy) is off: put it near the middle of the"
            " photographs",
            matrix,
        )
        matrix = camera.copy()
        matrix[:2, 2] = axis[::-1]
        yield _Camera("cx and cy are exchanged: exchange them", matrix)
    for factor in np.geomspace(0.4, 2.5, 25):
        for at, text in ((axis, ""), (centre, " and cx and cy in the middle")):
            matrix = camera.copy()
            matrix[0, 0], matrix[1, 1] = focal * factor, camera[1, 1] * factor
            matrix[:2, 2] = at
            yield _Camera(
                f"the focal length is wrong: about {factor:.2f} times the given one"
                f"{text} would fit; calibrate the camera",
                matrix,
            )


def _free_pose_fits(found: PictureMatches) -> bool:
    """Whether the intrinsics explain most matches with some pose of every pair."""
    fits = []
    for pair in found.pairs:
        at = (found.pair == pair).all(axis=1)
        _, inlier = cv2.findEssentialMat(
            found.xy_a[at],
            found.xy_b[at],
            found.camera,
            cv2.RANSAC,
            0.999,
            found.allowed,
        )
        fits.append(0.0 if inlier is None else float(np.mean(inlier > 0)))
    return float(np.median(fits)) >= _INTRINSICS_FIT
