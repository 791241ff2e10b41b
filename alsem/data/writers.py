"""Converts captures: writes them in another layout.

Photographs are written undistorted, of one camera and lossless (PNG); depth keeps its
units, labels their ids. Sparse points are written where the layout has a place for them
(nerfstudio's), regions and objects' ids likewise (Replica's).
"""

import concurrent.futures
import json
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from alsem.core.errors import InputError
from alsem.core.types import Intrinsics
from alsem.data.capture import Capture, FrameRecord, check_same_images
from alsem.data.image_io import ImageFile
from alsem.data.label_images import read_labels
from alsem.data.ply import write_points
from alsem.data.readers.nerfstudio import FILE

_FLIP = np.diag([1.0, -1.0, -1.0, 1.0])  # OpenCV's camera axes to OpenGL's
_NO_DEPTH = 65535  # of 16 bits
_MAX_ID = 255  # of 8-bit label images
Progress = Callable[[Sequence, Iterable], Iterable]


def check_target(out: Path, to: str) -> None:
    """Checks that `convert` can write there.

    Raises:
        InputError: The layout is not known, or the folder exists.
    """
    if to not in WRITERS:
        raise InputError(f"--to={to}: use one of {', '.join(WRITERS)}")
    if os.path.lexists(out):
        raise InputError(f"{out}: exists already; give another folder")


def convert(
    capture: Capture,
    out: Path,
    *,
    to: str,
    progress: Progress = lambda todo, done: done,
) -> None:
    """Writes a capture in another layout, all of it or nothing.

    Args:
        capture: The capture to write.
        out: The new folder, which must not exist.
        to: A row of `WRITERS`.
        progress: Wraps the iterator over frames done, given the list of frames to do,
            to show a progress bar.

    Raises:
        InputError: The layout is not known, the folder exists or cannot be written, or
            an image cannot be read.
    """
    check_target(out, to)
    draft = out.with_name(f".{out.name}.part")
    try:
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        WRITERS[to](capture, draft, progress)
        draft.rename(out)
    except OSError as error:
        raise InputError(f"{out}: {error.strerror}; choose another folder") from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def image_array(
    kind: str, image: ImageFile, label_of_id: np.ndarray, id_of_label: np.ndarray
) -> np.ndarray:
    """Decodes an image of a frame to what files store.

    That is class ids, masks of 0 and 255, and 16-bit depth in the capture's unit, in
    which what does not fit is a hole.

    Args:
        kind: Its attribute in `FrameRecord`.
        image: The image.
        label_of_id: `Capture.label_table`.
        id_of_label: The id of every label, that of void (-1) last.
    """
    if kind == "label":
        return id_of_label[read_labels(image, label_of_id)]
    pixels = image.read()
    if kind == "depth" and pixels.dtype != np.uint16:
        rounded = np.rint(pixels)
        return np.where(rounded < _NO_DEPTH, rounded, 0).astype(np.uint16)
    return np.where(pixels > 0, 255, 0).astype(np.uint8) if kind == "mask" else pixels


def _write_replica(capture: Capture, folder: Path, progress: Progress) -> None:
    sequences = capture.disjoint_sequences()
    names, ids = _eight_bit_classes(capture)

    def image_path(sequence: str, i: int, kind: str) -> str:
        names = {"label": "semantic_class", "instance": "semantic_instance"}
        name = names.get(kind, kind)
        return f"{sequence}/{name}/{name}_{i}.png"

    kinds = ("rgb", "depth", "label", "mask", "regions", "instance")
    _write_images(capture, folder, sequences, kinds, image_path, ids, progress)
    for sequence, records in sequences.items():
        rows = [" ".join(map(_shortest, r.world_from_cam.ravel())) for r in records]
        (folder / sequence / "traj_w_c.txt").write_text("\n".join(rows) + "\n")
    camera = _camera(capture, sequences)
    info: dict[str, Any] = {
        "classes": {n: {"id": i} for n, i in zip(names, ids, strict=True)},
        "width": camera.width,
        "height": camera.height,
        "depth_scale": capture.depth_scale,
    }
    info |= {key: getattr(camera, key) for key in ("fx", "fy", "cx", "cy")}
    (folder / "info.json").write_text(json.dumps(info, indent=1) + "\n")


