"""Depth is read in the formats that programs write it."""

import captures
import numpy as np
import pytest
from PIL import Image

from alsem.data import depth_images
from alsem.data.image_io import MASK, EncodedFile

METRES = np.array([[0.5, 1.25, 0.0], [2.0, 3.5, 9.0]], np.float32)
UNITS = (1000 * METRES).astype(np.uint16)


def write_exr(path, values):
    OpenEXR = pytest.importorskip("OpenEXR")
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    with OpenEXR.File(header, {"Y": values.astype(np.float32)}) as file:
        file.write(str(path))


def write_npz(path, values):
    np.savez_compressed(path, depth=values, other=np.zeros(3))


def write_tiff(path, values):
    Image.fromarray(values).save(path)


def write_colmap(path, values):
    data = values.astype("<f4").tobytes()
    path.write_bytes(b"%d&%d&1&" % values.shape[::-1] + data)


FLOATS = {".npy": np.save, ".npz": write_npz, ".tif": write_tiff}
FLOATS |= {".exr": write_exr, ".bin": write_colmap}
INTEGERS = {".npy": np.save, ".npz": write_npz, ".tiff": write_tiff}
INTEGERS |= {".png": captures.save_png}


@pytest.mark.parametrize("ending", FLOATS)
def test_floating_point_metres(tmp_path, ending):
    path = tmp_path / f"depth{ending}"
    for value in (np.nan, np.inf, -1.0, 0.0):
        values = METRES.copy()
        values[0, 2] = value  # not known
        FLOATS[ending](path, values)
        image = depth_images.depth_image(path, 1000.0)
        assert image.size() == (3, 2)
        assert image.read().dtype == np.float32
        np.testing.assert_allclose(image.read(), UNITS)


@pytest.mark.parametrize("ending", INTEGERS)
def test_integer_units(tmp_path, ending):
    path = tmp_path / f"depth{ending}"
    INTEGERS[ending](path, UNITS)
    image = depth_images.depth_image(path, 7.0)
    assert image.size() == (3, 2)
    np.testing.assert_array_equal(image.read(), UNITS)


def test_arrays_with_an_axis_of_one(tmp_path):
    for values in (METRES[None], METRES[..., None]):
        np.save(tmp_path / "d.npy", values)
        image = depth_images.depth_image(tmp_path / "d.npy", 1.0)
        assert image.size() == (3, 2)
        np.testing.assert_array_equal(image.read(), METRES)


@pytest.mark.parametrize("ending", [*FLOATS, ".png", ".gif"])
def test_damage_is_one_line(tmp_path, ending):
    path = tmp_path / f"depth{ending}"

    def error():
        return captures.input_error(lambda: depth_images.depth_image(path, 1.0).read())

    assert error().startswith(str(path))
    for data in (b"", b"rubbish" * 9):
        path.write_bytes(data)
        assert error().startswith(str(path))
    if ending in FLOATS:
        FLOATS[ending](path, METRES)
        path.write_bytes(path.read_bytes()[:-9])
        assert error().startswith(str(path))


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.zeros(5), "an array of 5"),
        (np.zeros((2, 3, 4)), "an array of 2 x 3 x 4"),
        (np.zeros((0, 3)), "an array of 0 x 3"),
        (np.full((2, 3), 70000), "integers from 70000"),
        (np.full((2, 3), -1), "integers from -1"),
        (np.full((2, 3), 1j), "holds complex"),
        (np.full((2, 3), "a"), "holds <U1"),
    ],
)
def test_arrays_that_are_no_depth(tmp_path, values, reason):
    np.save(tmp_path / "d.npy", values)
    image = depth_images.depth_image(tmp_path / "d.npy", 1.0)
    assert reason in captures.input_error(image.read)


def test_pixels_of_no_confidence_are_holes(tmp_path):
    captures.save_png(tmp_path / "d.png", UNITS)
    confidence = np.array([[0, 1, 2], [2, 0, 1]], np.uint8)
    captures.save_png(tmp_path / "c.png", confidence)
    files = (
        depth_images.depth_image(tmp_path / "d.png", 1.0),
        EncodedFile(tmp_path / "c.png", MASK),
    )
    image = depth_images.ConfidentDepth(*files)
    assert image.size() == (3, 2)
    np.testing.assert_array_equal(image.read(), np.where(confidence > 0, UNITS, 0))
    captures.save_png(tmp_path / "c.png", confidence[:1])
    assert "while its depth has 3 x 2" in captures.input_error(image.size)


def filled(*values, dtype=np.uint16):
    """An image of 200 values from 1000 to 1995, of which the last are replaced."""
    depth = np.arange(1000, 2000, 5).astype(dtype)
    depth[len(depth) - len(values) :] = values
    return depth.reshape(10, 20)


@pytest.mark.parametrize(
    ("depth", "holes"),
    [
        (filled(65535), 1),
        (filled(*[65535] * 50), 50),
        (filled(*[8000] * 50), 50),  # a sensor's other "nothing"
        (filled(*[8000] * 50, 0, 65535), 52),
        (filled(*[8000] * 4), 0),  # may be seen through a door
        (filled(*[2500] * 50), 0),  # may be a far wall
        (filled(np.inf, np.nan, *[1e9] * 9, dtype=np.float32), 11),
        (filled(65535.0, dtype=np.float32), 0),
        (np.zeros((10, 20), np.uint16), 200),
        (np.full((10, 20), 1500, np.uint16), 0),
        (np.full((10, 20), 65535, np.uint16), 200),
    ],
)
def test_values_that_stand_for_nothing_are_holes(depth, holes):
    found = depth_images.without_nothing(depth)
    assert found.dtype == depth.dtype
    assert (found == 0).sum() == holes
    np.testing.assert_array_equal(found[found > 0], depth[found > 0])
