import dataclasses
import errno
import html.parser
import re

import numpy as np
import pytest

from alsem.core.errors import InputError
from alsem.reporting import html_report, run_log
from alsem.reporting.html_report import figures, palette

NASTY = """<script>alert('x')</script> & "$title" """


def make_row(number, clicks, miou):
    row = {key: 1.5 for key in run_log.ROUND_KEYS}
    row |= {"round": number, "clicks": clicks, "miou": miou, "strategy": NASTY}
    row["iou_per_class"] = {NASTY: miou, "lamp": None, "wall": 0.25}
    row["seconds"] = {stage: 6.0 for stage in run_log.STAGES}
    return row


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (12, 16, 3), np.uint8)
    label = rng.integers(0, 3, (12, 16))
    depth_z = rng.uniform(1, 3, (12, 16)).astype(np.float32)
    frame = html_report.FrameView(
        name=NASTY,
        rgb=rgb,
        rgb_rendered=rgb,
        label=label,
        uncertainty=np.full((12, 16), 0.5, np.float32),
        label_true=label,
        depth_z=depth_z,
        depth_z_true=depth_z * 0,
    )
    asked = html_report.QueryView(
        name=NASTY,
        rgb=rgb,
        rows=np.array([2, 3]),
        cols=np.array([4, 5]),
        labels=np.array([0, -1]),
        rounds=np.array([0, 7]),
    )
    return html_report.ReportData(
        title=NASTY,
        config={"seed": NASTY, "data": {"dir": NASTY}},
        class_names=(NASTY, "lamp", "wall"),
        rounds=[make_row(0, 10, 0.125), make_row(1, 40, 0.75)],
        scene=NASTY,
        frames=(frame,),
        queried=(asked,),
        top_view=html_report.TopView(rgb, rgb, 0.5),
        curves=(html_report.Curve(NASTY, (10, 40), (0.1, 0.5)),),
    )


