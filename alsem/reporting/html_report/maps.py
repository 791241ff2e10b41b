"""Maps of one frame: every cue and score as a picture, and all of them on one sheet."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

_COLUMNS = 4
_INCHES = 3.6  # across one picture


def draw_maps(folder: Path, pictures: Mapping[str, np.ndarray]) -> list[Path]:
    """Writes ``NAME.png`` for every picture, and ``sheet.png`` with all of them.

    Args:
        folder: Where to; made if it is missing.
        pictures: By name: uint8 ``[h w 3]`` as it is, or a number per pixel
            ``[h w]`` drawn with its scale, NaN where there is none.

    Returns:
        The files, the sheet last.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name, picture in pictures.items():
        figure = Figure(figsize=(1.3 * _INCHES, _INCHES), layout="constrained")
        _draw(figure, figure.subplots(), name, picture)
        files.append(_save(figure, folder / f"{name}.png"))
    rows = -(-len(pictures) // _COLUMNS)
    sheet = Figure(
        figsize=(_COLUMNS * 1.2 * _INCHES, rows * 0.9 * _INCHES), layout="constrained"
    )
    axes = np.ravel(sheet.subplots(rows, _COLUMNS, squeeze=False))
    for place, (name, picture) in zip(axes, pictures.items(), strict=False):
        _draw(sheet, place, name, picture)
    for place in axes[len(pictures) :]:
        place.axis("off")
    return [*files, _save(sheet, folder / "sheet.png")]


def _draw(figure: Figure, place, name: str, picture: np.ndarray) -> None:
    place.set_title(name.replace("_", " "), fontsize=10)
    place.set_xticks([])
    place.set_yticks([])
    if picture.ndim == 3:
        place.imshow(picture)
        return
    valid_mask = place.imshow(np.ma.masked_invalid(picture), cmap="viridis")
    place.set_facecolor("#f2d5d5")  # where there is no number
    figure.colorbar(valid_mask, ax=place, fraction=0.04)


def _save(figure: Figure, path: Path) -> Path:
    FigureCanvasAgg(figure).print_png(str(path))
    return path
