"""Reads ScanNet scenes: frames as exported for Semantic-NeRF, or a ``.sens`` file.

``<scene>/renders/color/<i>.jpg``, ``renders/depth/<i>.png`` (16-bit, millimetres) and
``renders/pose/<i>.txt``, or ``<scene>/<scene>.sens``; ``<scene>_2d-label-filt/
label-filt/<i>.png`` (raw ids, 16 bits) or ``label-filt/``; ``<scene>.txt`` with the
colour camera, and ScanNet's label table in the scene's folder or above it.

Photographs and labels are resized to the size of depth, with two rows added above and
below (1296 x 968 to 1296 x 972, the shape of depth), as Semantic-NeRF does; pixels that
those rows touch are masked. Frames without a finite pose are left out. There is one
sequence, ``frames``.
"""

import collections
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from alsem.core.errors import ErrorCollector, InputError
from alsem.core.types import Intrinsics
from alsem.data.capture import ALL, Capture, FrameRecord
from alsem.data.classes import Classes, from_lines
from alsem.data.image_io import DEPTH, IDS, EncodedFile, ImageFile, photograph
from alsem.data.label_images import VOID
from alsem.data.poses import checked_pose, read_matrix
from alsem.data.readers import scannet_classes
from alsem.data.readers.scannet_resize import (
    PaddedImage,
    PaddingMask,
    padded_camera,
    padding_rows,
)
from alsem.data.readers.scannet_sens import read_sens
from alsem.data.text_files import read_json, read_text

_DEPTH_SIZE = (640, 480)  # of scenes whose metadata does not give it
_PHOTO = re.compile(r"(\d+)\.(jpg|jpeg|png)", re.IGNORECASE)
_KEYS = ("fx_color", "fy_color", "mx_color", "my_color")


def read_scannet(
    root: Path,
    scene: str,
    class_lines: Sequence[str] = (),
    *,
    label_space: str = "nyu40",
) -> Capture:
    """Lists the frames of a scene.

    Args:
        root: Folder of scenes, or the scene itself if ``scene`` is empty.
        scene: Name of the scene's folder.
        class_lines: Classes of the label space to keep; the others are void. When
            empty they are those of the objects that ScanNet's ``aggregation.json``
            lists, or all if that file is missing.
        label_space: One of `scannet_classes.SPACES`.

    Raises:
        InputError: There is no such scene, or a file of it is malformed.
    """
    folder = root / scene
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give the folder of a scene")
    if label_space not in scannet_classes.SPACES:
        spaces = ", ".join(scannet_classes.SPACES)
        raise InputError(f"data.label_space={label_space!r}: use one of {spaces}")
    name = Path(scene).name or folder.resolve().name
    table, names = scannet_classes.read_table(_table(root, folder), label_space)
    classes = _classes(folder, name, names, class_lines, label_space)
    label_of_id = np.full(len(table), VOID, np.int16)
    for label, class_id in enumerate(classes[1]):
        label_of_id[table == class_id] = label
    if (folder / "renders").is_dir():
        records, camera, frames_there = _exported(folder, name)
        scale = 1000.0
    else:
        records, camera, frames_there, scale = _recorded(folder, name)
    if not records:
        raise InputError(
            f"{folder}: no frame has a finite pose; track the camera again"
        )

    def frames(sequence: str) -> list[FrameRecord]:
        if sequence != ALL:
            raise InputError(f"{folder}: has no sequence {sequence!r}, only {ALL!r}")
        return records

    return Capture(
        name=name,
        sequences=(ALL,),
        frames=frames,
        camera=lambda width, height: camera,
        depth_scale=scale,
        classes=classes,
        label_of_id=label_of_id,
        doubts=lambda: _doubts(folder, records, frames_there),
    )


def _doubts(folder: Path, records: list[FrameRecord], there: int) -> list[str]:
    lost = there - len(records)
    if not lost:
        return []
    return [
        f"{folder}: {lost} of {there} frames have no finite pose and are left out;"
        " track the camera again to use them"
    ]


def _table(root: Path, folder: Path) -> Path:
    for parent in (folder, root, folder.resolve().parent):
        if (parent / scannet_classes.TABLE).exists():
            return parent / scannet_classes.TABLE
    return folder / scannet_classes.TABLE


def _classes(
    folder: Path, name: str, of_name: dict[str, int], lines: Sequence[str], space: str
) -> Classes:
    """Names and ids of the classes of the scene."""
    known = scannet_classes.SPACES[space][1]
    if lines:
        names, ids = from_lines("data.classes", lines)
        for given, class_id in zip(names, ids, strict=True):
            if known.get(class_id) != given:
                raise InputError(
                    f"data.classes: '{class_id} {given}' is no class of {space}, which "
                    f"has '{class_id} {known.get(class_id)}'"
                )
        return names, ids
    wanted = set(known)
    for suffix in ("_vh_clean.aggregation.json", ".aggregation.json"):
        path = folder / f"{name}{suffix}"
        if path.exists():
            groups = read_json(path).get("segGroups")
            if not isinstance(groups, list) or not all(
                isinstance(group, dict) for group in groups
            ):
                raise InputError(f"{path}: 'segGroups' is no list of objects")
            wanted = {of_name.get(str(group.get("label")), 0) for group in groups} - {0}
            break
    ids = tuple(sorted(wanted))
    return tuple(known[class_id] for class_id in ids), ids


