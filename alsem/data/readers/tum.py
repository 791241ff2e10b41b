"""Reads RGB-D sequences of the TUM benchmark, and others in its layout.

``rgb.txt`` and ``depth.txt`` list times and files, ``groundtruth.txt`` the camera's
pose over time (``tx ty tz qx qy qz qw``, camera to world, OpenCV axes). Depth has 5000
units per metre.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from alsem.core.errors import InputError
from alsem.core.types import Intrinsics
from alsem.data.camera_models import Lens, lens_for
from alsem.data.capture import Capture
from alsem.data.poses import checked_pose
from alsem.data.readers import posed_photos
from alsem.data.readers.photos import Photo, with_own_images
from alsem.data.text_files import numbers, read_rows
from alsem.data.timed_poses import TimedPoses

_DEPTH_SCALE = 5000.0
_MAX_APART = 0.02  # seconds from a photograph to its depth, as TUM's own tool has
_MAX_GAP = 0.1  # seconds between poses; the benchmark has 100 a second
# Calibrations that the benchmark publishes for its cameras: fx fy cx cy, distortion.
_CAMERAS = {
    "freiburg1": (
        (517.306408, 516.469215, 318.643040, 255.313989),
        (0.262383, -0.953104, -0.005358, 0.002628, 1.163314),
    ),
    "freiburg2": (
        (520.908620, 521.007327, 325.141442, 249.701764),
        (0.231222, -0.784899, -0.003257, -0.000105, 0.917205),
    ),
    "freiburg3": ((535.4, 539.2, 320.1, 247.6), ()),
}
_DEFAULT = ((525.0, 525.0, 319.5, 239.5), ())  # of the Kinect, as the benchmark advises


def is_tum(folder: Path) -> bool:
    """Whether a folder has the lists of a sequence."""
    return all((folder / name).is_file() for name in ("rgb.txt", "groundtruth.txt"))


def read_tum(root: Path, scene: str, class_lines: Sequence[str] = ()) -> Capture:
    """Lists the frames of a sequence.

    The camera is that of ``calibration.txt`` (``fx fy cx cy``, then perhaps distortion
    as OpenCV has it, for images of 640 x 480), else the benchmark's own, by the name of
    the folder (``freiburg1``). Poses are interpolated to the photographs' times; depth
    is that of the nearest time.

    Args:
        root: Folder of scenes, or the scene itself if ``scene`` is empty.
        scene: Name of the scene's folder.
        class_lines: Classes as `classes.from_lines` reads them; when empty they are
            those of ``classes.txt`` in the folder.

    Raises:
        InputError: A file is missing or malformed.
    """
    folder = root / scene
    where = folder / "rgb.txt"
    lens, doubts = _lens(folder)
    trajectory = _trajectory(folder / "groundtruth.txt")
    depth = _listed(folder, "depth.txt") if (folder / "depth.txt").is_file() else []
    times = np.array([time for time, _ in depth])
    photos, without_depth = [], 0
    for time, path in _listed(folder, "rgb.txt"):
        pose = trajectory.at(time)
        nearest = int(np.abs(times - time).argmin()) if depth else -1
        has_depth = nearest >= 0 and abs(times[nearest] - time) <= _MAX_APART
        if depth and not has_depth:
            without_depth += 1
            continue
        photo = Photo(
            name=path.relative_to(folder).as_posix(),
            path=path,
            world_from_cam=None if pose is None else checked_pose(pose, f"{path}"),
            lens=lambda *size: lens_for(lens, f"{where}", *size),
            depth=depth[nearest][1] if has_depth else None,
        )
        photos.append(with_own_images(folder, photo))
    if without_depth:
        doubts.append(
            f"{where}: {without_depth} photographs have no depth within"
            f" {1000 * _MAX_APART:g} ms and are left out"
        )
    return posed_photos.read_photos(
        root,
        scene,
        class_lines,
        where,
        photos,
        depth_scale=_DEPTH_SCALE,
        doubts=doubts,
    )


def _lens(folder: Path) -> tuple[Lens, list[str]]:
    path, name = folder / "calibration.txt", folder.resolve().name
    if path.is_file():
        where, words = next(read_rows(path, "it holds the camera"), (f"{path}", []))
        values = numbers(where, words, max(len(words), 4))
        if min(values[:2]) <= 0:
            raise InputError(
                f"{where}: focal length {values[0]:g}; give pixels above 0"
            )
        return Lens(Intrinsics(640, 480, *values[:4]), _padded(values[4:])), []
    for camera, (values, distortion) in _CAMERAS.items():
        if camera in name:
            return Lens(Intrinsics(640, 480, *values), distortion), []
    values, _ = _DEFAULT
    return Lens(Intrinsics(640, 480, *values)), [
        f"{folder}: no calibration.txt ('fx fy cx cy'), and no {', '.join(_CAMERAS)} in"
        " its name; the Kinect's 525 pixels are assumed"
    ]


def _padded(distortion: list[float]) -> tuple[float, ...]:
    """At least the four coefficients that OpenCV takes."""
    return (*distortion, *[0.0] * (4 - len(distortion))) if any(distortion) else ()


def _trajectory(path: Path) -> TimedPoses:
    rows = []
    for where, words in read_rows(path, "it holds the poses"):
        values = numbers(where, words, 8)
        if np.isfinite(values).all() and any(values[4:]):
            rows.append(values)
    if not rows:
        raise InputError(f"{path}: holds no pose; copy it again")
    table = np.array(rows)
    return TimedPoses.of(table[:, 0], table[:, 4:], table[:, 1:4], max_gap=_MAX_GAP)


def _listed(folder: Path, listing: str) -> list[tuple[float, Path]]:
    """Times and files of a list."""
    rows = []
    for where, words in read_rows(folder / listing, "it lists times and files"):
        (time,) = numbers(where, words, 1)
        file = " ".join(words[1:])
        rows.append(
            (time, posed_photos.path_inside(folder, file, f"{where}: the file"))
        )
    return rows
