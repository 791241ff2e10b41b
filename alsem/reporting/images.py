"""Images of labels, errors and scalar maps, as arrays and as data URIs."""

import base64
import io

import matplotlib
import numpy as np
from PIL import Image

from alsem.reporting import palette

RIGHT_RGB, WRONG_RGB = (223, 228, 225), (200, 40, 45)
NOT_FINITE_RGB = (150, 150, 150)
_MAX_SIDE = 480  # pixels; larger images only make the page heavy


def label_image(label: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Colours labels by class, void black.

    Args:
        label: int ``[*b]``, class index, negative for void.
        colours: uint8 ``[c 3]``.

    Returns:
        uint8 ``[*b 3]``.
    """
    table = np.concatenate([colours, np.array([palette.VOID_RGB], np.uint8)])
    return table[np.where(label < 0, len(colours), label)]


def is_wrong(predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Mask of wrong predictions; False where the true label is void."""
    return (true >= 0) & (predicted != true)


def error_image(predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Right pixels pale, wrong ones red, void black: uint8 ``[*b 3]``."""
    kind = np.where(is_wrong(predicted, true), 1, 0)
    table = np.array([RIGHT_RGB, WRONG_RGB, palette.VOID_RGB], np.uint8)
    return table[np.where(true < 0, 2, kind)]


def scale_image(values: np.ndarray, colour_map: str) -> np.ndarray:
    """Maps values in [0, 1] through a matplotlib colour map: uint8 ``[*b 3]``.

    Values outside are clipped; those that are not finite become grey.
    """
    table = matplotlib.colormaps[colour_map](np.arange(256), bytes=True)[:, :3]
    finite = np.isfinite(values)
    index = np.clip(np.where(finite, values, 0) * 255 + 0.5, 0, 255).astype(int)
    image = table[index]
    image[~finite] = NOT_FINITE_RGB
    return image


def shrink(image: np.ndarray, *, is_photo: bool) -> np.ndarray:
    """Reduces an image by a whole factor until its sides are at most 480 pixels.

    Photographs are averaged; of maps every n-th pixel is kept.
    """
    factor = -(-max(image.shape[:2]) // _MAX_SIDE)
    if factor == 1:
        return image
    if is_photo:
        return np.asarray(Image.fromarray(image).reduce(factor))
    return image[factor // 2 :: factor, factor // 2 :: factor]


def data_uri(image: np.ndarray, *, is_photo: bool) -> str:
    """Encodes an image for ``<img src>``, at most 480 pixels along a side.

    Photographs become JPEG of high quality, a fifth of their PNG; maps become PNG,
    which keeps their colours exact.

    Args:
        image: uint8 ``[h w 3]``, sRGB.
        is_photo: Whether it is a photograph or a rendering of one.
    """
    encoded = Image.fromarray(np.ascontiguousarray(shrink(image, is_photo=is_photo)))
    buffer = io.BytesIO()
    if is_photo:
        encoded.save(buffer, "JPEG", quality=92, subsampling=0)
    else:
        encoded.save(buffer, "PNG", optimize=True)
    kind = "jpeg" if is_photo else "png"
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"
