"""Pictures of the report, as arrays and as text that goes into the page."""

import base64
import io
import re
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
import scipy.ndimage
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter
from PIL import Image

from alsem.reporting.html_report import palette
from alsem.reporting.html_report.data import Curve, TopView

RIGHT_RGB, WRONG_RGB = (223, 228, 225), (200, 40, 45)
EMPTY_RGB = (244, 244, 241)
_GAP = 5  # pixels between points of one surface, seen from above
_MAX_SIDE = 480  # pixels; larger pictures only make the page heavy


def top_view(
    points: np.ndarray,
    labels: np.ndarray,
    rgb: np.ndarray,
    *,
    size: int = 420,
    ceiling_cut: float = 0.15,
) -> TopView:
    """Draws surface points from above; the highest point of a pixel is seen.

    Points far outside the bulk (a few stray ones of a bad surface) are left out, so
    that they do not shrink the room to a speck.

    Args:
        points: float ``[n 3]``, world frame with z up, metres.
        labels: int ``[n]``, class index, negative for void.
        rgb: uint8 ``[n 3]``, sRGB.
        size: Pixels along the longer side.
        ceiling_cut: Share of the height, from the top, that is taken away.

    Raises:
        ValueError: if there is no finite point.
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
    # Sorted by pixel, then by height: the last of each pixel is the one seen.
    order = np.lexsort((points[:, 2], cell))
    is_last = np.diff(cell[order], append=-1) != 0
    seen = order[is_last]

    # Floors far from every camera are sampled thinly: close gaps of a few pixels,
    # which leaves the outline where it is.
    is_seen = np.zeros((height, width), bool)
    is_seen.flat[cell[seen]] = True
    framed = np.pad(is_seen, _GAP)
    closed = np.asarray(scipy.ndimage.binary_closing(framed, iterations=_GAP), bool)
    is_filled = closed[_GAP:-_GAP, _GAP:-_GAP]
    nearest: Any = scipy.ndimage.distance_transform_edt(
        ~is_seen, return_distances=False, return_indices=True
    )

    colours = palette.class_colours(int(labels.max(initial=-1)) + 1)
    views = []
    for values in (palette.label_image(labels, colours), rgb):
        view = np.full((height * width, 3), EMPTY_RGB, np.uint8)
        view[cell[seen]] = values[seen]
        view = view.reshape(height, width, 3)
        view[is_filled] = view[tuple(nearest)][is_filled]
        views.append(view)
    return TopView(views[0], views[1], pixel_size)


def is_wrong(predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Where a prediction errs; never where the truth is void."""
    return (true >= 0) & (predicted != true)


def error_image(predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Right pixels pale, wrong ones red, void black: uint8 ``[h w 3]``."""
    kind = np.where(is_wrong(predicted, true), 1, 0)
    table = np.array([RIGHT_RGB, WRONG_RGB, palette.VOID_RGB], np.uint8)
    return table[np.where(true < 0, 2, kind)]


def scale_image(values: np.ndarray, colours: str) -> np.ndarray:
    """Values in [0, 1] through a matplotlib colour map: uint8 ``[h w 3]``.

    Values that are not finite become grey.
    """
    table = matplotlib.colormaps[colours](np.arange(256), bytes=True)[:, :3]
    finite = np.isfinite(values)
    index = np.clip(np.where(finite, values, 0) * 255 + 0.5, 0, 255).astype(int)
    image = table[index]
    image[~finite] = (150, 150, 150)
    return image


def shrink(image: np.ndarray, *, is_photo: bool) -> np.ndarray:
    """Reduces a picture by a whole factor until its sides are at most 480 pixels."""
    factor = -(-max(image.shape[:2]) // _MAX_SIDE)
    if factor == 1:
        return image
    if is_photo:
        return np.asarray(Image.fromarray(image).reduce(factor))
    return image[factor // 2 :: factor, factor // 2 :: factor]


def data_uri(image: np.ndarray, *, is_photo: bool) -> str:
    """A picture as text for ``<img src>``.

    Photographs are JPEG of high quality, a fifth of their PNG; maps, whose colours
    must be read exactly, are PNG.

    Args:
        image: uint8 ``[h w 3]``, sRGB.
        is_photo: Whether it is a photograph or a rendering of one.
    """
    picture = Image.fromarray(np.ascontiguousarray(shrink(image, is_photo=is_photo)))
    buffer = io.BytesIO()
    if is_photo:
        picture.save(buffer, "JPEG", quality=92, subsampling=0)
    else:
        picture.save(buffer, "PNG", optimize=True)
    kind = "jpeg" if is_photo else "png"
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def learning_curve(
    series: Sequence[tuple[Curve, str, str]],
) -> str:
    """Curves over clicks on a log axis, as SVG to stand in the page.

    Args:
        series: Curve, colour and line style each; names are left to the page's
            legend, so that no user text passes through the plotting library.
    """
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "alsem"}):
        figure = Figure(figsize=(7.2, 3.7), layout="constrained")
        axes = figure.add_subplot()
        for curve, colour, line in series:
            axes.plot(
                curve.clicks,
                curve.miou,
                line,
                color=colour,
                marker="o",
                markersize=3.5,
                linewidth=1.8,
            )
        axes.set(xscale="log", xlabel="clicks (log scale)", ylabel="share of 1")
        axes.set_ylim(0, 1)
        axes.margins(x=0.04)
        axes.grid(color="#e3e3de", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        clicks = sorted({c for curve, _, _ in series for c in curve.clicks})
        if clicks:
            _label_clicks(axes, clicks)
        buffer = io.StringIO()
        FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    # A page needs none of these, and their addresses look like requests.
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", svg)
    svg = re.sub(r'(<svg[^>]*?)\sheight="[^"]*"', r"\1", svg, count=1)
    return re.sub(r'(<svg[^>]*?)\swidth="[^"]*"', r"\1", svg, count=1)


def _label_clicks(axes, clicks: Sequence[float | int]) -> None:
    """Ticks at clicks of the runs themselves, thinned until they do not touch."""
    ticks = [clicks[-1]]
    gap = max((clicks[-1] / clicks[0]) ** (1 / 13), 1.05)
    for value in reversed(clicks):
        if ticks[-1] / value >= gap:
            ticks.append(value)
    if len(ticks) > 1:  # the first is always named, even close to its neighbour's place
        ticks[-1] = clicks[0]
    axes.set_xticks(ticks)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(axis="x", which="minor", length=0)
