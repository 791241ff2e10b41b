"""Reads the Replica renderings of Semantic-NeRF, and captures in the same layout.

``<scene>/<sequence>/rgb/rgb_<i>.png`` (or ``.jpg``, ``.webp``),
``depth/depth_<i>.png`` (16-bit, millimetres along the optical axis),
``semantic_class/semantic_class_<i>.png`` (class id or colour, 0 void) and
``traj_w_c.txt`` (one camera-to-world matrix a line). Depth and labels may
be absent, each as a whole folder. ``regions/regions_<i>.png`` (8 or 16 bits, grey or
palette: ids that are unique within one image, 0 no region) are read on request only.
``semantic_instance/semantic_instance_<i>.png`` is passed on by conversions only.
``mask/mask_<i>.png`` (8 bits) may mark pixels to ignore, by 0.
``<scene>/info.json`` may give the camera (``fx fy cx cy`` or ``hfov_deg``; 90 degrees
without it), ``depth_scale`` and classes.
"""

import math
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from alsem.core.errors import ErrorCollector, InputError
from alsem.core.types import Intrinsics
from alsem.data import classes, image_io, label_maps
from alsem.data.capture import Capture, FrameRecord, check_headers
from alsem.data.image_io import EncodedFile, ImageKind
from alsem.data.label_images import Colours, LabelImage
from alsem.data.poses import read_trajectory
from alsem.data.readers import unread
from alsem.data.text_files import number, positive, read_json

_FOLDERS = ("depth", "semantic_class", "semantic_instance", "regions", "mask")
_ENDINGS = tuple(image_io.PHOTO_KINDS)
_RGB = re.compile(rf"rgb_(\d+)(?:{'|'.join(map(re.escape, _ENDINGS))})")
_CAMERA = ("fx", "fy", "cx", "cy")


def read_replica(root: Path, scene: str, class_lines: Sequence[str] = ()) -> Capture:
    """Lists the frames of a capture.

    Args:
        root: Folder of scenes, or the scene itself if ``scene`` is empty.
        scene: Name of the scene's folder.
        class_lines: Classes as `classes.from_lines` reads them; when empty they come
            from the capture: ``info.json``, ``info_semantic.json``, ``classes.txt``,
            the first that exists.

    Raises:
        InputError: There is no such scene, or its metadata is malformed.
    """
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; give the folder of the capture")
    folder = root / scene
    if not _sequences(folder):
        reason = "holds no sequence (a folder with rgb/rgb_0.png in it)"
        raise InputError(
            f"{folder}: {reason if folder.is_dir() else 'no such folder'}; "
            + (
                f"{root} is a scene itself, leave data.scene empty"
                if scene and _sequences(root)
                else f"scenes in {root}: {', '.join(_scenes(root)) or 'none'}"
            )
        )
    info_path = folder / "info.json"
    info = read_json(info_path) if os.path.lexists(info_path) else {}
    name = Path(scene).name or folder.resolve().name
    names_and_ids = _read_classes(root, folder, name, info, class_lines)
    colours = label_maps.colours((folder, root), names_and_ids)
    return Capture(
        name=name,
        sequences=tuple(_sequences(folder)),
        frames=lambda sequence: _read_sequence(folder, sequence, colours),
        camera=lambda width, height: _camera(info_path, info, width, height),
        depth_scale=positive(info, "depth_scale", info_path, 1000.0),
        classes=names_and_ids,
        doubts=lambda: [d for n in _sequences(folder) for d in _doubts(folder, n)],
    ).with_union()


def _sequences(folder: Path) -> list[str]:
    return sorted(child.parent.name for child in folder.glob("*/rgb") if child.is_dir())


def has_sequence(folder: Path) -> bool:
    """Whether a folder holds photographs of a sequence."""
    return any(_RGB.fullmatch(path.name) for path in folder.glob("*/rgb/rgb_*"))


def _scenes(root: Path) -> list[str]:
    return sorted(child.name for child in root.iterdir() if _sequences(child))


def _numbered(folder: Path, name: str) -> dict[int, str]:
    """Number of every photograph of a sequence -> as its name writes it, in order."""
    if name not in _sequences(folder):
        raise InputError(
            f"{folder / name}: no such sequence; sequences in {folder}: "
            + ", ".join(_sequences(folder))
        )
    rgb, tokens = folder / name / "rgb", {}
    for path in sorted(rgb.iterdir()):
        match = _RGB.fullmatch(path.name)
        if match is None:
            continue
        number = int(match[1])
        if number in tokens:
            other = _photo(rgb, tokens[number]).path.name
            raise InputError(
                f"{path}: frame {number} is there twice, also as {other}; remove one"
            )
        tokens[number] = match[1]
    if not tokens:
        raise InputError(f"{rgb}: holds no rgb_<number>.png; add images")
    return dict(sorted(tokens.items()))


