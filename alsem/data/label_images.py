"""Label images: from class ids or colours on disk to labels, indices of classes."""

import dataclasses

import numpy as np

from alsem.core.errors import InputError
from alsem.data.image_io import ImageFile

VOID, UNKNOWN = -1, -2  # in a table from id to label; an unknown id is an error
VOID_ID = 255  # besides 0, where no class has it: the borders of Pascal VOC
Colour = tuple[int, int, int]
Colours = tuple[tuple[Colour, int], ...]  # every class colour, RGB, and its id


def label_table(class_ids: tuple[int, ...]) -> np.ndarray:
    """int16 ``[256]``: the label of every id of 8 bits.

    0 is void, and so is 255 unless a class has it.
    """
    table = np.full(256, UNKNOWN, np.int16)
    table[[0, VOID_ID]] = VOID
    table[list(class_ids)] = np.arange(len(class_ids))
    return table


def voc_colours() -> Colours:
    """The colours of ids 0 to 255 in Pascal VOC's colour map.

    Bit k of an id's three lowest bits, then the next three, and so on, is the bit
    ``7 - n`` of red, green and blue in the n-th group of three.
    """
    return tuple(
        (
            (
                sum((i >> 3 * n & 1) << 7 - n for n in range(3)),
                sum((i >> 3 * n + 1 & 1) << 7 - n for n in range(3)),
                sum((i >> 3 * n + 2 & 1) << 7 - n for n in range(3)),
            ),
            i,
        )
        for i in range(256)
    )


@dataclasses.dataclass(frozen=True)
class LabelImage(ImageFile):
    """An image of class ids, also where it is stored as one of class colours.

    Attributes:
        source: Ids ``[h w]`` or colours ``[h w 3]``.
        colours: The colours of the classes.
    """

    source: ImageFile
    colours: Colours

    @property
    def where(self) -> str:
        """The file of its source."""
        return self.source.where

    def size(self) -> tuple[int, int]:
        """Width and height, pixels, from its header; raises `InputError`."""
        return self.source.size()

    def read(self) -> np.ndarray:
        """``[h w]`` ids; raises `InputError` for a colour that is no class's."""
        pixels = self.source.read()
        if pixels.ndim == 2:
            return pixels
        packed = pixels.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32)
        known = np.array([(r << 16) + (g << 8) + b for (r, g, b), _ in self.colours])
        order = np.argsort(known, kind="stable")
        at = np.minimum(np.searchsorted(known[order], packed), len(known) - 1)
        found = order[at]
        strange = known[found] != packed
        if strange.any():
            colour = " ".join(map(str, pixels[strange][0]))
            raise InputError(
                f"{self.where}: holds the colour {colour}, which is no class's; write"
                " class ids, or give all colours in labelmap.txt, 'name:r,g,b::' a line"
            )
        return np.array([i for _, i in self.colours])[found].astype(np.uint8)


def read_labels(image: ImageFile, label_of_id: np.ndarray) -> np.ndarray:
    """Decodes a label image.

    Args:
        image: Image of class ids.
        label_of_id: int16 ``[m]``, label of every id, `VOID` or `UNKNOWN`; ids from
            ``m`` on are unknown.

    Returns:
        ``[h w]`` int16 label, -1 = void.

    Raises:
        InputError: The image is damaged or holds an id that is no class.
    """
    ids = image.read().astype(np.intp)
    table = np.append(label_of_id, np.int16(UNKNOWN))
    labels = table[np.minimum(ids, len(label_of_id))]
    if labels.min() == UNKNOWN:
        raise InputError(
            f"{image.where}: holds the id {ids[labels == UNKNOWN].min()}, which is"
            " not in the class list; add the class there, or write 0 (void)"
        )
    return labels
