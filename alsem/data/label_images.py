"""Label images: from class ids on disk to labels, indices into the class list."""

import numpy as np

from alsem.core.errors import InputError
from alsem.data.image_io import ImageFile

VOID, UNKNOWN = -1, -2  # in a table from id to label; an unknown id is an error


def label_table(class_ids: tuple[int, ...]) -> np.ndarray:
    """int16 ``[256]``: the label of every id of 8 bits; 0 is void."""
    table = np.full(256, UNKNOWN, np.int16)
    table[0] = VOID
    table[list(class_ids)] = np.arange(len(class_ids))
    return table


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
