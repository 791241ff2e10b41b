import dataclasses
import html.parser
import re

import numpy as np
import pytest

from alsem.reporting import html_report, palette, run_dir
from alsem.reporting.top_view import TopView

UNSAFE = """<script>alert('x')</script> & "{{ title }}" """
UNCLOSED = ("meta", "link", "img")


def make_row(number, clicks, miou):
    row = dict.fromkeys(run_dir.ROUND_KEYS, 1.5)
    row |= {"round": number, "clicks": clicks, "miou": miou, "strategy": UNSAFE}
    row["iou_per_class"] = {UNSAFE: miou, "lamp": None, "wall": 0.25}
    row["seconds"] = dict.fromkeys(run_dir.STAGES, 6.0)
    return row


def make_frame(rgb, label, **more):
    uncertainty = np.full(label.shape, 0.5, np.float32)
    return html_report.FrameView(UNSAFE, rgb, rgb, label, uncertainty, **more)


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (12, 16, 3), np.uint8)
    label = rng.integers(0, 3, (12, 16))
    depth_z = rng.uniform(1, 3, (12, 16)).astype(np.float32)
    true = {"label_true": label, "depth_z": depth_z, "depth_z_true": depth_z * 0}
    queries = ([2, 3], [4, 5], [0, -1], [0, 7])  # rows, columns, labels, rounds
    return html_report.ReportData(
        title=UNSAFE,
        config={"seed": UNSAFE, "data": {"dir": UNSAFE}},
        class_names=(UNSAFE, "lamp", "wall"),
        rounds=[make_row(0, 10, 0.125), make_row(1, 40, 0.75)],
        wall_seconds=72,
        scene=UNSAFE,
        frames=(make_frame(rgb, label, **true),),
        queried=(html_report.QueryView(UNSAFE, rgb, *map(np.array, queries)),),
        top_view=TopView(rgb, rgb, 0.5),
    )


def render(data, **changes):
    return html_report.render(dataclasses.replace(data, **changes))


class Page(html.parser.HTMLParser):
    """Tags and attributes of a page, and its text outside of style."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.words, self.open = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]
        if tag not in UNCLOSED:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in UNCLOSED:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.words.append(data)


def test_the_page_is_one_file_that_loads_nothing_else(tmp_path, data):
    odd = dataclasses.replace(data, title="an odd byte \udcff in a path")
    path = html_report.write_report(tmp_path, odd)
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
    assert "grid-template-columns" in text  # the style is in the page


def test_text_of_the_user_is_escaped(data):
    text = html_report.render(data)
    assert "<script" not in text and "alert('x')" not in text
    page = Page(text)
    # Title twice, scene, strategy, seed, class in table and legend, query, frames.
    assert "".join(page.words).count(UNSAFE.strip()) >= 9
    assert UNSAFE in [value for _, name, value in page.attributes if name == "alt"]


def test_the_headline_has_the_last_round_and_the_table_compares_it_with_the_first(data):
    text, dash = html_report.render(data), "\N{EN DASH}"
    words = " ".join(" ".join(Page(text).words).split())
    for headline in ("75.0 % mIoU", "40 clicks", "3 classes", "1.2 minutes", "1.5 dB"):
        assert headline in words
    for row in ("75.0 12.5 +62.5", "wall 25.0 25.0 +0.0", f"lamp {dash} {dash} {dash}"):
        assert row in words
    assert "width:75.0%" in text and "left:calc(12.5%" in text  # a bar, and a mark


def test_queries_are_marked_on_their_pixels_in_their_class_colour(data):
    text = html_report.render(data)
    colour = "#" + bytes(palette.class_colours(3)[0]).hex()
    marks = re.findall(r'<circle cx="([^"]*)" cy="([^"]*)".*?fill="([^"]*)"', text)
    # Pixel centres are half a pixel from the edge of the image.
    assert marks == [("4.5", "2.5", colour), ("5.5", "3.5", "#000000")]
    assert re.findall(r"<text [^>]*font-size[^>]*>(\d+)</text></g>", text) == ["0", "7"]


def test_crowded_frames_have_marks_without_numbers(data):
    rows, labels = np.arange(100) % 12, np.zeros(100, int)
    many = html_report.QueryView("f", data.frames[0].rgb, rows, rows, labels, labels)
    text = render(data, queried=(many,))
    assert text.count("<circle") == 100
    assert "too many for numbers" in text and "</text></g>" not in text


def test_a_run_without_rounds_or_ground_truth_has_a_page(data):
    empty = html_report.ReportData("t", {}, ("wall",), [], 0.0)
    assert "No round is finished yet" in html_report.render(empty)
    bare = make_frame(data.frames[0].rgb, data.frames[0].label)
    text = render(data, frames=(bare,), rounds=[make_row(0, 0, None)])
    assert "true classes" not in text and "errors:" not in text
    assert "<svg" in text
    unlabelled = make_row(0, 8, None) | {"miou_estimate": 0.5, "miou_present": None}
    unlabelled["iou_per_class"] = dict.fromkeys(unlabelled["iou_per_class"])
    words = " ".join(Page(render(data, rounds=[unlabelled])).words)
    assert "50.0 % mIoU as estimated by the model" in " ".join(words.split())
    assert "Classes" not in words and "mIoU of the classes present" not in words


def test_the_page_stays_small_with_many_large_frames(data):
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (480, 640, 3), np.uint8)  # noise compresses worst
    label = np.zeros((480, 640), int)
    frame = make_frame(rgb, label, label_true=label)
    queried = dataclasses.replace(data.queried[0], rgb=rgb)
    text = render(data, frames=(frame,) * 30, queried=(queried,) * 30)
    assert text.count(">photograph<") == 6 and "6 of 30." in text
    assert len(text) < 6e6


def test_the_fraction_of_errors_leaves_void_out(data):
    true = np.array([[0, 0, 0, 1], [-1, -1, -1, -1]])
    rgb = np.zeros((2, 4, 3), np.uint8)
    frame = make_frame(rgb, np.zeros((2, 4), int), label_true=true)
    assert "errors: 25.0 %" in render(data, frames=(frame,))
