"""Splits select frames of a capture."""

import captures
import numpy as np
import pytest

from alsem.core.errors import InputError
from alsem.data.capture import FrameRecord
from alsem.data.image_io import ImageFile
from alsem.data.splits import parse_split, sharpness


class Noise(ImageFile):
    """A photograph of noise, strong in frames 2, 5, 8 and weak in all others."""

    where = "memory"

    def __init__(self, number):
        self.number = number

    def size(self):
        return 8, 8

    def read(self):
        draw = np.random.default_rng(self.number)
        contrast = 100 if self.number % 3 == 2 else 10 + self.number
        noise = draw.integers(0, contrast, (8, 8, 1))
        return noise.repeat(3, axis=-1).astype(np.uint8)


def records(sequence):
    """Six frames of A, of which B has the last two."""
    numbers = {"A": range(6), "B": range(4, 6), "long": range(8)}[sequence]
    return [
        FrameRecord(f"A/{i}", Noise(i), np.eye(4, dtype=np.float32)) for i in numbers
    ]


def picked(text):
    return [int(record.name[2:]) for record in parse_split(text).pick(records)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A[:]", [0, 1, 2, 3, 4, 5]),
        ("A[::2]", [0, 2, 4]),
        ("A[1::2]", [1, 3, 5]),
        ("A[-2:]", [4, 5]),
        ("A[:-4]", [0, 1]),
        ("A[::-2]", [5, 3, 1]),
        ("A[1:4]", [1, 2, 3]),
        (" A [ 1 : 4 : 2 ] ", [1, 3]),
        ("A[:] but A[::3]", [1, 2, 4, 5]),
        ("A[:] but B[:]", [0, 1, 2, 3]),
        ("A[1:] but B[:] ", [1, 2, 3]),
        ("A[:] count 3", [0, 2, 5]),
        ("A[:]count 6", [0, 1, 2, 3, 4, 5]),
        ("A[::2] count 1", [0]),
        ("long[:] sharpest 3", [2, 5, 7]),
        ("long[:] but A[:1] sharpest 4", [2, 5]),
        ("A[:] but A[:2] count 2", [2, 5]),
    ],
)
def test_picked_frames(text, expected):
    assert picked(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "A", "A[]", "A[3]", "A[::0]", "A[a:]", "[::2]", "A[1:2:3:4]", "../A[:]"),
        *("A[:] but", "A[:] but A", "A[:] but A[::0]", "A[:] count", "A[:] count 0"),
        *("A[:] sharpest -1", "A[:] count 2 but A[:]", "A[:] finest 3", "A[:] A[:]"),
    ],
)
def test_malformed_split(text):
    error = captures.input_error(parse_split, text)
    assert repr(text) in error
    assert "Sequence_1[::5]" in error


def test_too_few_frames():
    with pytest.raises(
        InputError, match="has 6 frames to choose from; lower its count"
    ):
        picked("A[:] count 7")
    with pytest.raises(InputError, match="selects none of the 6 frames of A"):
        picked("A[:] but A[:]")


def test_blur_lowers_sharpness():
    edge = np.zeros((16, 16, 3), np.uint8)
    edge[:, 8:] = 255
    ramp = np.linspace(0, 255, 16).astype(np.uint8)[None, :, None]

    class Photograph(ImageFile):
        where = "memory"

        def __init__(self, pixels):
            self.pixels = pixels

        def size(self):
            return 16, 16

        def read(self):
            return self.pixels

    images = (edge, ramp.repeat(16, axis=0).repeat(3, axis=-1))
    sharp, blurred = (
        sharpness(FrameRecord("a", Photograph(x), np.eye(4, dtype=np.float32)))
        for x in images
    )
    assert sharp > 20 * blurred
