"""The folder of a run's open queries: a picture of each, and a page of all of them."""

import base64
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from alsem.core.files import remove, replace_folder
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
    """Replaces the folder: ``0001.jpg ...`` and ``index.html``, which needs no others.

    The first `MOST` queries are drawn, in their order. Photographs are decoded one at
    a time.

    Args:
        folder: The folder; removed if nothing waits.
        queries: What waits for an answer.
        photograph: Decodes the photograph of a frame, uint8 ``[H W 3]``.
        size: Width and height of the images as trained on, pixels.
        class_names: Names that may be answered, besides void and mixed.
        answers: The file that answers are read from.

    Raises:
        InputError: The disk refuses, or a photograph cannot be read.
    """
    if not queries:
        remove(folder)
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

    def files() -> Iterator[tuple[str, bytes]]:
        for number in sorted(pictures):
            yield f"{number:04d}.jpg", pictures[number]
        yield "index.html", page.encode("utf-8", "replace")

    replace_folder(folder, files())
