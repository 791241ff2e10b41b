"""JPEG photographs: read whole or refused in one line."""

import io
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from alsem.core.errors import InputError
from alsem.data import jpeg
from alsem.data.image_io import JpegFile, photograph


def encoded(mode="RGB", size=(24, 16), **options):
    draw = np.random.default_rng(0)
    channels = {"L": (), "RGB": (3,), "CMYK": (4,)}[mode]
    pixels = draw.integers(0, 255, (size[1], size[0], *channels), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels, mode=mode).save(file, format="JPEG", **options)
    return file.getvalue()


def message(data):
    with pytest.raises(InputError) as caught:
        jpeg.decode("a.jpg", data)
    text = str(caught.value)
    assert text.startswith("a.jpg: ")
    assert "\n" not in text
    return text


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"progressive": True},
        {"quality": 30, "subsampling": 2},
        {"exif": Image.Exif()},
        {"comment": b"c" * 60000},
    ],
)
def test_it_is_read_as_pillow_reads_it(tmp_path, options):
    data = encoded(**options)
    path = tmp_path / "A.JPG"
    path.write_bytes(data)
    picture = photograph(path)
    assert isinstance(picture, JpegFile)
    assert picture.size() == (24, 16)
    with Image.open(path) as image:
        np.testing.assert_array_equal(picture.read(), np.asarray(image))


def test_how_the_camera_was_held_is_not_followed(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    path = tmp_path / "a.jpg"
    path.write_bytes(encoded(exif=exif))
    assert photograph(path).read().shape == (16, 24, 3)


def resized(data, width, height):
    """The same stream, with another size in its header."""
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", height, width) + data[at + 4 :]


BAD = {
    "empty": (b"", "truncated"),
    "one byte": (b"\xff", "truncated"),
    "text": (b"hello, this is text", "not a JPEG"),
    "a PNG": (b"\x89PNG\r\n\x1a\n" + bytes(40), "not a JPEG"),
    "grey": (encoded("L"), "1 channels"),
    "four channels": (encoded("CMYK"), "4 channels"),
    "no header": (b"\xff\xd8\xff\xd9" + bytes(9), "damaged JPEG header"),
    "enormous": (resized(encoded(), 60000, 60000), "60000 pixels, at most"),
    "large": (resized(encoded(), 8000, 8000), "has only"),
    "no rows": (resized(encoded(), 24, 0), "claims 24 x 0"),
    "cut in the pixels": (encoded()[:-200], "truncated"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_photograph(case):
    data, trouble = BAD[case]
    assert trouble in message(data)


@settings(max_examples=150)
@given(place=st.floats(0, 1), byte=st.integers(0, 255), cut=st.booleans())
def test_a_damaged_photograph_is_read_or_refused(place, byte, cut):
    data = encoded()
    at = min(int(place * len(data)), len(data) - 1)
    changed = data[:at] if cut else data[:at] + bytes([byte]) + data[at + 1 :]
    try:
        pixels = jpeg.decode("a.jpg", changed)
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert pixels.dtype == np.uint8 and pixels.ndim == 3
        assert not cut or at >= len(data) - 2  # the end mark alone


def test_files_that_are_not_there_or_of_another_kind(tmp_path):
    with pytest.raises(InputError, match=r"a.jpg: missing"):
        photograph(tmp_path / "a.jpg").size()
    (tmp_path / "b.jpg").mkdir()
    with pytest.raises(InputError, match=r"b.jpg: cannot be read"):
        photograph(tmp_path / "b.jpg").size()
    with pytest.raises(InputError, match=r"neither .png nor .jpg"):
        photograph(tmp_path / "c.webp")
