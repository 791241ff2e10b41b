"""Writes tiny captures in the Replica layout, for tests."""

import dataclasses
import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation

from alsem.core.errors import InputError
from alsem.data import open_capture
from alsem.data.image_io import ImageFile

WIDTH, HEIGHT = 8, 6
CLASSES = {"wall": 1, "chair": 4, "lamp": 9}  # ids with gaps, as captures have
TRAIN, TEST = "Sequence_1", "Sequence_2"


def random_frames(
    train: int = 12, test: int = 3, size: tuple[int, int] = (WIDTH, HEIGHT)
) -> dict[str, dict[str, np.ndarray]]:
    """Random frames of two sequences.

    Returns:
        For each sequence ``rgb [n h w 3]``, ``depth [n h w]`` millimetres,
        ``label [n h w]`` ids with void and ``pose [n 4 4]``.
    """
    draw = np.random.default_rng(0)
    frames = {}
    for name, n in ((TRAIN, train), (TEST, test)):
        shape = (n, size[1], size[0])
        frames[name] = {
            "rgb": draw.integers(0, 256, (*shape, 3), np.uint8),
            "depth": draw.integers(0, 9000, shape, np.uint16),
            "label": draw.choice([0, *CLASSES.values()], shape).astype(np.uint8),
            "pose": np.stack([random_pose(draw) for _ in range(n)]),
        }
    return frames


def write_capture(folder: Path, frames: dict) -> dict:
    """Writes frames and a class list; returns the frames."""
    write_sequences(folder, frames)
    info = {"classes": {name: {"id": i} for name, i in CLASSES.items()}}
    (folder / "info.json").write_text(json.dumps(info))
    return frames


def write_sequences(folder: Path, frames: dict, *, depth: bool = True) -> None:
    """Writes the images and poses of frames."""
    for name, held in frames.items():
        images = {"rgb": held["rgb"], "semantic_class": held["label"]}
        if depth:
            images["depth"] = held["depth"]
        for kind, stack in images.items():
            write_images(folder / name / kind, stack)
        for i, rgb in enumerate(held["rgb"]):  # as Replica's, never read
            save_png(folder / name / "semantic_class" / f"vis_sem_class_{i}.png", rgb)
        write_poses(folder / name / "traj_w_c.txt", held["pose"])


def write_images(folder: Path, stack: np.ndarray) -> None:
    """Writes the images of a sequence, named after their folder."""
    for i, pixels in enumerate(stack):
        save_png(folder / f"{folder.name}_{i}.png", pixels)


def input_error(function: Callable, *args, **options) -> str:
    """The message of the `InputError` that a call raises, checked to be one line."""
    with pytest.raises(InputError) as raised:
        function(*args, **options)
    text = str(raised.value)
    assert "\n" not in text
    assert text[-1] not in ".;: "
    return text


def openers(**options) -> tuple[Callable, Callable]:
    """`open_capture` with default options, and the message of the error it raises."""
    defaults = {"train_split": f"{TRAIN}[::3]", "test_split": f"{TEST}[:]"} | options

    def open_room(folder: Path, **changes):
        return open_capture(**({"dir": folder} | defaults | changes))

    def error_of(folder: Path, **changes) -> str:
        return input_error(open_room, folder, **changes)

    return open_room, error_of


def assert_same(found: tuple, expected: tuple, tolerance: float = 0) -> None:
    """Checks that two results of `open_capture` are the same but for files."""
    (scene, truth), (other, other_truth) = found, expected
    assert scene.intrinsics == other.intrinsics
    assert scene.class_names == other.class_names
    for one, two in (
        (scene.train, other.train),
        (scene.test, other.test),
        (truth, other_truth),
    ):
        for field, array in vars(one).items():
            wanted = getattr(two, field)
            assert (array is None) == (wanted is None), field
            if field not in ("names", "photographs") and array is not None:
                np.testing.assert_allclose(array, wanted, tolerance, tolerance)


def save_png(path: Path, pixels: np.ndarray) -> None:
    """Writes uint8 ``[h w 3]``, uint8 ``[h w]`` or uint16 ``[h w]``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def edit_json(path: Path, change: Callable[[dict], object]) -> None:
    """Changes a JSON file in place."""
    info = json.loads(path.read_text())
    change(info)
    path.write_text(json.dumps(info))


def cut(path: Path) -> None:
    """Cuts the end off a file, as a full disk does."""
    path.write_bytes(path.read_bytes()[:-20])


def full_disk(*args, **kwargs):
    """Stands for what writes, on a full disk."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def write_poses(path: Path, poses: np.ndarray) -> None:
    """Writes ``[n 4 4]`` matrices, one a line."""
    np.savetxt(path, np.reshape(poses, (-1, 16)), fmt="%.9f")


def random_pose(draw: np.random.Generator) -> np.ndarray:
    """A rigid motion ``[4 4]``, metres."""
    pose = np.eye(4)
    pose[:3, :3] = Rotation.random(rng=draw).as_matrix()
    pose[:3, 3] = draw.normal(size=3)
    return pose


@dataclasses.dataclass
class ImageInMemory(ImageFile):
    """An image that is in no file."""

    pixels: np.ndarray
    where = "memory"

    def size(self) -> tuple[int, int]:
        return self.pixels.shape[1], self.pixels.shape[0]

    def read(self) -> np.ndarray:
        return self.pixels
