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
from alsem.data.image_io import JPEG, LABEL, EncodedFile, photograph

DRAW = np.random.default_rng(0)
RGB = DRAW.integers(0, 256, (6, 8, 3), np.uint8)
IDS = DRAW.integers(0, 256, (6, 8), np.uint8)
WIDE_IDS = DRAW.integers(256, 60000, (6, 8), np.uint16)


@pytest.mark.parametrize(
    ("kind", "pixels"),
    [
        ("RGB", RGB),
        *((kind, IDS) for kind in ("LABEL", "REGIONS", "MASK", "IDS")),
        ("MASK", IDS > 99),  # of one bit
        *((kind, WIDE_IDS) for kind in ("DEPTH", "REGIONS", "IDS")),
    ],
)
def test_png_is_read_exactly(tmp_path, kind, pixels):
    save_png(tmp_path / "a.png", pixels)
    file = EncodedFile(tmp_path / "a.png", getattr(image_io, kind))
    assert file.size() == (8, 6)
    assert file.read().dtype == (np.uint8 if pixels.dtype == bool else pixels.dtype)
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


@pytest.mark.parametrize(
    ("kind", "modes"),
    [
        ("RGB", {"L": "8-bit grey", "I;16": "16-bit grey", "P": "palette"}),
        ("DEPTH", {"L": "8-bit grey", "RGB": "8-bit RGB", "1": "1-bit grey"}),
        ("LABEL", {"LA": "alpha", "1": "1-bit"}),
        ("REGIONS", {"RGB": "8-bit RGB", "RGBA": "RGBA", "1": "1-bit", "LA": "alpha"}),
        ("MASK", {"RGB": "8-bit RGB", "I;16": "16-bit grey"}),
    ],
)
def test_png_of_other_pixels_is_refused(tmp_path, kind, modes):
    file = EncodedFile(tmp_path / "a.png", getattr(image_io, kind))
    for mode, name in modes.items():
        Image.new(mode, (8, 6)).save(file.path)
        error = captures.input_error(file.read)
        assert name in error
        assert error.endswith(f"pixels; write {file.kind.what}")


def encode_jpeg(mode="RGB", channels=(3,), **options):
    pixels = DRAW.integers(0, 255, (16, 24, *channels), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels, mode=mode).save(file, format="JPEG", **options)
    return file.getvalue()


def test_jpeg_is_read_as_stored(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter, which is not applied
    path = tmp_path / "A.JPG"
    path.write_bytes(encode_jpeg(exif=exif))
    file = photograph(path)
    assert file.size() == (24, 16)
    with Image.open(path) as image:
        np.testing.assert_array_equal(file.read(), np.asarray(image))


@pytest.mark.parametrize("ending", ["png", "webp"])
def test_alpha_is_a_mask(tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    Image.fromarray(np.dstack([RGB, IDS])).save(path, lossless=True, exact=True)
    file = photograph(path)
    assert file.size() == (8, 6)
    np.testing.assert_array_equal(file.read(), RGB)
    np.testing.assert_array_equal(file.alpha().read(), IDS)
    Image.fromarray(RGB).save(path, lossless=True)
    assert photograph(path).alpha() is None
    np.testing.assert_array_equal(photograph(path).read(), RGB)
    data = path.read_bytes()
    for damaged in (b"", data[:20], data[: len(data) // 2]):
        path.write_bytes(damaged)
        assert str(path) in captures.input_error(photograph(path).read)


ROWS = zlib.compress(b"".join(b"\0" + row.tobytes() for row in IDS))


def encode_png(compressed=ROWS, size=(8, 6), interlace=0):
    """A PNG of 8-bit grey with correct checksums, but perhaps another size."""
    header = struct.pack(">IIBBBBB", *size, 8, 0, 0, 0, interlace)
    data = b"\x89PNG\r\n\x1a\n"
    for tag, body in ((b"IHDR", header), (b"IDAT", compressed), (b"IEND", b"")):
        checksum = zlib.crc32(tag + body)
        data += struct.pack(">I", len(body)) + tag + body + struct.pack(">I", checksum)
    return data


PNG, JPG = encode_png(), encode_jpeg()
FLIPPED = PNG[:50] + bytes([PNG[50] ^ 1]) + PNG[51:]
SPOILT = "file, truncated or damaged"
DAMAGED = {
    "empty": (LABEL, b"", SPOILT),
    "cut in the header": (LABEL, PNG[:20], SPOILT),
    "cut in the pixels": (LABEL, PNG[: len(PNG) * 3 // 5], SPOILT),
    "cut before the end": (LABEL, PNG[:-12], SPOILT),
    "flipped bit": (LABEL, FLIPPED, "checksum"),
    "wrong checksum within": (LABEL, encode_png(ROWS[:-4] + b"oops"), SPOILT),
    "missing rows": (LABEL, encode_png(size=(8, 7)), "fill its rows"),
    "too many rows": (LABEL, encode_png(size=(8, 4)), "fill its rows"),
    "enormous": (LABEL, encode_png(size=(60000, 60000)), "60000 pixels, at most"),
    "large": (LABEL, encode_png(size=(4000, 4000)), "has only"),
    "no columns": (LABEL, encode_png(size=(0, 6)), SPOILT),
    "interlaced": (LABEL, encode_png(interlace=1), "interlaced"),
    "JPEG as PNG": (LABEL, JPG, f"not a PNG {SPOILT}"),
    "PNG as JPEG": (JPEG, PNG, f"not a JPEG {SPOILT}"),
    "grey JPEG": (JPEG, encode_jpeg("L", ()), "8-bit grey pixels"),
    "JPEG of four channels": (JPEG, encode_jpeg("CMYK", (4,)), "CMYK"),
    "JPEG without header": (JPEG, b"\xff\xd8\xff\xd9" + bytes(9), SPOILT),
    "JPEG cut in the pixels": (JPEG, JPG[:-200], "truncated"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_damaged_image_is_refused(case):
    kind, data, reason = DAMAGED[case]
    tracemalloc.start()
    error = captures.input_error(image_io.decode, "a.png", data, kind)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert error.startswith("a.png: ")
    assert reason in error
    assert peak < 1 << 20  # whatever size the header claims


def test_file_that_cannot_be_read(tmp_path):
    for name, how in {"c.bmp": ".webp; convert", "c.HEIC": "heif-convert"}.items():
        error = captures.input_error(photograph, tmp_path / name)
        assert "none of .jpg, .jpeg, .png, .webp" in error and how in error
    file = EncodedFile(tmp_path / "a.png", image_io.RGB)
    for method in (file.read, file.size):
        error = captures.input_error(method)
        assert error == f"{file.path}: missing; put the image there"
    file.path.mkdir()
    for method in (file.read, file.size):
        assert f"{file.path}: cannot be read" in captures.input_error(method)
