"""A damaged file of a capture is read correctly or refused, in every layout.

Any kind of damage is done to any of the files. The environment variable `DAMAGES` sets
the number of examples, drawn at random in place of the same few every time.
"""

import io
import os
import re
import shutil
import struct
import zlib

import captures
import layouts
import numpy as np
import pytest
from captures import TEST, TRAIN
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from alsem.core.errors import InputError
from alsem.data import open_capture

DAMAGES = int(os.environ.get("DAMAGES", "25"))
FRAMES = {TRAIN: 3, TEST: 2}
SPLITS = {"train_split": f"{TRAIN}[:]", "test_split": f"{TEST}[:]"}
ALL = {"train_split": "frames[:3]", "test_split": "frames[3:]"}
SOURCES = {
    "replica": ("replica", SPLITS),
    "nerfstudio": ("nerfstudio", SPLITS),
    "binary": ("colmap", SPLITS),
    "text": ("colmap", SPLITS),
    "files": ("scannet", ALL),
    "sens": ("scannet", ALL),
}
TEXTS = {".txt", ".json", ".tsv"}
IMAGES = {".png", ".jpg"}
NUMBER = re.compile(rb"-?\d+\.\d+(e-?\d+)?")


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    """The same frames in all layouts."""
    folder = tmp_path_factory.mktemp("pristine")
    written = captures.write_capture(folder / "replica", frames=FRAMES)
    for name in SOURCES:
        (folder / name).mkdir(exist_ok=True)
    layouts.write_nerfstudio(folder / "nerfstudio", written)
    layouts.write_colmap(folder / "binary", written, binary=True)
    layouts.write_colmap(folder / "text", written, binary=False)
    layouts.write_scannet(folder / "files", written)
    layouts.write_scannet(folder / "sens", written, recording=True)
    return folder


def opened(folder, name):
    source, splits = SOURCES[name]
    return open_capture(dir=folder, source=source, **splits)


def files_of(folder):
    """All files of a capture that are read."""
    files = (p for p in folder.rglob("*") if p.is_file())
    return sorted(p for p in files if not p.name.startswith("vis_"))


def listing(folder):
    return sorted(os.fspath(p) for p in folder.rglob("*"))


def encoded(pixels, form="PNG"):
    file = io.BytesIO()
    pixels.save(file, format=form)
    return file.getvalue()


def enormous(data):
    """A PNG with 60000 x 60000 pixels in its header."""
    chunk = b"IHDR" + struct.pack(">II", 60000, 60000) + data[24:29]
    return data[:12] + chunk + struct.pack(">I", zlib.crc32(chunk)) + data[33:]


def at_one_number(change):
    """Changes the number of a text at ``place``."""

    def changed(data, place):
        found = list(NUMBER.finditer(data))
        if not found:
            return data
        match = found[int(place * (len(found) - 1))]
        return data[: match.start()] + change(match.group()) + data[match.end() :]

    return changed


def at_one_line(change):
    """Replaces the line of a text at ``place`` by any number of lines."""

    def changed(data, place):
        lines = data.split(b"\n")
        i = int(place * (len(lines) - 1))
        return b"\n".join([*lines[:i], *change(lines[i]), *lines[i + 1 :]])

    return changed


def with_bytes(data, place, new):
    at = int(place * max(len(data) - len(new), 0))
    return data[:at] + new + data[at + len(new) :]


def always(data):
    return lambda _old, _place: data


def image(mode, form="PNG"):
    return always(encoded(Image.new(mode, (captures.WIDTH, captures.HEIGHT)), form))