def _write_nerfstudio(capture: Capture, folder: Path, progress: Progress) -> None:
    sequences = capture.disjoint_sequences()
    names, ids = _eight_bit_classes(capture)
    folders = {"rgb": "images", "label": "semantic", "mask": "masks"}

    def image_path(sequence: str, i: int, kind: str) -> str:
        return f"{folders.get(kind, kind)}/{sequence}/frame_{i:05d}.png"

    keys = {
        "rgb": "file_path",
        "depth": "depth_file_path",
        "label": "semantic_file_path",
        "mask": "mask_path",
    }
    _write_images(capture, folder, sequences, tuple(keys), image_path, ids, progress)
    camera = _camera(capture, sequences)
    frames = []
    for sequence, records in sequences.items():
        is_masked = any(record.mask is not None for record in records)
        for i, record in enumerate(records):
            pose = record.world_from_cam.astype(np.float64) @ _FLIP
            frames.append(
                {
                    keys[kind]: image_path(sequence, i, kind)
                    for kind in keys
                    if getattr(record, kind) is not None
                    or (kind == "mask" and is_masked)
                }
                | {"transform_matrix": pose.tolist()}
            )
    info: dict[str, Any] = {
        "camera_model": "OPENCV",
        "w": camera.width,
        "h": camera.height,
        "fl_x": camera.fx,
        "fl_y": camera.fy,
        "cx": camera.cx + 0.5,
        "cy": camera.cy + 0.5,
        "depth_unit_scale_factor": 1 / capture.depth_scale,
        "frames": frames,
    }
    if capture.points is not None:
        info["ply_file_path"] = "sparse.ply"
        write_points(folder / "sparse.ply", capture.points)
    (folder / FILE).write_text(json.dumps(info, indent=1) + "\n")
    lines = [f"{i} {name}" for name, i in zip(names, ids, strict=True)]
    (folder / "classes.txt").write_text("\n".join(lines) + "\n")


WRITERS: dict[str, Callable[[Capture, Path, Progress], None]] = {
    "replica": _write_replica,
    "nerfstudio": _write_nerfstudio,
}


def _write_images(
    capture: Capture,
    folder: Path,
    sequences: dict[str, list[FrameRecord]],
    kinds: Sequence[str],
    image_path: Callable[[str, int, str], str],
    ids: Sequence[int],
    progress: Progress,
) -> None:
    """Writes the images of all frames, several frames at a time."""
    label_of_id, id_of_label = capture.label_table, np.array([*ids, 0], np.uint8)

    def write(job: tuple[str, int, FrameRecord]) -> None:
        sequence, i, record = job
        for kind in kinds:
            image = getattr(record, kind)
            if image is not None:
                pixels = image_array(kind, image, label_of_id, id_of_label)
            elif kind == "mask" and sequence in masked:  # of another frame
                pixels = np.full(record.rgb.size()[::-1], 255, np.uint8)
            else:
                continue
            path = folder / image_path(sequence, i, kind)
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.ascontiguousarray(pixels)).save(path)

    for name, records in sequences.items():
        if Path(name).name != name or name in ("", "..", "."):
            raise InputError(f"sequence {name!r} cannot name a folder; rename it")
        check_same_images(records)
    masked = {
        name
        for name, records in sequences.items()
        if any(record.mask is not None for record in records)
    }
    jobs = [
        (name, i, record)
        for name, records in sequences.items()
        for i, record in enumerate(records)
    ]
    with concurrent.futures.ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for _ in progress(jobs, pool.map(write, jobs)):
            pass


def _camera(capture: Capture, sequences: dict[str, list[FrameRecord]]) -> Intrinsics:
    return capture.camera(*next(iter(sequences.values()))[0].rgb.size())


def _eight_bit_classes(capture: Capture) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Classes with their own ids if those fit 8 bits, else numbered from 1."""
    names, ids = capture.classes
    return names, ids if max(ids) <= _MAX_ID else tuple(range(1, len(ids) + 1))


def _shortest(value: np.float32) -> str:
    """The fewest digits that give the same float32 again."""
    return np.format_float_positional(value, unique=True, trim="0")
