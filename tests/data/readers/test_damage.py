"""A damaged file of a capture is read correctly or refused, in every layout.

Any kind of damage is done to any of the files. The environment variable `DAMAGES` sets
the number of examples, drawn at random in place of the same few every time.
"""

import io
import itertools
import os
import re
import shutil

import captures
import layouts
import numpy as np
import pytest
import sensor_layouts
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from alsem.core.errors import InputError
from alsem.data import open_capture

DAMAGES = int(os.environ.get("DAMAGES", "25"))
SOURCES = {**layouts.SOURCES, **{name: name for name in sensor_layouts.WRITERS}}
TEXTS, IMAGES = {".txt", ".json", ".tsv", ".csv", ".traj", ".pincam"}, {".png", ".jpg"}
NUMBER = re.compile(rb"-?\d+\.\d+(e-?\d+)?")


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    """Five frames in all layouts: most of the time goes into copying them."""
    folder = tmp_path_factory.mktemp("pristine")
    frames = layouts.write_all(folder, captures.random_frames(3, 2))
    for name in sensor_layouts.WRITERS:
        sensor_layouts.write(name, folder / name, frames)
    return folder


def opened(folder, name):
    splits = {"train_split": "frames[:3]", "test_split": "frames[3:]"}
    return open_capture(dir=folder, source=SOURCES[name], **splits)


def files_of(folder):
    """All files of a capture that are read."""
    files = (p for p in folder.rglob("*") if p.is_file())
    return sorted(p for p in files if not p.name.startswith("vis_"))


def any_damages(data, place):
    """A file's bytes after each damage, at a relative place from 0 to 1."""
    at = int(place * len(data))
    yield from (b"", data[:at], data[: at % 40], data[:-1])
    yield from (data + b"\0\0", b"\xff" * 4 + data[4:], bytes(len(data)))
    for new in (b"7", b"\xff" * 8, b"\xff\xff\xff\x7f", b"\xc3\x28\x80"):
        yield data[:at] + new + data[at + len(new) :]


def image_damages():
    """Images of every kind of pixels and of another size."""
    png, sizes = ("L", "LA", "RGBA", "RGB", "I;16", "P", "1"), ((8, 6), (5, 3))
    forms = [("PNG", mode) for mode in png] + [("JPEG", "RGB"), ("JPEG", "CMYK")]
    for (form, mode), size in itertools.product(forms, sizes):
        file = io.BytesIO()
        Image.new(mode, size).save(file, format=form)
        yield file.getvalue()


def text_damages(data, place):
    """As `any_damages`: changes of a number, of a line and of a path."""
    numbers = list(NUMBER.finditer(data))
    if numbers:
        match = numbers[int(place * (len(numbers) - 1))]
        old = match.group()
        for new in (b"nan", b"inf", b"1e999", b"seven", b"", b"-1.5"):
            yield data[: match.start()] + new + data[match.end() :]
        for more in (b"e3", b" 0.5"):
            yield data[: match.start()] + old + more + data[match.end() :]
    lines = data.split(b"\n")
    i = int(place * (len(lines) - 1))
    for new in ([], [lines[i], lines[i]], [b"", lines[i]]):
        yield b"\n".join([*lines[:i], *new, *lines[i + 1 :]])
    for outside in (b"../", b"/etc/"):
        yield data.replace(b"rgb/", outside, 1)


# What may be in the place of a file.
INSTEAD = [
    lambda path: None,
    lambda path: path.mkdir(),
    lambda path: path.symlink_to(path.name),
    lambda path: path.symlink_to("nowhere"),
    lambda path: path.touch(0),
]


def damage(draw, path):
    """Does one damage to a file."""
    place, data = draw(st.floats(0, 1)), path.read_bytes()
    damages = [*any_damages(data, place), *INSTEAD]
    damages += image_damages() if path.suffix in IMAGES else []
    damages += text_damages(data, place) if path.suffix in TEXTS else []
    chosen = damages[draw(st.integers(0, len(damages) - 1))]
    path.unlink()
    if isinstance(chosen, bytes):
        path.write_bytes(chosen)
    else:
        chosen(path)


@pytest.mark.parametrize("name", SOURCES)
def test_damaged_file_is_read_or_refused(pristine, tmp_path, name):
    @settings(max_examples=DAMAGES)
    @given(data=st.data())
    def check(data):
        shutil.rmtree(tmp_path / name, ignore_errors=True)
        room = shutil.copytree(pristine / name, tmp_path / name)
        files = files_of(room)
        suffix = data.draw(st.sampled_from(sorted({path.suffix for path in files})))
        paths = [path for path in files if path.suffix == suffix]
        path = data.draw(st.sampled_from(paths))
        damage(data.draw, path)
        before = sorted(tmp_path.rglob("*"))
        try:
            scene, truth = opened(room, name)
        except InputError as error:
            lines = [str(error), *map(str, error.also)]
            assert all("\n" not in line for line in lines)
            assert str(room) in lines[0], lines
            named = (path.name, path.parent.name)
            assert any(name in line for name in named for line in lines), lines
        else:
            assert np.isfinite(scene.train.world_from_cam).all()
            labels = truth.train_labels
            assert labels is None or labels.max() < len(scene.class_names)
        assert sorted(tmp_path.rglob("*")) == before

    check()


@pytest.mark.parametrize(
    "change",
    [
        lambda text: b"\xef\xbb\xbf" + text,
        lambda text: text.replace(b"\n", b"\r\n"),
        lambda text: text.replace(b"\n", b"  \n") + b"  ",
        lambda text: text + b"\n\n",
    ],
    ids=["byte order mark", "CRLF", "spaces at ends", "lines at the end"],
)
@pytest.mark.parametrize("name", SOURCES)
def test_text_of_other_editors_is_read(pristine, tmp_path, name, change):
    room = shutil.copytree(pristine / name, tmp_path / name)
    for path in files_of(room):
        if path.suffix in TEXTS:
            path.write_bytes(change(path.read_bytes()))
    one, other = opened(pristine / name, name), opened(room, name)
    captures.assert_same(other, one)
    assert other[0].fingerprint() == one[0].fingerprint()