class Page(html.parser.HTMLParser):
    """Tags and attributes of a page, and its text outside of style."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.words, self.open = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]
        if tag not in ("meta", "link", "img"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.words.append(data)


def test_the_page_is_one_file_that_asks_for_nothing(tmp_path, data):
    path = html_report.write_report(tmp_path, data)
    assert path == tmp_path / "report" / "index.html"
    assert list(path.parent.iterdir()) == [path]
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"https?:|@import|url\((?!#)", text)
    page = Page(text)
    assert not page.open
    assert not {"script", "iframe", "object", "base"} & set(page.tags)
    for tag, name, value in page.attributes:
        if name in ("src", "href", "xlink:href", "srcset", "data", "action"):
            assert value.startswith(("data:", "#")), (tag, name, value[:60])
    assert len(text) < 6e6


def test_user_text_stays_text(data):
    text = html_report.render(data)
    assert "<script" not in text
    assert "alert('x')" not in text
    page = Page(text)
    words = "".join(page.words)
    # Title twice, scene, strategy, seed, curve, class in table and legend, frames.
    assert words.count("<script>alert('x')</script> & \"$title\"") >= 9
    alts = [value for _, name, value in page.attributes if name == "alt"]
    assert NASTY in alts


def test_the_headline_has_the_last_round(data):
    words = " ".join(Page(html_report.render(data)).words)
    assert re.search(r"75\.0 %\s+mIoU", words)
    assert re.search(r"40\s+clicks", words)
    assert re.search(r"3\s+classes", words)
    assert re.search(r"1\.2\s+minutes", words)  # 2 rounds of 6 stages of 6 s
    given = dataclasses.replace(data, wall_seconds=600)
    assert re.search(
        r"10\.0\s+minutes", " ".join(Page(html_report.render(given)).words)
    )


def test_the_class_table_compares_first_and_last(data):
    text = html_report.render(data)
    table = text[text.index("<h2>Classes") :]
    rows = re.findall(r"<tr>(.*?)</tr>", table[: table.index("</table>")])[1:]
    cells = [re.sub("<[^>]*>", "", row.replace("</td>", "|")) for row in rows]
    dash = "\N{EN DASH}"
    assert cells[0].endswith("|75.0|12.5|+62.5|")
    assert cells[1].startswith("wall|") and cells[1].endswith("|25.0|25.0|+0.0|")
    assert cells[2] == f"lamp||{dash}|{dash}|{dash}|"
    assert "width:75.0%" in rows[0] and "left:calc(12.5%" in rows[0]


def test_queries_stand_on_their_pixels_in_the_colour_of_their_class(data):
    text = html_report.render(data)
    colour = "#" + bytes(html_report.class_colours(3)[0]).hex()
    marks = re.findall(r'<circle cx="([^"]*)" cy="([^"]*)".*?fill="([^"]*)"', text)
    # Pixel centres are half a pixel inside the picture's own box.
    assert marks == [("4.5", "2.5", colour), ("5.5", "3.5", "#000000")]
    assert re.findall(r"<text [^>]*font-size[^>]*>(\d+)</text></g>", text) == ["0", "7"]


def test_crowded_frames_lose_their_numbers_not_their_marks(data):
    many = dataclasses.replace(
        data.queried[0],
        rows=np.arange(100) % 12,
        cols=np.arange(100) % 16,
        labels=np.zeros(100, int),
        rounds=np.zeros(100, int),
    )
    text = html_report.render(dataclasses.replace(data, queried=(many,)))
    assert text.count("<circle") == 100
    assert "</text></g>" not in text[text.index("<h2>Queries") :].split("<h2>")[1]


def test_a_run_without_rounds_truth_or_pictures_has_a_page(data):
    empty = html_report.ReportData("t", {}, ("wall",), [])
    assert "No round is finished yet" in html_report.render(empty)
    bare = dataclasses.replace(
        data.frames[0], label_true=None, depth_z=None, depth_z_true=None
    )
    text = html_report.render(dataclasses.replace(data, frames=(bare,)))
    assert "true classes" not in text
    assert "errors:" not in text
    nothing = make_row(0, 0, None)
    assert "<svg" in html_report.render(dataclasses.replace(data, rounds=[nothing]))


def test_the_page_stays_light_with_many_large_frames(data):
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (480, 640, 3), np.uint8)  # noise: nothing packs worse
    label = np.zeros((480, 640), int)
    frame = html_report.FrameView("f", rgb, rgb, label, label.astype(float), label)
    asked = dataclasses.replace(data.queried[0], rgb=rgb)
    text = html_report.render(
        dataclasses.replace(data, frames=(frame,) * 30, queried=(asked,) * 30)
    )
    assert text.count(">photograph<") == 6
    assert len(text) < 6e6


def test_a_full_disk_is_one_line(tmp_path, data, monkeypatch):
    html_report.write_report(tmp_path, data)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(html_report.os, "replace", full)
    with pytest.raises(InputError, match=r"index\.html: No space left") as caught:
        html_report.write_report(tmp_path, data)
    assert "\n" not in str(caught.value)
    assert [p.name for p in (tmp_path / "report").iterdir()] == ["index.html"]


def test_void_is_black_and_no_error():
    predicted = np.array([[0, 1, 1, 0]])
    true = np.array([[0, 0, -1, -1]])
    np.testing.assert_array_equal(
        figures.is_wrong(predicted, true), [[False, True, False, False]]
    )
    image = figures.error_image(predicted, true)[0]
    right, wrong, void = figures.RIGHT_RGB, figures.WRONG_RGB, (0, 0, 0)
    np.testing.assert_array_equal(image, [right, wrong, void, void])
    colours = html_report.class_colours(2)
    np.testing.assert_array_equal(
        palette.label_image(true, colours)[0], [colours[0], colours[0], void, void]
    )


def test_the_error_share_leaves_void_out(data):
    label = np.zeros((2, 4), int)
    true = np.array([[0, 0, 0, 1], [-1, -1, -1, -1]])
    rgb = np.zeros((2, 4, 3), np.uint8)
    frame = html_report.FrameView("f", rgb, rgb, label, label.astype(float), true)
    assert "errors: 25.0 %" in html_report.render(
        dataclasses.replace(data, frames=(frame,))
    )


def test_from_above_one_sees_the_table_not_the_floor_nor_the_ceiling():
    x, y = (axis.ravel() for axis in np.meshgrid(np.arange(8.0), np.arange(4.0)))
    floor = np.stack([x, y, np.zeros(32)], -1)
    ceiling = np.stack([x, y, np.full(32, 2.5)], -1)
    # A table top in the corner of low x and high y, listed before the floor under it.
    table = floor[(x < 2) & (y > 2)] + [0, 0, 1]
    points = np.concatenate([ceiling, table, floor])
    labels = np.repeat([2, 1, 0], [32, len(table), 32])
    rgb = np.array([[10, 0, 0], [20, 0, 0], [30, 0, 0]], np.uint8)[labels]
    # One label of the floor is void, at the far corner from the table.
    labels[-32 + int(np.argmax(x - y))] = -1
    view = html_report.top_view(points, labels, rgb, size=8)
    wood, tiles = html_report.class_colours(2)[[1, 0]]
    height, width = view.by_class.shape[:2]
    assert (width, height) == (8, 4)
    np.testing.assert_array_equal(view.by_class[0, 0], wood)  # -x is left, +y is up
    np.testing.assert_array_equal(view.by_class[0, -1], tiles)
    np.testing.assert_array_equal(view.by_class[-1, 0], tiles)
    np.testing.assert_array_equal(view.by_class[-1, -1], (0, 0, 0))
    assert view.by_photo[0, 0, 0] == 20
    assert view.by_photo[-1, 0, 0] == 10
    assert view.pixel_size == pytest.approx(7 / 8)  # 7 m between the outermost points
    high = html_report.top_view(points, labels, rgb, size=8, ceiling_cut=0.0)
    assert (high.by_photo[..., 0] == 30).all() and len(np.unique(high.by_class)) <= 3


def test_from_above_a_stray_point_does_not_shrink_the_room():
    rng = np.random.default_rng(0)
    points = np.append(rng.uniform(0, 4, (5000, 3)), [[900.0, 0, 0]], axis=0)
    points = np.append(points, [[np.nan, 0, 0]], axis=0)
    labels = np.zeros(len(points), int)
    view = html_report.top_view(points, labels, np.zeros((len(points), 3), np.uint8))
    assert max(view.by_class.shape[:2]) * view.pixel_size < 4.5
    with pytest.raises(ValueError, match="no finite point"):
        html_report.top_view(points[-1:], labels[-1:], np.zeros((1, 3), np.uint8))


def test_from_above_gaps_of_a_surface_close_and_the_outside_stays_empty():
    x, y = (axis.ravel() for axis in np.meshgrid(np.arange(0, 40, 3.0), np.arange(41)))
    points = np.stack([x, y, np.zeros(len(x))], -1)
    left = points[:, 0] < 12
    points = points[left | (points[:, 0] > 30)]
    labels = np.zeros(len(points), int)
    view = html_report.top_view(
        points, labels, np.full((len(points), 3), 9, np.uint8), size=40
    )
    is_empty = (view.by_photo == figures.EMPTY_RGB).all(axis=-1)
    assert not is_empty[20, :9].any()
    assert is_empty[20, 12:29].all()


@pytest.mark.parametrize("n", [22, 101, 200])
def test_colours_are_distinct_stable_and_never_black(n):
    colours = html_report.class_colours(n)
    assert colours.shape == (n, 3) and colours.dtype == np.uint8
    lab = palette.oklab(colours)
    gaps = np.linalg.norm(lab[:, None] - lab[None], axis=-1)
    np.fill_diagonal(gaps, 1)
    # 0.02 in Oklab is about one just noticeable difference between large patches.
    assert gaps.min() > (0.06 if n <= 101 else 0.04)
    assert np.linalg.norm(lab, axis=-1).min() > 0.35
    np.testing.assert_array_equal(html_report.class_colours(7), colours[:7])
    colours[:] = 0
    assert html_report.class_colours(n).any()


def test_oklab_of_known_colours():
    # White has lightness 1 and no colour; sRGB red as B. Ottosson gives it.
    lab = palette.oklab(np.array([[255, 255, 255], [255, 0, 0]], np.uint8))
    expected = [[1, 0, 0], [0.627955, 0.224863, 0.125846]]
    np.testing.assert_allclose(lab, expected, atol=1e-4)


def test_uncertainty_outside_its_range_is_clipped_and_nan_is_grey():
    image = figures.scale_image(np.array([-0.5, 0.0, 1.0, 1.5, np.nan]), "magma")
    np.testing.assert_array_equal(image[0], image[1])
    np.testing.assert_array_equal(image[2], image[3])
    np.testing.assert_array_equal(image[4], (150, 150, 150))
    assert image[2].sum() > image[1].sum()
