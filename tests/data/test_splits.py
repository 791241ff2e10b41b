"""Which frames of a capture are chosen."""

import captures
import numpy as np
import pytest
from captures import TEST, TRAIN

from alsem.core.errors import InputError
from alsem.data import open_capture
from alsem.data.capture import FrameRecord
from alsem.data.image_io import ImageFile
from alsem.data.splits import parse_split, sharpness


class Blurred(ImageFile):
    """Noise, less of it in frames whose number is a multiple of three less one."""

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
        FrameRecord(f"A/{i}", Blurred(i), np.eye(4, dtype=np.float32)) for i in numbers
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
def test_what_a_split_picks(text, expected):
    assert picked(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "A", "A[]", "A[3]", "A[::0]", "A[a:]", "[::2]", "A[1:2:3:4]", "../A[:]"),
        *("A[:] but", "A[:] but A", "A[:] but A[::0]", "A[:] count", "A[:] count 0"),
        *("A[:] sharpest -1", "A[:] count 2 but A[:]", "A[:] finest 3", "A[:] A[:]"),
    ],
)
def test_malformed_split(tmp_path, text):
    captures.write_capture(tmp_path)
    with pytest.raises(InputError) as caught:
        open_capture(dir=tmp_path, train_split=text, test_split=f"{TEST}[:]")
    assert repr(text) in str(caught.value)
    assert "Sequence_1[::5]" in str(caught.value)


def test_too_few_to_choose_from():
    with pytest.raises(
        InputError, match="has 6 frames to choose from; lower its count"
    ):
        picked("A[:] count 7")
    with pytest.raises(InputError, match="selects none of the 6 frames of A"):
        picked("A[:] but A[:]")


def test_a_test_split_may_be_left_out_of_the_training_split(tmp_path):
    captures.write_capture(tmp_path)
    held_out = {"test_split": f"{TRAIN}[::4]"}
    with pytest.raises(InputError, match="share 3 frames"):
        open_capture(dir=tmp_path, train_split=f"{TRAIN}[:]", **held_out)
    split = f"{TRAIN}[:] but {TRAIN}[::4]"
    scene, _ = open_capture(dir=tmp_path, train_split=split, **held_out)
    assert len(scene.train.names) == 9


def test_blur_lowers_sharpness():
    edge = np.zeros((16, 16, 3), np.uint8)
    edge[:, 8:] = 255
    ramp = np.linspace(0, 255, 16).astype(np.uint8)[None, :, None].repeat(16, 0)

    class Held(ImageFile):
        where = "memory"

        def __init__(self, pixels):
            self.pixels = pixels

        def size(self):
            return 16, 16

        def read(self):
            return self.pixels

    pose = np.eye(4, dtype=np.float32)
    found = [
        sharpness(FrameRecord("a", Held(x), pose))
        for x in (edge, ramp.repeat(3, axis=-1))
    ]
    assert found[0] > 20 * found[1]