ANY_DAMAGES = {
    "empty": always(b""),
    "one byte": lambda data, _: data[:1],
    "cut in the head": lambda data, place: data[: int(place * 40)],
    "cut anywhere": lambda data, place: data[: int(place * (len(data) - 1))],
    "cut at the end": lambda data, _: data[:-1],
    "longer": lambda data, _: data + b"\0\0",
    "no magic": lambda data, _: b"\xff\xff\xff\xff" + data[4:],
    "zeros": lambda data, _: bytes(len(data)),
    "ones within": lambda data, place: with_bytes(data, place, b"\xff" * 8),
    "a byte": lambda data, place: with_bytes(data, place, b"7"),
    "a huge count": lambda data, place: with_bytes(data, place, b"\xff" * 3 + b"\x7f"),
}
IMAGE_DAMAGES = {
    "grey": image("L"),
    "grey and alpha": image("LA"),
    "RGBA": image("RGBA"),
    "RGB": image("RGB"),
    "16 bits": image("I;16"),
    "palette": image("P"),
    "1 bit": image("1"),
    "JPEG": image("RGB", "JPEG"),
    "CMYK": image("CMYK", "JPEG"),
    "another size": always(encoded(Image.new("RGB", (5, 3)))),
    "enormous": lambda data, _: enormous(data),
}
TEXT_DAMAGES = {
    "not a number": at_one_number(lambda _: b"nan"),
    "infinite": at_one_number(lambda _: b"inf"),
    "overflowing": at_one_number(lambda _: b"1e999"),
    "a word": at_one_number(lambda _: b"seven"),
    "negative": at_one_number(lambda n: n[1:] if n[:1] == b"-" else b"-" + n),
    "scaled": at_one_number(lambda n: n + b"e3"),
    "one more": at_one_number(lambda n: n + b" 0.5"),
    "one less": at_one_number(lambda _: b""),
    "no line": at_one_line(lambda _: []),
    "a line twice": at_one_line(lambda line: [line, line]),
    "an empty line": at_one_line(lambda line: [b"", line]),
    "outside": lambda data, _: data.replace(b"rgb/", b"../", 1),
    "absolute": lambda data, _: data.replace(b"rgb/", b"/etc/", 1),
    "no text": lambda data, place: with_bytes(data, place, b"\xc3\x28\x80"),
}
HARMLESS = {  # as editors of other systems write the same text
    "BOM": lambda data: b"\xef\xbb\xbf" + data,
    "CRLF": lambda data: data.replace(b"\n", b"\r\n"),
    "spaces at ends": lambda data: data.replace(b"\n", b"  \n") + b"  ",
    "lines at the end": lambda data: data + b"\n\n",
}


def removed(path):
    path.unlink()


def folder_instead(path):
    path.unlink()
    path.mkdir()


def link_to_itself(path):
    path.unlink()
    path.symlink_to(path.name)


def link_to_nothing(path):
    path.unlink()
    path.symlink_to("nowhere")


def no_permission(path):
    path.chmod(0)


FILE_DAMAGES = {
    "removed": removed,
    "a folder": folder_instead,
    "a link to itself": link_to_itself,
    "a link to nothing": link_to_nothing,
    "not readable": no_permission,
}


def damages(path):
    """Names of the damages that apply to a file."""
    changes = [*ANY_DAMAGES, *FILE_DAMAGES]
    changes += IMAGE_DAMAGES if path.suffix in IMAGES else []
    return changes + (list(TEXT_DAMAGES) if path.suffix in TEXTS else [])


def apply(damage, path, place):
    """Damages a file at the relative position ``place``, 0 to 1."""
    if damage in FILE_DAMAGES:
        FILE_DAMAGES[damage](path)
    else:
        change = (ANY_DAMAGES | IMAGE_DAMAGES | TEXT_DAMAGES)[damage]
        path.write_bytes(change(path.read_bytes(), place))


@pytest.mark.parametrize("name", SOURCES)
def test_damaged_file_is_read_or_refused(pristine, tmp_path, name):
    number = 0

    @settings(max_examples=DAMAGES)
    @given(data=st.data(), place=st.floats(0, 1))
    def check(data, place):
        nonlocal number
        number += 1
        room = tmp_path / str(number) / name
        shutil.copytree(pristine / name, room)
        suffix = data.draw(st.sampled_from(sorted({p.suffix for p in files_of(room)})))
        path = data.draw(
            st.sampled_from([p for p in files_of(room) if p.suffix == suffix])
        )
        apply(data.draw(st.sampled_from(damages(path))), path, place)
        before = listing(tmp_path)
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
            assert truth.train_labels is None or truth.train_labels.max() < len(
                scene.class_names
            )
        assert listing(tmp_path) == before
        shutil.rmtree(tmp_path / str(number))

    check()


@pytest.mark.parametrize("change", HARMLESS)
@pytest.mark.parametrize("name", SOURCES)
def test_text_of_other_editors_is_read(pristine, tmp_path, name, change):
    room = shutil.copytree(pristine / name, tmp_path / name)
    for path in files_of(room):
        if path.suffix in TEXTS:
            path.write_bytes(HARMLESS[change](path.read_bytes()))
    (one, truth), (other, other_truth) = (
        opened(pristine / name, name),
        opened(room, name),
    )
    assert one.fingerprint() == other.fingerprint()
    assert one.class_names == other.class_names
    np.testing.assert_array_equal(truth.train_labels, other_truth.train_labels)
