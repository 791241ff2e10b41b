"""Posed photographs in any folder, as the shots of a capture.

What the readers of other people's layouts have in common: sequences are the folders
that photographs lie in, and all of them are turned into one pinhole camera.
"""

import dataclasses
import itertools
import posixpath
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from alsem.core.errors import ErrorCollector, InputError
from alsem.core.types import Intrinsics
from alsem.data import png
from alsem.data.camera_models import Covered, Lens, Undistorted, shared_camera
from alsem.data.capture import ALL
from alsem.data.frame_records import FrameRecord
from alsem.data.image_files import ImageFile, PngFile, photograph


@dataclasses.dataclass(frozen=True, eq=False)
class Photo:
    """A photograph and what belongs to it.

    Attributes:
        place: Its path as the layout gives it; names the frame.
        path: The file.
        world_from_cam: ``[4 4]`` float32, OpenCV axes.
        lens: The camera, for an image of a given width and height.
        depth: 16-bit PNG, any size of the same shape; None without depth.
        label: PNG of class ids, likewise.
        mask: PNG, 0 hides a pixel, likewise.
    """

    place: str
    path: Path
    world_from_cam: np.ndarray
    lens: Callable[[int, int], Lens]
    depth: Path | None = None
    label: Path | None = None
    mask: Path | None = None


@dataclasses.dataclass(frozen=True)
class Photos:
    """All photographs of a capture, with one camera.

    Attributes:
        where: The file that lists them, for messages.
        camera: The pinhole camera that they are turned into.
        records: Of every sequence: all of them, and those of each folder.
    """

    where: Path
    camera: Intrinsics
    records: dict[str, list[FrameRecord]]

    def sequence(self, name: str) -> list[FrameRecord]:
        """The frames of a sequence; raises `InputError` if there is none such."""
        if name not in self.records:
            raise InputError(
                f"{self.where}: has no sequence {name!r}; there are "
                + ", ".join(self.records)
            )
        return self.records[name]

    def sized(self, width: int, height: int) -> Intrinsics:
        """The camera; every shot has its size."""
        assert (width, height) == (self.camera.width, self.camera.height)
        return self.camera


def gather(
    where: Path, photos: Sequence[Photo], named: dict[str, list[str]] | None = None
) -> Photos:
    """Makes shots of photographs, in the order of the numbers in their names.

    Args:
        where: The file that lists them, for messages.
        photos: At least one.
        named: Further sequences: the places of their photographs.

    Raises:
        InputError: Two photographs have one place, or a header cannot be read.
    """
    if not photos:
        raise InputError(f"{where}: lists no photograph; add some")
    photos = [
        dataclasses.replace(photo, place=posixpath.normpath(photo.place))
        for photo in photos
    ]
    photos = sorted(photos, key=lambda photo: _by_number(photo.place))
    for one, two in itertools.pairwise(photos):
        if one.place == two.place:
            raise InputError(f"{where}: lists {one.place} twice; remove one")
    pictures, lenses, troubles = [], [], ErrorCollector()
    for photo in photos:
        with troubles.caught():
            picture = photograph(photo.path)
            lenses.append(photo.lens(*picture.size()))
            pictures.append(picture)
    troubles.end()
    camera = shared_camera(lenses)
    bent = any(not lens.is_pinhole or lens.camera != camera for lens in lenses)
    rows = zip(photos, pictures, lenses, strict=True)
    records = [_record(*row, camera, is_bent=bent) for row in rows]
    sequences = {ALL: records}
    folders = [posixpath.dirname(photo.place) for photo in photos]
    if len(set(folders)) > 1:
        common = posixpath.commonpath(folders)
        for record, folder in zip(records, folders, strict=True):
            name = posixpath.relpath(folder or ".", common or ".")
            name = {".": "root", ALL: f"{ALL}_"}.get(name, name.replace("/", "_"))
            sequences.setdefault(name, []).append(record)
    of_place = {
        photo.place: record for photo, record in zip(photos, records, strict=True)
    }
    for name, places in (named or {}).items():
        wanted = {posixpath.normpath(place) for place in places}
        for place in wanted - set(of_place):
            raise InputError(f"{where}: {name} names {place}, which is no frame")
        sequences[name] = [of_place[p.place] for p in photos if p.place in wanted]
    return Photos(where, camera, sequences)


def _record(
    photo: Photo, picture: ImageFile, lens: Lens, camera: Intrinsics, *, is_bent: bool
) -> FrameRecord:
    def turned(source: ImageFile, *, is_colour: bool = False) -> ImageFile:
        return Undistorted(source, lens, camera, is_colour)

    def beside(path: Path | None, kind: png.PngKind) -> ImageFile | None:
        return None if path is None else turned(PngFile(path, kind))

    mask = beside(photo.mask, png.MASK)
    if is_bent:
        mask = Covered(lens, camera, mask)
    return FrameRecord(
        name=photo.place,
        rgb=turned(picture, is_colour=True) if is_bent else picture,
        world_from_cam=photo.world_from_cam,
        depth=beside(photo.depth, png.DEPTH),
        label=beside(photo.label, png.IDS),
        mask=mask,
    )


def inside(root: Path, place: object, where: str) -> Path:
    """A file that a layout names, which must lie in the capture's folder.

    Raises:
        InputError: It is no relative path, or leads out of the folder.
    """
    if not isinstance(place, str) or not place:
        raise InputError(f"{where} is {place!r}; give the path of a file")
    try:
        path = root / place
        is_inside = path.resolve().is_relative_to(root.resolve())
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(f"{where} is {place!r}: {error}; give a file's path") from None
    if path.resolve() == root.resolve():
        raise InputError(f"{where} is {place!r}, a folder; give the path of a file")
    if Path(place).is_absolute() or not is_inside:
        raise InputError(
            f"{where} is {place!r}, which is outside of {root}; move the file there and"
            " give its path from there"
        )
    return path


def _by_number(place: str) -> list[tuple[int, int | str]]:
    """Sorts 2 before 10."""
    parts = re.split(r"([0-9]{1,18})", place)
    return [(0, int(p)) if i % 2 else (1, p) for i, p in enumerate(parts)]
