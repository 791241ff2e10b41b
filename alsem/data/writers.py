"""Captures written anew in other layouts, whatever layout they came in.

Photographs are undistorted, of one camera and lossless (PNG) then; depth keeps its
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
from alsem.data.capture import Capture, check_alike, read_labels
from alsem.data.frame_records import FrameRecord
from alsem.data.image_files import ImageFile
from alsem.data.ply import write_points
from alsem.data.readers.nerfstudio import FILE

_FLIP = np.diag([1.0, -1.0, -1.0, 1.0])  # OpenCV's camera axes to OpenGL's
_MAX_ID = 255  # of 8-bit label images
Track = Callable[[Sequence[int], Iterable], Iterable]


def check_target(out: Path, to: str) -> None:
    """Raises `InputError` where `convert` could not begin."""
    if to not in WRITERS:
        raise InputError(f"--to={to}: use one of {', '.join(WRITERS)}")
    if os.path.lexists(out):
        raise InputError(f"{out}: is there already; give another folder")


def convert(
    capture: Capture, out: Path, *, to: str, track: Track = lambda todo, each: each
) -> None:
    """Writes a capture in another layout, all of it or nothing.

    Args:
        capture: What to write.
        out: Its new folder, which must not be there yet.
        to: A row of `WRITERS`.
        track: Wraps the frames as they are written, for a progress bar.

    Raises:
        InputError: The layout is not known, the folder is there or cannot be written,
            or a picture cannot be read.
    """
    check_target(out, to)
    draft = out.with_name(f".{out.name}.part")
    try:
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        WRITERS[to](capture, draft, track)
        draft.rename(out)
    except OSError as error:
        raise InputError(f"{out}: {error.strerror}; choose another folder") from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _write_replica(capture: Capture, folder: Path, track: Track) -> None:
    parts = capture.parts()
    names, ids = _eight_bits(capture)

    def place(sequence: str, i: int, kind: str) -> str:
        names = {"label": "semantic_class", "instance": "semantic_instance"}
        name = names.get(kind, kind)
        return f"{sequence}/{name}/{name}_{i}.png"

    kinds = ("rgb", "depth", "label", "mask", "regions", "instance")
    _write_pictures(capture, folder, parts, kinds, place, ids, track)
    for sequence, records in parts.items():
        rows = [" ".join(map(_exact, s.world_from_cam.ravel())) for s in records]
        (folder / sequence / "traj_w_c.txt").write_text("\n".join(rows) + "\n")
    camera = _camera(capture, parts)
    info: dict[str, Any] = {
        "classes": {n: {"id": i} for n, i in zip(names, ids, strict=True)},
        "width": camera.width,
        "height": camera.height,
        "depth_scale": capture.depth_scale,
    }
    info |= {key: getattr(camera, key) for key in ("fx", "fy", "cx", "cy")}
    (folder / "info.json").write_text(json.dumps(info, indent=1) + "\n")


def _write_nerfstudio(capture: Capture, folder: Path, track: Track) -> None:
    parts = capture.parts()
    names, ids = _eight_bits(capture)
    folders = {"rgb": "images", "label": "semantic", "mask": "masks"}

    def place(sequence: str, i: int, kind: str) -> str:
        return f"{folders.get(kind, kind)}/{sequence}/frame_{i:05d}.png"

    keys = {
        "rgb": "file_path",
        "depth": "depth_file_path",
        "label": "semantic_file_path",
        "mask": "mask_path",
    }
    _write_pictures(capture, folder, parts, tuple(keys), place, ids, track)
    camera = _camera(capture, parts)
    frames = []
    for sequence, records in parts.items():
        for i, record in enumerate(records):
            pose = record.world_from_cam.astype(np.float64) @ _FLIP
            frames.append(
                {
                    keys[kind]: place(sequence, i, kind)
                    for kind in keys
                    if getattr(record, kind) is not None
                    or (kind == "mask" and any(s.mask is not None for s in records))
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


WRITERS: dict[str, Callable[[Capture, Path, Track], None]] = {
    "replica": _write_replica,
    "nerfstudio": _write_nerfstudio,
}


def _write_pictures(
    capture: Capture,
    folder: Path,
    parts: dict[str, list[FrameRecord]],
    kinds: Sequence[str],
    place: Callable[[str, int, str], str],
    ids: Sequence[int],
    track: Track,
) -> None:
    """Writes all pictures of all frames, several at a time."""
    table, id_of_label = capture.table, np.array([*ids, 0], np.uint8)

    def write(job: tuple[str, int, FrameRecord]) -> None:
        sequence, i, record = job
        for kind in kinds:
            picture = getattr(record, kind)
            if picture is None and not (kind == "mask" and sequence in masked):
                continue
            if picture is None:
                pixels = np.ones(record.rgb.size()[::-1], np.uint8)
                pixels *= 255
            else:
                pixels = stored(kind, picture, table, id_of_label)
            path = folder / place(sequence, i, kind)
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.ascontiguousarray(pixels)).save(path)

    for name, records in parts.items():
        if Path(name).name != name or name in ("", "..", "."):
            raise InputError(f"sequence {name!r} cannot name a folder; rename it")
        check_alike(records)
    masked = {
        n for n, s in parts.items() if any(record.mask is not None for record in s)
    }
    jobs = [
        (name, i, record) for name, s in parts.items() for i, record in enumerate(s)
    ]
    with concurrent.futures.ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for _ in track(range(len(jobs)), pool.map(write, jobs)):
            pass


def stored(
    kind: str, picture: ImageFile, table: np.ndarray, id_of_label: np.ndarray
) -> np.ndarray:
    """A picture of a shot as files hold it: class ids, masks of 0 and 255.

    Args:
        kind: What a shot calls it.
        picture: The picture.
        table: `Capture.table`.
        id_of_label: The id of every label, that of void (-1) last.
    """
    if kind == "label":
        return id_of_label[read_labels(picture, table)]
    pixels = picture.read()
    return np.where(pixels > 0, 255, 0).astype(np.uint8) if kind == "mask" else pixels


def _camera(capture: Capture, parts: dict[str, list[FrameRecord]]):
    return capture.camera(*next(iter(parts.values()))[0].rgb.size())


def _eight_bits(capture: Capture) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Classes with ids that label images of 8 bits can hold: their own if they do."""
    names, ids = capture.classes
    return (
        (names, ids) if max(ids) <= _MAX_ID else (names, tuple(range(1, len(ids) + 1)))
    )


def _exact(value: np.float32) -> str:
    """As many digits as give the same float32 again."""
    return np.format_float_positional(value, unique=True, trim="0")
