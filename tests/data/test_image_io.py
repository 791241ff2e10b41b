"""Image files are read exactly, or refused with one line."""

import io
import struct
import tracemalloc
import zlib

import captures
import numpy as np
import pytest
from captures import save_png
from PIL import Image

from alsem.data import image_io
from alsem.data.image_io import EncodedFile, photograph

DRAW = np.random.default_rng(0)
RGB = DRAW.integers(0, 256, (6, 8, 3), np.uint8)
IDS = DRAW.integers(0, 256, (6, 8), np.uint8)
WIDE_IDS = DRAW.integers(256, 60000, (6, 8), np.uint16)
PIXELS = {"RGB": RGB, "LABEL": IDS, "DEPTH": WIDE_IDS, "REGIONS": IDS, "MASK": IDS}


def error_of(path, kind):
    return captures.input_error(EncodedFile(path, getattr(image_io, kind)).read)


# PNG


@pytest.mark.parametrize(
    ("kind", "pixels"),
    [*PIXELS.items(), ("REGIONS", WIDE_IDS), ("IDS", IDS), ("IDS", WIDE_IDS)],
)
def test_png_is_read_exactly(tmp_path, kind, pixels):
    save_png(tmp_path / "a.png", pixels)
    file = EncodedFile(tmp_path / "a.png", getattr(image_io, kind))
    assert file.size() == (8, 6)
    assert file.read().dtype == pixels.dtype
    np.testing.assert_array_equal(file.read(), pixels)


@pytest.mark.parametrize("colours", [2, 4, 16, 256])
def test_palette_is_read_as_indices(tmp_path, colours):
    ids = (WIDE_IDS % colours).astype(np.uint8)
    image = Image.frombytes("P", ids.shape[::-1], ids.tobytes())
    image.putpalette(DRAW.integers(0, 256, 3 * colours).tolist())
    image.save(tmp_path / "a.png")
    bits, colour_type = (tmp_path / "a.png").read_bytes()[24:26]
    assert (1 << bits, colour_type) == (colours, 3)  # encoders pack the indices
    read = EncodedFile(tmp_path / "a.png", image_io.REGIONS).read()
    np.testing.assert_array_equal(read, ids)


def test_mask_of_one_bit(tmp_path):
    Image.fromarray(IDS > 99).save(tmp_path / "a.png")
    read = EncodedFile(tmp_path / "a.png", image_io.MASK).read()
    np.testing.assert_array_equal(read > 0, IDS > 99)


def encode_png(size, kind, compressed, interlace=0):
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", *size, *kind, 0, 0, interlace)),
        (b"IDAT", compressed),
        (b"IEND", b""),
    ]
    data = b"\x89PNG\r\n\x1a\n"
    for tag, body in chunks:
        data += struct.pack(">I", len(body)) + tag + body
        data += struct.pack(">I", zlib.crc32(tag + body))
    return data


def rewrite(change, interlace=0):
    """Changes the header's size or the raw rows, with correct checksums."""

    def damage(path):
        with Image.open(path) as image:
            kind = {"RGB": (8, 2), "L": (8, 0), "I;16": (16, 0)}[image.mode]
            size, pixels = image.size, np.asarray(image)
        rows = pixels.astype(f">u{kind[0] // 8}").reshape(size[1], -1)
        raw = b"".join(b"\0" + row.tobytes() for row in rows)
        size, raw = change(size, raw)
        path.write_bytes(encode_png(size, kind, zlib.compress(raw), interlace))

    return damage


def edit(change):
    return lambda path: path.write_bytes(change(path.read_bytes()))


