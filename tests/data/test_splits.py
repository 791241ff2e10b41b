"""Splits select frames of a capture."""

import captures
import numpy as np
import pytest
from captures import ImageInMemory

from alsem.data.capture import FrameRecord
from alsem.data.sharpness import sharpness
from alsem.data.splits import parse_split


def record(name, grey):
    rgb = np.repeat(grey[..., None], 3, axis=-1).astype(np.uint8)
    return FrameRecord(name, ImageInMemory(rgb), np.eye(4, dtype=np.float32))


def noise(number):
    """Strong in frames 2, 5, 8 and weak in all others."""
    contrast = 100 if number % 3 == 2 else 10 + number
    return np.random.default_rng(number).integers(0, contrast, (8, 8))


FRAMES = [record(f"A/{i}", noise(i)) for i in range(8)]
SEQUENCES = {"A": FRAMES[:6], "B": FRAMES[4:6], "long": FRAMES}


def picked(text):
    return [
        int(each.name[2:]) for each in parse_split(text).pick(SEQUENCES.__getitem__)
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A[:]", [0, 1, 2, 3, 4, 5]),
        ("A[1::2]", [1, 3, 5]),
        ("A[-2:]", [4, 5]),
        ("A[:-4]", [0, 1]),
        ("A[::-2]", [5, 3, 1]),
        (" A [ 1 : 4 : 2 ] ", [1, 3]),
        ("A[:] but A[::3]", [1, 2, 4, 5]),
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
    error = captures.input_error(picked, "A[:] count 7")
    assert "has 6 frames to choose from; lower its count" in error
    error = captures.input_error(picked, "A[:] but A[:]")
    assert "selects none of the 6 frames of A" in error


def test_blur_lowers_sharpness():
    edge = record("edge", np.repeat([[0, 255]], 16, axis=0).repeat(8, axis=1))
    ramp = record("ramp", np.repeat(np.linspace(0, 255, 16)[None], 16, axis=0))
    assert sharpness(edge.rgb.read()) > 20 * sharpness(ramp.rgb.read())
