"""Pictures of queries for a person: the photograph, and an enlarged part of it.

Marks are white on black, so that they are seen on any background. Drawn on the
photograph at its full size, not on the smaller image that is trained on.
"""

import dataclasses
import io
from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

HEIGHT = 320  # pixels of both views
_WIDEST = 480  # pixels of the wide view
_PART = 0.22  # of the photograph's longer side, shown enlarged around a point
_AROUND_UNIT = 1.4  # ratio of the enlarged part to the unit's box
_MOST = 0.8  # of the photograph's shorter side: more needs no enlarged part
_CAPTION = 22  # pixels
_QUALITY = 88
_BLACK_WHITE = ((0, 5), (255, 2))  # brightness and thickness of the strokes, in order


@dataclasses.dataclass(frozen=True, eq=False)
class OpenQuery:
    """A query that waits for an answer.

    Attributes:
        frame: Index of the photograph.
        row: Pixel row in the image as trained on, -1 for none.
        col: Pixel column, likewise.
        name: Name of the photograph.
        place: (x, y) of the point asked for in that image, pixels from its left and
            upper edge; None where the unit has none.
        unit: bool ``[h w]``, pixels of the unit in that image; None for a point.
    """

    frame: int
    row: int
    col: int
    name: str
    place: tuple[float, float] | None
    unit: np.ndarray | None


def draw(
    query: OpenQuery, number: int, photograph: np.ndarray, size: tuple[int, int]
) -> bytes:
    """Draws a query: the photograph on the left, the part around it on the right.

    Args:
        query: The query.
        number: Its number, written beneath.
        photograph: uint8 ``[H W 3]``, of any size.
        size: Width and height of the image as trained on, whose pixels `query` counts.

    Returns:
        A JPEG.
    """
    height, width = photograph.shape[:2]
    scale = np.array([width, height]) / np.array(size)
    place = None if query.place is None else np.array(query.place) * scale
    whole = np.array([0.0, 0.0, width, height])
    part = _part(query, place, whole, scale)
    panels = []
    for box in (whole, part):
        if box is None:
            continue
        panel, zoom = _view(photograph, box)
        if query.unit is not None:
            _outline(panel, query.unit, box, scale)
        if box is whole and part is not None:
            corners = (part.reshape(2, 2) * zoom).tolist()
            _stroke(panel, lambda p, *pen, ends=corners: _rectangle(p, ends, *pen))
        if place is not None:
            at = ((place - box[:2]) * zoom).tolist()
            is_close = box is not whole or part is None
            _stroke(panel, lambda p, *pen, at=at, c=is_close: _cross(p, at, c, *pen))
        panels.append(panel)
    text = f"{number}:  frame {query.frame}, row {query.row}, col {query.col}"
    return _jpeg(panels, f"{text}   {query.name}")


def _part(
    query: OpenQuery, place: np.ndarray | None, whole: np.ndarray, scale: np.ndarray
) -> np.ndarray | None:
    """Box (x0 y0 x1 y1) of the enlarged part, photograph's pixels; None for none."""
    size = whole[2:]
    side = np.full(2, _PART * size.max())
    centre = place
    if query.unit is not None and query.unit.any():
        rows, cols = np.nonzero(query.unit)
        low = np.array([cols.min(), rows.min()]) * scale
        high = np.array([cols.max() + 1, rows.max() + 1]) * scale
        side = np.full(2, max(side[0], _AROUND_UNIT * (high - low).max()))
        centre = (low + high) / 2
    if centre is None or side[0] > _MOST * size.min():
        return None
    low = np.clip(centre - side / 2, 0, size - side)
    return np.concatenate([low, low + side])


def _view(photograph: np.ndarray, box: np.ndarray) -> tuple[np.ndarray, float]:
    """A box of the photograph, `HEIGHT` high, and its pixels per photograph's pixel."""
    sides = box[2:] - box[:2]
    zoom = float(min(HEIGHT / sides[1], _WIDEST / sides[0]))
    size = tuple(np.maximum(np.round(sides * zoom), 1).astype(int).tolist())
    if zoom < 1 and tuple(sides) == photograph.shape[1::-1]:
        view = cv2.resize(photograph, size, interpolation=cv2.INTER_AREA)
    else:  # panel = (photograph - low) * zoom, of edges; centres lie at halves
        low = -box[:2] * zoom + 0.5 * zoom - 0.5
        matrix = np.array([[zoom, 0, low[0]], [0, zoom, low[1]]])
        border = cv2.BORDER_REPLICATE
        if zoom < 1:
            photograph = cv2.blur(photograph, (round(1 / zoom),) * 2)
        view = cv2.warpAffine(
            photograph, matrix, size, flags=cv2.INTER_CUBIC, borderMode=border
        )
    return np.ascontiguousarray(view), zoom


def _outline(
    panel: np.ndarray, unit: np.ndarray, box: np.ndarray, scale: np.ndarray
) -> None:
    """Outlines a unit on a view of a box."""
    height, width = panel.shape[:2]
    x = box[0] + (np.arange(width) + 0.5) / width * (box[2] - box[0])
    y = box[1] + (np.arange(height) + 0.5) / height * (box[3] - box[1])
    cols = np.clip((x / scale[0]).astype(int), 0, unit.shape[1] - 1)
    rows = np.clip((y / scale[1]).astype(int), 0, unit.shape[0] - 1)
    inside = unit[np.ix_(rows, cols)].astype(np.uint8)
    found, _ = cv2.findContours(inside, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    for brightness, thickness in ((0, 3), (255, 1)):
        cv2.drawContours(panel, found, -1, (brightness,) * 3, thickness)


def _stroke(panel: np.ndarray, draw_with: Callable[..., None]) -> None:
    """Draws a mark in black, then thinner in white."""
    for brightness, thickness in _BLACK_WHITE:
        draw_with(panel, (brightness,) * 3, thickness)


def _rectangle(panel: np.ndarray, ends: list, colour: Any, thickness: int) -> None:
    low, high = (tuple(round(value) for value in end) for end in ends)
    cv2.rectangle(panel, low, high, colour, thickness)


def _cross(
    panel: np.ndarray, at: list, is_close: bool, colour: Any, thickness: int
) -> None:
    """A cross that leaves the point itself free, in a circle where it is close."""
    near, far = (6, 16) if is_close else (3, 8)
    x, y = (round(value - 0.5) for value in at)
    for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        start, end = (x + near * dx, y + near * dy), (x + far * dx, y + far * dy)
        cv2.line(panel, start, end, colour, thickness)
    if is_close:
        cv2.circle(panel, (x, y), 24, colour, thickness, cv2.LINE_AA)


def _jpeg(panels: Sequence[np.ndarray], caption: str) -> bytes:
    """Views side by side over a caption."""
    gap = 6
    width = sum(panel.shape[1] for panel in panels) + gap * (len(panels) - 1)
    tallest = max(panel.shape[0] for panel in panels)
    canvas = Image.new("RGB", (width, tallest + _CAPTION), "white")
    x = 0
    for panel in panels:
        canvas.paste(Image.fromarray(panel), (x, 0))
        x += panel.shape[1] + gap
    pen, font = ImageDraw.Draw(canvas), ImageFont.load_default(14)
    pen.text((4, tallest + 3), caption, fill="black", font=font)
    buffer = io.BytesIO()
    canvas.save(buffer, "JPEG", quality=_QUALITY, subsampling=0)
    return buffer.getvalue()