def flip_bit(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def wrong_stream_checksum(data):
    """Breaks the checksum of the compressed stream, but not that of its chunk."""
    start, end = data.index(b"IDAT"), data.index(b"IEND") - 8
    body = data[start : end - 4] + bytes(b ^ 1 for b in data[end - 4 : end])
    return data[:start] + body + struct.pack(">I", zlib.crc32(body)) + data[end + 4 :]


def empty_image(mode, form="PNG"):
    return lambda path: Image.new(mode, (8, 6)).save(path, format=form)


NOT_PNG = "not a PNG file, truncated or damaged"
DAMAGE = {
    "empty": (edit(lambda data: b""), NOT_PNG),
    "cut in the header": (edit(lambda data: data[:20]), NOT_PNG),
    "cut in the pixels": (edit(lambda data: data[: len(data) * 3 // 5]), NOT_PNG),
    "cut before the end": (edit(lambda data: data[:-12]), NOT_PNG),
    "flipped bit": (edit(lambda d: flip_bit(d, d.index(b"IDAT") + 20)), NOT_PNG),
    "wrong chunk checksum": (
        edit(lambda d: flip_bit(d, d.index(b"IEND") - 5)),
        "checksum",
    ),
    "wrong stream checksum": (edit(wrong_stream_checksum), NOT_PNG),
    "missing rows": (rewrite(lambda size, raw: (size, raw[: len(raw) // 2])), NOT_PNG),
    "too many rows": (rewrite(lambda size, raw: ((8, 4), raw)), "fill its rows"),
    "too few columns": (rewrite(lambda size, raw: ((4, 6), raw)), NOT_PNG),
    "enormous": (rewrite(lambda _, raw: ((60000, 60000), raw)), "pixels, at most"),
    "large": (rewrite(lambda size, raw: ((4000, 4000), raw)), "has only"),
    "no columns": (rewrite(lambda size, raw: ((0, 6), raw)), NOT_PNG),
    "interlaced": (rewrite(lambda *held: held, interlace=1), "interlaced"),
    "text": (lambda path: path.write_text("hello, this is text"), NOT_PNG),
    "JPEG": (empty_image("RGB", "JPEG"), NOT_PNG),
    "folder": (lambda path: (path.unlink(), path.mkdir()), "cannot be read"),
    "missing": (lambda path: path.unlink(), "missing; put the image there"),
}


@pytest.mark.parametrize("kind", ["RGB", "LABEL", "DEPTH"])
@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_png_is_refused(tmp_path, kind, damage):
    path = tmp_path / "a.png"
    save_png(path, PIXELS[kind])
    spoil, reason = DAMAGE[damage]
    spoil(path)
    error = error_of(path, kind)
    assert error.startswith(f"{path}: ")
    assert reason in error


def test_enormous_image_takes_no_memory(tmp_path):
    save_png(tmp_path / "a.png", RGB)
    DAMAGE["enormous"][0](tmp_path / "a.png")
    tracemalloc.start()
    assert "60000 x 60000" in error_of(tmp_path / "a.png", "RGB")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


@pytest.mark.parametrize(
    ("kind", "modes"),
    [
        ("RGB", {"L": "8-bit grey", "I;16": "16-bit grey", "P": "palette"}),
        ("DEPTH", {"L": "8-bit grey", "RGB": "8-bit RGB", "1": "1-bit grey"}),
        ("LABEL", {"I;16": "16-bit grey", "RGB": "8-bit RGB", "P": "palette"}),
        ("REGIONS", {"RGB": "8-bit RGB", "RGBA": "RGBA", "1": "1-bit", "LA": "alpha"}),
        ("MASK", {"RGB": "8-bit RGB", "I;16": "16-bit grey"}),
    ],
)
def test_png_of_other_pixels_is_refused(tmp_path, kind, modes):
    for mode, name in modes.items():
        empty_image(mode)(tmp_path / "a.png")
        error = error_of(tmp_path / "a.png", kind)
        assert name in error
        assert error.endswith(f"pixels; write {getattr(image_io, kind).what}")


# JPEG


def encode_jpeg(mode="RGB", size=(24, 16), **options):
    channels = {"L": (), "RGB": (3,), "CMYK": (4,)}[mode]
    pixels = DRAW.integers(0, 255, (size[1], size[0], *channels), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels, mode=mode).save(file, format="JPEG", **options)
    return file.getvalue()


def turned():
    exif = Image.Exif()
    exif[0x0112] = 6  # by a quarter
    return exif


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"progressive": True},
        {"quality": 30, "subsampling": 2},
        {"comment": b"c" * 60000},
        {"exif": turned()},  # which is not applied
    ],
)
def test_jpeg_is_read_as_stored(tmp_path, options):
    path = tmp_path / "A.JPG"
    path.write_bytes(encode_jpeg(**options))
    file = photograph(path)
    assert file.size() == (24, 16)
    with Image.open(path) as image:
        np.testing.assert_array_equal(file.read(), np.asarray(image))


def resized(data, width, height):
    """The same stream with another size in its header."""
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", height, width) + data[at + 4 :]


NOT_JPEG = "not a JPEG file, truncated or damaged"
BAD_JPEG = {
    "empty": (b"", NOT_JPEG),
    "text": (b"hello, this is text", NOT_JPEG),
    "PNG": (b"\x89PNG\r\n\x1a\n" + bytes(40), NOT_JPEG),
    "grey": (encode_jpeg("L"), "8-bit grey pixels"),
    "four channels": (encode_jpeg("CMYK"), "CMYK"),
    "no header": (b"\xff\xd8\xff\xd9" + bytes(9), NOT_JPEG),
    "enormous": (resized(encode_jpeg(), 60000, 60000), "60000 pixels, at most"),
    "large": (resized(encode_jpeg(), 8000, 8000), "has only"),
    "no rows": (resized(encode_jpeg(), 24, 0), NOT_JPEG),
    "cut in the pixels": (encode_jpeg()[:-200], "truncated"),
}


@pytest.mark.parametrize("case", BAD_JPEG)
def test_bad_jpeg_is_refused(case):
    data, reason = BAD_JPEG[case]
    error = captures.input_error(image_io.decode, "a.jpg", data, image_io.JPEG)
    assert error.startswith("a.jpg: ")
    assert reason in error


def test_photograph_of_another_format_is_refused(tmp_path):
    error = captures.input_error(photograph, tmp_path / "c.webp")
    assert "neither .png nor .jpg" in error
