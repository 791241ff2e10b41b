import dataclasses
import errno
import html.parser
import re

import numpy as np
import pytest

from alsem.core.errors import InputError
from alsem.reporting import html_report, json_records, palette, run_dir
from alsem.reporting.top_view import TopView

UNSAFE = """<script>alert('x')</script> & "{{ title }}" """


def make_row(number, clicks, miou):
    row = {key: 1.5 for key in run_dir.ROUND_KEYS}
    row |= {"round": number, "clicks": clicks, "miou": miou, "strategy": UNSAFE}
    row["iou_per_class"] = {UNSAFE: miou, "lamp": None, "wall": 0.25}
    row["seconds"] = {stage: 6.0 for stage in run_dir.STAGES}
    return row


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (12, 16, 3), np.uint8)
    label = rng.integers(0, 3, (12, 16))
    depth_z = rng.uniform(1, 3, (12, 16)).astype(np.float32)
    frame = html_report.FrameView(
        name=UNSAFE,
        rgb=rgb,
        rgb_rendered=rgb,
        label=label,
        uncertainty=np.full((12, 16), 0.5, np.float32),
        label_true=label,
        depth_z=depth_z,
        depth_z_true=depth_z * 0,
    )
    queried = html_report.QueryView(
        name=UNSAFE,
        rgb=rgb,
        rows=np.array([2, 3]),
        cols=np.array([4, 5]),
        labels=np.array([0, -1]),
        rounds=np.array([0, 7]),
    )
    return html_report.ReportData(
        title=UNSAFE,
        config={"seed": UNSAFE, "data": {"dir": UNSAFE}},
        class_names=(UNSAFE, "lamp", "wall"),
        rounds=[make_row(0, 10, 0.125), make_row(1, 40, 0.75)],
        wall_seconds=72,
        scene=UNSAFE,
        frames=(frame,),
        queried=(queried,),
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
        self.handle_startendtag(tag, attrs)
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


def test_the_headline_has_the_last_round(data):
    words = " ".join(Page(html_report.render(data)).words)
    for pattern in (r"75\.0 %\s+mIoU", r"40\s+clicks", r"3\s+classes"):
        assert re.search(pattern, words)
    assert re.search(r"1\.2\s+minutes", words) and re.search(r"1\.5 dB\s+PSNR", words)


def test_the_class_table_compares_the_first_and_the_last_round(data):
    text = html_report.render(data)
    table = text[text.index("<h2>Classes") :]
    rows = re.findall(r"<tr>(.*?)</tr>", table[: table.index("</table>")], re.DOTALL)
    cells = [
        re.sub(r"<[^>]*>|\n", "", row.replace("</td>", "|")).strip() for row in rows[1:]
    ]
    dash = "\N{EN DASH}"
    assert cells[0].endswith("|75.0|12.5|+62.5|")
    assert cells[1].startswith("wall|") and cells[1].endswith("|25.0|25.0|+0.0|")
    assert cells[2] == f"lamp||{dash}|{dash}|{dash}|"
    assert "width:75.0%" in rows[1] and "left:calc(12.5%" in rows[1]


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
    bare = dataclasses.replace(
        data.frames[0], label_true=None, depth_z=None, depth_z_true=None
    )
    text = render(data, frames=(bare,))
    assert "true classes" not in text and "errors:" not in text
    assert "<svg" in render(data, rounds=[make_row(0, 0, None)])


def test_the_page_stays_small_with_many_large_frames(data):
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (480, 640, 3), np.uint8)  # noise compresses worst
    label = np.zeros((480, 640), int)
    frame = html_report.FrameView("f", rgb, rgb, label, label.astype(float), label)
    queried = dataclasses.replace(data.queried[0], rgb=rgb)
    text = render(data, frames=(frame,) * 30, queried=(queried,) * 30)
    assert text.count(">photograph<") == 6 and "6 of 30." in text
    assert len(text) < 6e6


def test_a_full_disk_is_one_line(tmp_path, data, monkeypatch):
    html_report.write_report(tmp_path, data)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(json_records.os, "replace", full)
    with pytest.raises(InputError, match=r"index\.html: No space left") as caught:
        html_report.write_report(tmp_path, data)
    assert "\n" not in str(caught.value)
    assert [p.name for p in (tmp_path / "report").iterdir()] == ["index.html"]


def test_the_fraction_of_errors_leaves_void_out(data):
    label = np.zeros((2, 4), int)
    true = np.array([[0, 0, 0, 1], [-1, -1, -1, -1]])
    rgb = np.zeros((2, 4, 3), np.uint8)
    frame = html_report.FrameView("f", rgb, rgb, label, label.astype(float), true)
    assert "errors: 25.0 %" in render(data, frames=(frame,))
