"""Photographs that a layout lists, and which of them can be used.

Photographs and their images are found under nearly their names; those that are absent
or whose pose was lost are left out, and counted.
"""

import dataclasses
import os
import posixpath
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from alsem.core.errors import InputError
from alsem.data.camera_models import Lens
from alsem.data.image_io import ImageFile
from alsem.data.near_names import NearNames

_MAX_NAMED = 3  # files in a message


@dataclasses.dataclass(frozen=True, eq=False)
class Photo:
    """A photograph with its pose, camera and further images.

    Attributes:
        name: Its path as the layout gives it; becomes the frame's name.
        path: The file.
        world_from_cam: ``[4 4]`` float32, OpenCV axes; None where tracking was lost.
        lens: Makes the camera for an image of a given width and height.
        depth: Depth of any size with the same aspect ratio; None without depth.
        label: PNG of class ids or colours, likewise.
        mask: PNG, 0 where a pixel is to be ignored, likewise.
        confidence: PNG of the depth's size, 0 where depth is not to be used.
        depth_lens: The camera of the depth, where it is not that of the photograph.
        image: The photograph, where it is not the whole file.
    """

    name: str
    path: Path
    world_from_cam: np.ndarray | None
    lens: Callable[[int, int], Lens]
    depth: Path | None = None
    label: Path | None = None
    mask: Path | None = None
    confidence: Path | None = None
    depth_lens: Lens | None = None
    image: ImageFile | None = None

    @property
    def files(self) -> list[Path]:
        """All its files."""
        each = (self.path, self.depth, self.label, self.mask, self.confidence)
        return [path for path in each if path is not None]


def image_beside(
    folders: Iterable[Path], name: str, endings: Sequence[str] = (".png",)
) -> Path | None:
    """The file that belongs to a photograph in the first of some folders that exists.

    Args:
        folders: Where such files may be.
        name: The photograph's path below its folder.
        endings: Endings to look for, in place of the photograph's or after it.

    Returns:
        The file; one that is not there if none is; None without a folder.
    """
    for folder in folders:
        if os.path.lexists(folder):
            stem = (folder / name).with_suffix("")
            each = [
                place.with_name(place.name + ending)
                for place in (stem, folder / name)
                for ending in endings
            ]
            return next((path for path in each if os.path.lexists(path)), each[0])
    return None


def with_own_images(folder: Path, photo: Photo) -> Photo:
    """The photograph with the labels and the mask that a user put into the capture.

    They are in ``semantic/`` and in ``mask/`` or ``masks/``, named like the photograph.
    """
    name = Path(photo.name).name
    return dataclasses.replace(
        photo,
        label=image_beside([folder / "semantic"], name),
        mask=image_beside([folder / "mask", folder / "masks"], name),
    )


def usable(where: Path, photos: Sequence[Photo]) -> tuple[list[Photo], list[str]]:
    """Finds the files of photographs and leaves out those without file or pose.

    Args:
        where: The file that lists them, for messages.
        photos: As listed.

    Returns:
        The usable ones, and a line for each kind of what was found elsewhere, left out
        or is not listed.

    Raises:
        InputError: There is none.
    """
    if not photos:
        raise InputError(f"{where}: lists no photograph; add some")
    near, renamed = NearNames(), []
    taken = {photo.path for photo in photos}

    def found(path: Path | None) -> Path | None:
        if path is None or os.path.lexists(path):
            return path
        other = near.find(path)
        if other is None or other in taken:
            return path
        renamed.append(f"{other.name} for {path.name}")
        return other

    listed = [
        dataclasses.replace(
            photo,
            name=posixpath.normpath(photo.name.replace("\\", "/")),
            path=found(photo.path),
            **{
                kind: found(getattr(photo, kind)) for kind in ("depth", "label", "mask")
            },
        )
        for photo in photos
    ]
    there = [photo for photo in listed if os.path.lexists(photo.path)]
    absent = [photo.name for photo in listed if not os.path.lexists(photo.path)]
    if not there:
        raise InputError(
            f"{where}: none of its {len(photos)} photographs is there; put the first at"
            f" {photos[0].path}, and the others likewise"
        )
    posed = [photo for photo in there if photo.world_from_cam is not None]
    if not posed:
        raise InputError(f"{where}: no frame has a finite pose; track the camera again")
    lost = [photo.name for photo in there if photo.world_from_cam is None]
    unlisted = list(_unlisted(listed))
    kinds = (
        (
            *(renamed, len(renamed), "files have nearly the names given"),
            "rename them if these are not the same",
        ),
        (
            *(absent, len(photos), "photographs listed are absent and left out"),
            "add them, or take them off the list",
        ),
        (
            *(lost, len(there), "frames have no finite pose and are left out"),
            "track the camera again to use them",
        ),
        (
            *(unlisted, len(unlisted) + len(there), "photographs beside have no pose"),
            "they are left out; add poses to use them",
        ),
    )
    doubts = [
        f"{where}: {len(names)} of {count} {what} ({some_of(names)}); {how}"
        for names, count, what, how in kinds
        if names
    ]
    return posed, doubts


def some_of(names: Sequence[str]) -> str:
    """A few names of many, for a message."""
    more = f" and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else ""
    return ", ".join(names[:_MAX_NAMED]) + more


def _unlisted(photos: Sequence[Photo]) -> Iterator[str]:
    """Names of photographs beside the listed ones that are not listed themselves."""
    used = {path for photo in photos for path in photo.files}
    endings = {photo.path.suffix for photo in photos}
    for folder in sorted({photo.path.parent for photo in photos}):
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if path.suffix in endings and path not in used and path.is_file():
                yield path.name
