"""Frames from posed photographs, for the readers of most layouts.

Sequences are the folders that contain photographs; all photographs are undistorted to
one pinhole camera.
"""

import dataclasses
import itertools
import posixpath
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from alsem.core.errors import ErrorCollector, InputError
from alsem.core.types import Intrinsics
from alsem.data import classes, image_io, label_maps
from alsem.data.camera_models import (
    FieldOfViewMask,
    Lens,
    UndistortedImage,
    shared_camera,
)
from alsem.data.capture import ALL, Capture, FrameRecord, PoseFormat
from alsem.data.depth_images import ConfidentDepth, depth_image
from alsem.data.image_io import EncodedFile, ImageFile, photograph
from alsem.data.label_images import Colours, LabelImage
from alsem.data.masks import AlphaMask, BothMasks
from alsem.data.readers import unread
from alsem.data.readers.orientation import Oriented, as_shown, oriented
from alsem.data.readers.photos import Photo, usable
from alsem.data.turned import TurnedImage


@dataclasses.dataclass(frozen=True)
class PhotoCapture:
    """The frames of a capture, all of one camera.

    Attributes:
        where: The file that lists them, for messages.
        camera: The pinhole camera that they are undistorted to.
        records: The frames of every sequence: all of them, and those of each folder.
        doubts: What was left out or assumed, a line each.
    """

    where: Path
    camera: Intrinsics
    records: dict[str, list[FrameRecord]]
    doubts: tuple[str, ...] = ()

    def sequence(self, name: str) -> list[FrameRecord]:
        """The frames of a sequence; raises `InputError` if it does not exist."""
        if name not in self.records:
            raise InputError(
                f"{self.where}: has no sequence {name!r}; there are "
                + ", ".join(self.records)
            )
        return self.records[name]

    def camera_of_size(self, width: int, height: int) -> Intrinsics:
        """The camera; all frames have its size."""
        assert (width, height) == (self.camera.width, self.camera.height)
        return self.camera


def read_photos(
    root: Path,
    scene: str,
    class_lines: Sequence[str],
    where: Path,
    photos: Sequence[Photo],
    *,
    named: dict[str, list[str]] | None = None,
    depth_scale: float = 1000.0,
    float_scale: float | None = None,
    points: np.ndarray | None = None,
    doubts: Sequence[str] = (),
    pose_format: PoseFormat | None = None,
) -> Capture:
    """Makes a capture of the photographs that a layout lists.

    Args:
        root: Folder of scenes, or the scene itself if ``scene`` is empty.
        scene: Name of the scene's folder.
        class_lines: Classes as `classes.from_lines` reads them; when empty they are
            those of ``classes.txt``, or of a label map, in the folder.
        where: The file that lists the photographs, for messages.
        photos: The photographs.
        named: Further sequences: the names of their photographs.
        depth_scale: Units of integer depth per metre.
        float_scale: Such units in one of floating-point depth; those of a metre if
            None.
        points: As `Capture.points`.
        doubts: What the layout left out or assumed, a line each.
        pose_format: How the layout writes poses; None as alsem has them.

    Raises:
        InputError: The photographs cannot be used, or there are no classes.
    """
    folder = root / scene
    names_and_ids = classes.configured_or_listed((folder, root), class_lines)
    found = gather(
        where,
        photos,
        named,
        colours=label_maps.colours((folder, root), names_and_ids),
        float_scale=depth_scale if float_scale is None else float_scale,
    )
    files = [path for photo in photos for path in photo.files]
    return Capture(
        name=Path(scene).name or folder.resolve().name,
        sequences=tuple(found.records),
        frames=found.sequence,
        camera=found.camera_of_size,
        depth_scale=depth_scale,
        classes=names_and_ids,
        union=ALL,
        points=points,
        pose_format=pose_format or PoseFormat(),
        doubts=lambda: [*doubts, *found.doubts, *unread.folders(folder, files)],
    )


