"""The folder of a run's open queries: a picture of each, and a page of all of them."""

import base64
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from alsem.core.files import remove, replace_file, write_errors
from alsem.core.progress import progress
from alsem.reporting.html_report.page import environment
from alsem.reporting.query_pictures import OpenQuery, draw

MOST = 400  # queries that are drawn: no person answers more at a time


def write_queries(
    folder: Path,
    queries: Sequence[OpenQuery],
    photograph: Callable[[int], np.ndarray],
    size: tuple[int, int],
    class_names: Sequence[str],
    answers: str,
) -> None:
    """Writes ``0001.jpg ...`` and ``index.html``, which needs no other file.

    The first `MOST` queries are drawn, in their order. Photographs are decoded one at
    a time. Other files in the folder, a person's answers perhaps, stay.

    Args:
        folder: The folder; without these files, and removed if it holds no other, if
            nothing waits.
        queries: What waits for an answer.
        photograph: Decodes the photograph of a frame, uint8 ``[H W 3]``.
        size: Width and height of the images as trained on, pixels.
        class_names: Names that may be answered, besides void and mixed.
        answers: The file that answers are read from.

    Raises:
        InputError: The disk refuses, or a photograph cannot be read.
    """
    if not queries:
        _remove_pictures(folder, above=0)
        remove(folder / "index.html")
        with write_errors(folder):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
        return
    drawn = queries[:MOST]
    pictures: dict[int, bytes] = {}
    with progress(len(drawn), "drawing queries") as bar:
        for frame in sorted({query.frame for query in drawn}):
            image = photograph(frame)
            for number, query in enumerate(drawn, start=1):
                if query.frame == frame:
                    pictures[number] = draw(query, number, image, size)
                    bar.update(1)
    page = (
        environment()
        .get_template("queries.html")
        .render(
            rows=[
                (number, query, base64.b64encode(pictures[number]).decode())
                for number, query in enumerate(drawn, start=1)
            ],
            waiting=len(queries),
            class_names=class_names,
            is_unit=any(query.unit is not None for query in queries),
            answers=answers,
        )
    )

    for number in sorted(pictures):
        replace_file(folder / f"{number:04d}.jpg", pictures[number])
    replace_file(folder / "index.html", page.encode("utf-8", "replace"))
    _remove_pictures(folder, above=len(drawn))


def _remove_pictures(folder: Path, *, above: int) -> None:
    """Removes the pictures of queries numbered above ``above``."""
    for path in folder.glob("*.jpg"):
        if re.fullmatch(r"\d{4}", path.stem) and int(path.stem) > above:
            remove(path)