def _poses(sequence: Path, numbers: list[int]) -> tuple[np.ndarray, list[str]]:
    """Poses of photographs, NaN where lost; and what is left out, a line each.

    Lines belong to photographs in order; or, if there are more lines and photographs
    count from 0, to the photographs of those numbers.
    """
    path = sequence / "traj_w_c.txt"
    poses, doubts = read_trajectory(path), []
    if len(poses) > max(len(numbers) - 1, numbers[-1]) and numbers[0] == 0:
        if len(poses) > len(numbers):
            doubts.append(
                f"{path}: {len(poses) - len(numbers)} of {len(poses)} poses have no"
                f" photograph rgb_<number>.png and are left out; add them, or ignore it"
            )
        poses = poses[numbers]
    if len(poses) != len(numbers):
        raise InputError(_counts_differ(sequence, numbers, len(poses)))
    lost = np.isnan(poses).any(axis=(1, 2))
    if lost.all():
        raise InputError(f"{path}: no frame has a finite pose; track the camera again")
    if lost.any():
        doubts.append(
            f"{path}: {lost.sum()} of {len(poses)} frames have no finite pose and are"
            " left out; track the camera again to use them"
        )
    return poses, doubts


def _doubts(folder: Path, name: str) -> list[str]:
    sequence = folder / name
    read = [sequence / kind for kind in _FOLDERS]
    doubts = _poses(sequence, list(_numbered(folder, name)))[1]
    return [*doubts, *unread.folders(sequence, read)]


def _read_sequence(folder: Path, name: str, colours: Colours) -> list[FrameRecord]:
    tokens, sequence = _numbered(folder, name), folder / name
    numbers, errors, poses = list(tokens), ErrorCollector(), None
    with errors.catch():
        poses, _ = _poses(sequence, numbers)

    def labels(number: int) -> LabelImage | None:
        ids = image("semantic_class", image_io.LABEL, number)
        return None if ids is None else LabelImage(ids, colours)

    def image(name: str, kind: ImageKind, number: int) -> EncodedFile | None:
        if not os.path.lexists(sequence / name):
            return None
        path = sequence / name / f"{name}_{tokens[number]}.png"
        return EncodedFile(path, kind, f"add it, or remove all of {path.parent}")

    unposed = np.broadcast_to(np.eye(4, dtype=np.float32), (len(numbers), 4, 4))
    records = [
        FrameRecord(
            name=f"{name}/{number}",
            rgb=_photo(sequence / "rgb", tokens[number]),
            world_from_cam=pose,
            depth=image("depth", image_io.DEPTH, number),
            label=labels(number),
            regions=image("regions", image_io.REGIONS, number),
            mask=image("mask", image_io.MASK, number),
            instance=image("semantic_instance", image_io.IDS, number),
        )
        for number, pose in zip(
            numbers, unposed if errors.found else poses, strict=True
        )
    ]
    if errors.found:  # report bad poses and bad images together
        with errors.catch():
            check_headers(records)
        errors.raise_any()
    return [record for record in records if np.isfinite(record.world_from_cam).all()]


def _photo(folder: Path, token: str) -> EncodedFile:
    """The photograph of a number, in a format that it is in."""
    paths = [folder / f"rgb_{token}{ending}" for ending in (".png", *_ENDINGS)]
    return image_io.photograph(next((p for p in paths if os.path.lexists(p)), paths[0]))


def _counts_differ(sequence: Path, numbers: list[int], poses: int) -> str:
    trajectory = sequence / "traj_w_c.txt"
    if poses < len(numbers):
        return (
            f"{trajectory}: {poses} poses for {len(numbers)} images in "
            f"{sequence / 'rgb'}; write one line an image"
        )
    absent = sorted(set(range(numbers[0], numbers[-1])) - set(numbers))
    outside = numbers[0] - 1 if numbers[0] > 0 else numbers[-1] + 1
    number = absent[0] if absent else outside
    return (
        f"{sequence / 'rgb' / f'rgb_{number}.png'}: missing; {trajectory} has {poses} "
        f"poses for {len(numbers)} images, add the image or remove its line"
    )


def _read_classes(
    root: Path, folder: Path, name: str, info: dict[str, Any], lines: Sequence[str]
) -> classes.Classes:
    if lines:
        return classes.from_lines("data.classes", lines)
    if "classes" in info:
        return classes.from_info(folder / "info.json", info)
    metadata = Path("semantic_info") / name / "info_semantic.json"
    for path in (
        root / metadata,
        folder / metadata,
        folder.resolve().parent / metadata,
        folder / "info_semantic.json",
    ):
        if path.exists():
            return classes.from_info_semantic(path)
    return classes.configured_or_listed((folder, root), ())


def _camera(path: Path, info: dict[str, Any], width: int, height: int) -> Intrinsics:
    for key, size in (("width", width), ("height", height)):
        if info.get(key, size) != size:
            raise InputError(
                f"{path}: {key} is {info[key]!r} while the images have {size} pixels; "
                "give the camera of the images"
            )
    given = [key for key in _CAMERA if key in info]
    if given and len(given) != len(_CAMERA):
        raise InputError(
            f"{path}: gives {', '.join(given)} only; give all of fx, fy, cx, cy or none"
        )
    if given:
        fx, fy = (positive(info, key, path, 0.0) for key in ("fx", "fy"))
        cx, cy = (number(info, key, path, 0.0) for key in ("cx", "cy"))
        return Intrinsics(width, height, fx, fy, cx, cy)
    hfov = positive(info, "hfov_deg", path, 90.0)
    if hfov >= 180:
        raise InputError(f"{path}: hfov_deg is {hfov:g}; give less than 180 degrees")
    focal = width / 2 if hfov == 90 else width / 2 / math.tan(math.radians(hfov / 2))
    return Intrinsics(width, height, focal, focal, (width - 1) / 2, (height - 1) / 2)
