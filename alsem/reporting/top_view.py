"""The labelled surface of a room seen from above."""

import dataclasses
from typing import Any

import numpy as np
import scipy.ndimage

from alsem.reporting import images, palette

EMPTY_RGB = (244, 244, 241)
_GAP = 5  # pixels; holes in the surface up to twice as wide are filled


@dataclasses.dataclass(frozen=True)
class TopView:
    """Two images of the surface from above, without the ceiling; +y is up.

    Attributes:
        by_class: uint8 ``[h w 3]``, class colours, void black.
        by_colour: uint8 ``[h w 3]``, colours of the photographs.
        pixel_size: Metres a pixel.
    """

    by_class: np.ndarray
    by_colour: np.ndarray
    pixel_size: float


def draw_top_view(
    points: np.ndarray,
    labels: np.ndarray,
    rgb: np.ndarray,
    *,
    size: int = 420,
    ceiling_cut: float = 0.15,
) -> TopView:
    """Draws surface points from above; the highest point of a pixel is visible.

    Outliers (stray points of a bad surface) are left out, so that they do not shrink
    the room to a few pixels.

    Args:
        points: float ``[n 3]``, world frame with z up, metres.
        labels: int ``[n]``, class index, negative for void.
        rgb: uint8 ``[n 3]``, sRGB.
        size: Pixels along the longer side.
        ceiling_cut: Fraction of the height, from the top, that is left out.

    Raises:
        ValueError: There is no finite point.
    """
    is_finite = np.isfinite(points).all(axis=-1)
    points, labels, rgb = points[is_finite], labels[is_finite], rgb[is_finite]
    if not len(points):
        raise ValueError("no finite point to draw from above")
    low, high = np.percentile(points, [1, 99], axis=0)
    margin = 0.1 * (high - low)
    low = np.maximum(low - margin, points.min(axis=0))
    high = np.minimum(high + margin, points.max(axis=0))
    top = high[2] - ceiling_cut * (high[2] - low[2])
    keep = ((points >= low) & (points <= high)).all(axis=-1) & (points[:, 2] <= top)
    points, labels, rgb = points[keep], labels[keep], rgb[keep]

    extent = high[:2] - low[:2]
    pixel_size = max(float(extent.max()), 1e-6) / size
    width, height = np.maximum(np.ceil(extent / pixel_size - 1e-6), 1).astype(int)
    column = np.clip((points[:, 0] - low[0]) / pixel_size, 0, width - 1).astype(int)
    row = np.clip((high[1] - points[:, 1]) / pixel_size, 0, height - 1).astype(int)
    cell = row * width + column
    # Sorted by pixel, then by height: the last of each pixel is the visible one.
    order = np.lexsort((points[:, 2], cell))
    visible = order[np.diff(cell[order], append=-1) != 0]

    # Floors far from every camera have few points: holes of a few pixels are filled,
    # which leaves the outline where it is.
    has_point = np.zeros((height, width), bool)
    has_point.flat[cell[visible]] = True
    framed = np.pad(has_point, _GAP)
    closed = np.asarray(scipy.ndimage.binary_closing(framed, iterations=_GAP), bool)
    is_filled = closed[_GAP:-_GAP, _GAP:-_GAP]
    nearest: Any = scipy.ndimage.distance_transform_edt(
        ~has_point, return_distances=False, return_indices=True
    )

    colours = palette.class_colours(int(labels.max(initial=-1)) + 1)
    views = []
    for values in (images.label_image(labels, colours), rgb):
        view = np.full((height * width, 3), EMPTY_RGB, np.uint8)
        view[cell[visible]] = values[visible]
        view = view.reshape(height, width, 3)
        view[is_filled] = view[tuple(nearest)][is_filled]
        views.append(view)
    return TopView(views[0], views[1], pixel_size)