def gather(
    where: Path,
    photos: Sequence[Photo],
    named: dict[str, list[str]] | None = None,
    *,
    colours: Colours,
    float_scale: float,
) -> PhotoCapture:
    """Makes frames of photographs, in the order of the numbers in their names.

    Args:
        where: The file that lists them, for messages.
        photos: At least one.
        named: Further sequences: the names of their photographs.
        colours: Of the classes, in label images.
        float_scale: Depth units in one unit of floating-point depth.

    Raises:
        InputError: Two photographs have one name, or a header cannot be read.
    """
    listed = {posixpath.normpath(photo.name) for photo in photos}
    photos, doubts = usable(where, photos)
    photos = sorted(photos, key=lambda photo: number_order(photo.name))
    for one, two in itertools.pairwise(photos):
        if one.name == two.name:
            raise InputError(f"{where}: lists {one.name} twice; remove one")
    found, errors = [], ErrorCollector()
    for photo in photos:
        with errors.catch():
            image = photo.image or photograph(photo.path)
            found.append(oriented(image, photo.lens))
    errors.raise_any()
    lenses = [each.lens for each in found]
    camera = shared_camera(lenses)
    resample = any(not lens.is_pinhole or lens.camera != camera for lens in lenses)
    rows = zip(photos, found, strict=True)
    records = [
        _record(*row, camera, colours, float_scale, resample=resample) for row in rows
    ]
    records, camera, turned = as_shown(where, found, records, camera)
    doubts += turned
    sequences = {ALL: records}
    folders = [posixpath.dirname(photo.name) for photo in photos]
    if len(set(folders)) > 1:
        common = posixpath.commonpath(folders)
        for record, folder in zip(records, folders, strict=True):
            name = posixpath.relpath(folder or ".", common or ".")
            name = {".": "root", ALL: f"{ALL}_"}.get(name, name.replace("/", "_"))
            sequences.setdefault(name, []).append(record)
    by_name = {
        photo.name: record for photo, record in zip(photos, records, strict=True)
    }
    for sequence, names in (named or {}).items():
        wanted = {posixpath.normpath(name) for name in names}
        for name in wanted - listed:
            raise InputError(f"{where}: {sequence} names {name}, which is no frame")
        sequences[sequence] = [by_name[p.name] for p in photos if p.name in wanted]
    return PhotoCapture(where, camera, sequences, tuple(doubts))


def _record(
    photo: Photo,
    found: Oriented,
    camera: Intrinsics,
    colours: Colours,
    float_scale: float,
    *,
    resample: bool,
) -> FrameRecord:
    rgb, lens = found.image, found.lens

    def undistorted(image: ImageFile, of: Lens = lens) -> ImageFile:
        return UndistortedImage(found.beside(image), of, camera, is_colour=False)

    depth = label = mask = None
    if photo.depth is not None:
        depth = depth_image(photo.depth, float_scale)
        if photo.confidence is not None:
            confidence = EncodedFile(photo.confidence, image_io.MASK)
            depth = ConfidentDepth(depth, confidence)
        depth = undistorted(depth, photo.depth_lens or lens)
    if photo.label is not None:
        ids = EncodedFile(photo.label, image_io.LABEL)
        label = undistorted(LabelImage(ids, colours))
    if photo.mask is not None:
        mask = undistorted(EncodedFile(photo.mask, image_io.MASK))
    stored = rgb.source if isinstance(rgb, TurnedImage) else rgb
    alpha = stored.alpha() if isinstance(stored, EncodedFile) else None
    if alpha is not None:
        opaque = undistorted(AlphaMask(alpha))
        mask = opaque if mask is None else BothMasks(mask, opaque)
    if resample:
        rgb = UndistortedImage(rgb, lens, camera, is_colour=True)
        mask = FieldOfViewMask(lens, camera, mask)
    assert photo.world_from_cam is not None
    return FrameRecord(
        name=photo.name,
        rgb=rgb,
        world_from_cam=photo.world_from_cam,
        depth=depth,
        label=label,
        mask=mask,
    )


def path_inside(root: Path, name: object, where: str) -> Path:
    """Resolves a path that a layout names, which must be inside the capture's folder.

    Raises:
        InputError: It is no relative path, or leads out of the folder.
    """
    if not isinstance(name, str) or not name:
        raise InputError(f"{where} is {name!r}; give the path of a file")
    name = _tail_inside(root, name)
    try:
        path = root / name
        is_inside = path.resolve().is_relative_to(root.resolve())
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(f"{where} is {name!r}: {error}; give a file's path") from None
    if path.resolve() == root.resolve():
        raise InputError(f"{where} is {name!r}, a folder; give the path of a file")
    if Path(name).is_absolute() or not is_inside:
        raise InputError(
            f"{where} is {name!r}, which is outside of {root}; move the file there and"
            " give its path from there"
        )
    return path


def _tail_inside(root: Path, name: str) -> str:
    """Of an absolute path, perhaps of another machine, the part below ``root``.

    That is the longest tail whose file is there, else whose folder is; else all.
    """
    parts = name.replace("\\", "/").split("/")
    if not re.fullmatch(r"[a-zA-Z]:|~?", parts[0]) or ".." in parts:
        return name
    tails = [Path(*parts[i:]) for i in range(1, len(parts))]
    files = [tail for tail in tails if (root / tail).is_file()]
    near = [tail for tail in tails[:-1] if (root / tail).parent.is_dir()]
    return (*files, *near, Path(name))[0].as_posix()


def number_order(name: str) -> list[tuple[int, int | str]]:
    """Sort key that puts ``2.png`` before ``10.png``."""
    parts = re.split(r"([0-9]{1,18})", name)
    return [(0, int(p)) if i % 2 else (1, p) for i, p in enumerate(parts)]
