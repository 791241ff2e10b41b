"""Pieces of HTML the sections are made of."""

import html
import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from alsem.reporting.html_report import figures

NONE = "\N{EN DASH}"


def text(value: object) -> str:
    """Escapes user text for HTML, attributes too."""
    # A lone surrogate (an odd byte in a path) has no UTF-8.
    safe = str(value).encode("utf-8", "replace").decode("utf-8")
    return html.escape(safe, quote=True)


def number(value: Any, digits: int = 1, scale: float | int = 1) -> str:
    """A figure for the reader; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return NONE
    return f"{value * scale:,.{digits}f}"


def css(rgb: np.ndarray | tuple[int, ...]) -> str:
    """An sRGB colour as CSS writes it."""
    return "#" + "".join(f"{int(v):02x}" for v in rgb)


def figure(image: np.ndarray, caption: str, *, is_photo: bool = False) -> str:
    """A picture with its caption, which is HTML already."""
    kind = ' class="photo"' if is_photo and image.shape[1] > 200 else ""
    source = figures.data_uri(image, is_photo=is_photo)
    return (
        f'<figure><img{kind} src="{source}" alt="{caption}">'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table of HTML cells that scrolls sideways where it does not fit."""
    head = "".join(f"<th>{cell}</th>" for cell in header)
    body = "".join(
        "<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows
    )
    return (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def swatch(rgb: np.ndarray | tuple[int, ...]) -> str:
    """A small square of a colour."""
    return f'<span class="swatch" style="background:{css(rgb)}"></span>'


def ramp(colours: str) -> str:
    """A colour map from its 0 to its 1."""
    stops = figures.scale_image(np.linspace(0, 1, 9), colours)
    names = ",".join(css(rgb) for rgb in stops)
    gradient = f"linear-gradient(90deg,{names})"
    return f'<span class="ramp" style="background:{gradient}"></span>'
