"""Pictures of queries: what is marked is the pixel that is asked for."""

import io

import captures
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image

from alsem.reporting import query_folder
from alsem.reporting.query_pictures import HEIGHT, OpenQuery, draw

FRACTION = st.floats(0.0, 0.999)
SIDE = st.integers(40, 400)


def decoded(jpeg):
    return np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB")).astype(int)


def centre(mask):
    assert mask.any()
    return np.array([side.mean() for side in np.nonzero(mask)])


@settings(max_examples=30)
@given(
    width=SIDE, height=SIDE, scale=st.floats(1.0, 9.0), at=st.tuples(FRACTION, FRACTION)
)
def test_the_cross_is_around_the_pixel_that_is_asked_for(width, height, scale, at):
    assume(max(width, height) < 3.5 * min(width, height))  # flatter: not enlarged
    row, col = int(at[0] * height), int(at[1] * width)
    photograph = np.zeros((round(height * scale), round(width * scale), 3), np.uint8)
    y, x = photograph.shape[0] / height, photograph.shape[1] / width
    ends = [round(v) for v in (row * y, (row + 1) * y, col * x, (col + 1) * x)]
    photograph[ends[0] : ends[1], ends[2] : ends[3], 0] = 255
    query = OpenQuery(0, row, col, "a.jpg", (col + 0.5, row + 0.5), None)
    panel = decoded(draw(query, 1, photograph, (width, height)))[:HEIGHT, -HEIGHT:]
    red = (panel[..., 0] > 120) & (panel[..., 1] < 80)
    # Of the square around what is red, as much of the cross lies on either side.
    y, x = np.round(centre(red)).astype(int)
    around = panel[max(y - 17, 0) : y + 18, max(x - 17, 0) : x + 18, 1] > 120
    if around.shape == (35, 35):  # nothing of it is cut off
        np.testing.assert_allclose(centre(around), 17, atol=2.5)


def test_a_unit_is_outlined_where_it_is():
    unit = np.zeros((30, 40), bool)
    unit[10:14, 20:28] = True
    query = OpenQuery(0, 12, 24, "a.jpg", (24.5, 12.5), unit)
    panel = decoded(draw(query, 1, np.full((120, 160, 3), 128, np.uint8), (40, 30)))
    panel = panel[:HEIGHT, -HEIGHT:, 0]
    # The part is 1.4 times 8 pixels wide, around the middle of the unit.
    pixel = HEIGHT / (8 * 1.4)
    outside, inside = panel[:, HEIGHT // 4], panel[HEIGHT // 4]
    bright = np.flatnonzero(outside > 220)
    edges = HEIGHT / 2 + np.array([-2, 2]) * pixel
    np.testing.assert_allclose([bright.min(), bright.max()], edges, atol=3)
    assert inside.max() < 200  # above the unit


def test_the_folder_has_a_picture_of_each_query_and_a_page(tmp_path, monkeypatch):
    folder = tmp_path / "queries"
    units = [None, None, np.ones((12, 16), bool)]
    queries = [
        OpenQuery(frame, 3, 4, f"<{frame}>.jpg", (4.5, 3.5), unit)
        for frame, unit in zip((2, 0, 2), units, strict=True)
    ]
    read = []

    def photograph(frame):
        read.append(frame)
        return np.full((48, 64, 3), 80 * frame, np.uint8)

    def write(some):
        query_folder.write_queries(
            folder, some, photograph, (16, 12), ["wall", "b&w"], "answers.csv"
        )

    write(queries)
    assert read == [0, 2]  # each once
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["0001.jpg", "0002.jpg", "0003.jpg", "index.html"]
    grey = [decoded((folder / name).read_bytes())[200, 200, 0] for name in names[:3]]
    np.testing.assert_allclose(grey, [160, 0, 160], atol=3)
    page = (folder / "index.html").read_text()
    assert page.count("data:image/jpeg") == 3 and "http" not in page
    for text in ("b&amp;w", "&lt;2&gt;.jpg", "<code>2,3,4,</code>", "mixed"):
        assert text in page
    monkeypatch.setattr(query_folder, "MOST", 1)
    write(queries[1:])
    assert len(list(folder.iterdir())) == 2
    assert "The first 1 are shown" in (folder / "index.html").read_text()
    # What a person keeps there stays.
    (folder / "answers.csv").write_text("2,3,4,wall")
    (folder / "2024.jpeg").write_bytes(b"mine")
    write(queries)
    write([])
    kept = {path.name for path in folder.iterdir()}
    assert kept == {"answers.csv", "2024.jpeg"}
    for name in kept:
        (folder / name).unlink()
    write(queries)
    write([])
    assert not list(tmp_path.iterdir())


def test_a_disk_that_refuses_is_named_and_leaves_the_old_page(tmp_path):
    folder = tmp_path / "queries"

    def write(number):
        query = OpenQuery(0, number, 0, "a", (0.5, number + 0.5), None)
        query_folder.write_queries(
            folder, [query], lambda _: np.zeros((9, 9, 3), np.uint8), (9, 9), [], ""
        )

    write(1)
    before = (folder / "index.html").read_bytes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", captures.full_disk)
        error = captures.input_error(write, 2)
    assert f"{folder / '0001.jpg'}: No space left on device" in error
    assert [path.name for path in tmp_path.iterdir()] == ["queries"]
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["0001.jpg", "index.html"]
    assert (folder / "index.html").read_bytes() == before
