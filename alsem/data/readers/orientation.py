"""Finds which picture the cameras of turned photographs are of, and turns the frames.

The sizes that the intrinsics give say whether they, and so the poses, are of the stored
picture or of the one that viewers show. Either way frames become what viewers show, so
that rows and columns of queries are those that a person sees.
"""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

from alsem.core.errors import InputError
from alsem.core.types import Intrinsics
from alsem.data.camera_models import Lens
from alsem.data.capture import FrameRecord
from alsem.data.image_io import EncodedFile, ImageFile
from alsem.data.turned import (
    TurnedImage,
    is_turn,
    orientation,
    shown_size,
    turned_camera,
    turned_record,
)


@dataclasses.dataclass(frozen=True)
class Oriented:
    """A photograph in the orientation that its pose and intrinsics are of.

    Attributes:
        image: The photograph.
        lens: Its camera.
        applied: The note by which it was turned from what is stored; 1 if it was not.
        left: The note by which viewers turn it still; 1 if they do not.
        is_guess: Whether its intrinsics fit both pictures.
    """

    image: ImageFile
    lens: Lens
    applied: int = 1
    left: int = 1
    is_guess: bool = False

    def beside(self, image: ImageFile) -> ImageFile:
        """An image without a note (depth, labels, mask), turned as the photograph."""
        if self.applied == 1:
            return image
        try:
            size = image.size()
        except InputError:
            return image  # it is reported where it is read
        camera = self.lens.camera
        lies = (size[0] > size[1]) == (camera.width > camera.height)
        swaps = shown_size((1, 2), self.applied) != (1, 2)
        return TurnedImage(image, self.applied) if swaps and not lies else image


def oriented(image: ImageFile, lens_of: Callable[[int, int], Lens]) -> Oriented:
    """Finds the orientation of a photograph that its intrinsics are of.

    Args:
        image: The photograph as stored.
        lens_of: Makes the camera for an image of a given width and height.

    Raises:
        InputError: They are of neither.
    """
    size = image.size()
    note = orientation(image.path) if isinstance(image, EncodedFile) else 1
    shown = shown_size(size, note)
    try:
        lens = lens_of(*size)
    except InputError as error:
        if note != 1 and shown != size:
            return Oriented(TurnedImage(image, note), lens_of(*shown), applied=note)
        if size[0] == size[1] or not _accepts(lens_of, (size[1], size[0])):
            raise
        raise InputError(
            f"{error} (of {size[1]} x {size[0]}: turn the photographs by a quarter)"
        ) from None
    if shown != size and _accepts(lens_of, shown):  # no size is given
        image, lens = TurnedImage(image, note), lens_of(*shown)
        return Oriented(image, lens, applied=note, is_guess=True)
    return Oriented(image, lens, left=note)


def _accepts(lens_of: Callable[[int, int], Lens], size: tuple[int, int]) -> bool:
    try:
        lens_of(*size)
    except InputError:
        return False
    return True


def as_shown(
    where: Path,
    found: Sequence[Oriented],
    records: list[FrameRecord],
    camera: Intrinsics,
) -> tuple[list[FrameRecord], Intrinsics, list[str]]:
    """Turns frames as viewers show them, if one turn fits all.

    Args:
        where: The file that lists them, for messages.
        found: The photograph of every frame.
        records: The frames.
        camera: That of all.

    Returns:
        The frames, their camera, and what is doubtful, a line each.
    """
    doubts = []
    guesses = sum(each.is_guess for each in found)
    if guesses:
        doubts.append(
            f"{where}: {guesses} of {len(found)} photographs are stored turned, with a"
            " note (EXIF orientation) for viewers, and no size tells which picture the"
            " intrinsics and poses are of; the one that viewers show is taken. If they"
            " are of the stored one, give w and h, or remove the note"
        )
    notes = {each.left for each in found}
    if notes == {1}:
        return records, camera, doubts
    (note, *others) = notes
    if not others and is_turn(note):
        records = [turned_record(record, note) for record in records]
        return records, turned_camera(camera, note), doubts
    turned = sum(each.left != 1 for each in found)
    doubts.append(
        f"{where}: {turned} of {len(found)} photographs are stored turned, with a note"
        " (EXIF orientation) for viewers that the poses do not follow; rows and columns"
        " of queries are those of the stored picture. To annotate what viewers show,"
        " convert the capture first (alsem.validate --convert)"
    )
    return records, camera, doubts