def _exported(folder: Path, name: str) -> tuple[list[FrameRecord], Intrinsics, int]:
    """The posed frames of exported files, their camera, the number of all frames."""
    metadata = _read_metadata(folder / f"{name}.txt")
    colour = folder / "renders" / "color"
    found = [
        (int(match[1]), path)
        for path in (colour.iterdir() if colour.is_dir() else ())
        if (match := _PHOTO.fullmatch(path.name))
    ]
    times = collections.Counter(number for number, _ in found)
    for number, path in found:
        if times[number] > 1:
            raise InputError(f"{path}: frame {number} is there twice; remove one")
    if not found:
        raise InputError(f"{colour}: holds no <number>.jpg; export the photographs")
    depth, labels = folder / "renders" / "depth", _label_folder(folder, name)
    size = (
        int(metadata.get("depthWidth", _DEPTH_SIZE[0])),
        int(metadata.get("depthHeight", _DEPTH_SIZE[1])),
    )
    given = photograph(min(found)[1]).size()
    for key, side in (("colorWidth", given[0]), ("colorHeight", given[1])):
        if metadata.get(key, side) != side:
            raise InputError(
                f"{folder / f'{name}.txt'}: {key} is {metadata[key]:g} while the "
                f"photographs have {side} pixels; export them at full size"
            )
    known = Intrinsics(*given, *(metadata[key] for key in _KEYS))
    is_padded = padding_rows(str(colour), given, size) > 0
    records, errors = [], ErrorCollector()
    for number, path in sorted(found):
        pose = np.full((4, 4), np.nan)
        with errors.catch():
            pose = read_matrix(folder / "renders" / "pose" / f"{number}.txt")
        if not np.isfinite(pose).all():
            continue  # tracking was lost
        measured = (
            EncodedFile(depth / f"{number}.png", DEPTH) if depth.is_dir() else None
        )
        with errors.catch():
            records.append(
                _record(
                    number,
                    photograph(path),
                    measured,
                    labels,
                    pose,
                    size=size,
                    is_padded=is_padded,
                    where=f"{folder / 'renders' / 'pose' / f'{number}.txt'}",
                )
            )
    errors.raise_any()
    return records, padded_camera(known, size), len(found)


def _recorded(
    folder: Path, name: str
) -> tuple[list[FrameRecord], Intrinsics, int, float]:
    """As `_exported`, of a recording; and its depth scale."""
    path = folder / f"{name}.sens"
    if not path.exists():
        raise InputError(f"{folder}: holds neither renders nor {path.name}; export it")
    recording, labels = read_sens(path), _label_folder(folder, name)
    sizes = (recording.colour_size, recording.depth_size)
    is_padded = padding_rows(str(path), *sizes) > 0
    records = [
        _record(
            number,
            recording.colour[number],
            recording.depth[number],
            labels,
            pose,
            size=recording.depth_size,
            is_padded=is_padded,
            where=f"{path}: frame {number}",
        )
        for number, pose in enumerate(recording.world_from_cam)
        if np.isfinite(pose).all()
    ]
    matrix = recording.intrinsics
    values = (matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2])
    if not np.isfinite(values).all() or min(values[:2]) <= 0:
        raise InputError(f"{path}: its colour camera is {values}; copy it again")
    known = Intrinsics(*recording.colour_size, *map(float, values))
    camera = padded_camera(known, recording.depth_size)
    return records, camera, len(recording.world_from_cam), recording.depth_scale


def _record(
    number: int,
    rgb: ImageFile,
    depth: ImageFile | None,
    labels: Path | None,
    pose: np.ndarray,
    *,
    size: tuple[int, int],
    is_padded: bool,
    where: str,
) -> FrameRecord:
    def ids_in(place: Path | None) -> PaddedImage | None:
        if place is None:
            return None
        file = EncodedFile(place / f"{number}.png", IDS)
        return PaddedImage(file, size, is_colour=False)

    return FrameRecord(
        name=f"{ALL}/{number}",
        rgb=PaddedImage(rgb, size, is_colour=True),
        world_from_cam=checked_pose(pose, where),
        depth=None if depth is None else PaddedImage(depth, size, is_colour=False),
        label=ids_in(labels),
        instance=ids_in(labels and _instance_folder(labels)),
        mask=PaddingMask(rgb, size) if is_padded else None,
    )


def _label_folder(folder: Path, name: str) -> Path | None:
    for place in (
        folder / f"{name}_2d-label-filt" / "label-filt",
        folder / "label-filt",
    ):
        if place.is_dir():
            return place
    return None


def _instance_folder(labels: Path) -> Path | None:
    """The folder of instance images next to one of label images."""
    name = labels.parent.name.replace("_2d-label-filt", "_2d-instance-filt")
    place = labels.parent.parent / name / "instance-filt"
    return place if place.is_dir() else None


def _read_metadata(path: Path) -> dict[str, float]:
    """Reads the numbers of ``<scene>.txt``: one ``key = value`` a line."""
    text = read_text(path, "it holds the camera, put it there")
    values = {}
    for line in text.splitlines():
        key, _, value = (part.strip() for part in line.partition("="))
        try:
            values[key] = float(value)
        except ValueError:
            continue  # sceneType and the like
    for key in (*_KEYS, "colorWidth", "colorHeight", "depthWidth", "depthHeight"):
        value = values.get(key, None if key in _KEYS else 1.0)
        if value is None:
            raise InputError(f"{path}: has no {key}; use ScanNet's own file")
        if not np.isfinite(value) or value <= 0 or value > 1e5:
            raise InputError(f"{path}: {key} is {value:g}; use ScanNet's own file")
    return values
