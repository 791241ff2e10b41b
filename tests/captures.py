"""Writes tiny captures in the Replica layout, for tests."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alsem.core.errors import InputError
from alsem.data import open_capture

WIDTH, HEIGHT = 8, 6
CLASSES = {"wall": 1, "chair": 4, "lamp": 9}  # ids with gaps, as captures have
TRAIN, TEST = "Sequence_1", "Sequence_2"


def write_capture(
    folder: Path,
    *,
    frames: dict[str, int] | None = None,
    size: tuple[int, int] = (WIDTH, HEIGHT),
    depth: bool = True,
    labels: bool = True,
    info: dict | None = None,
    seed: int = 0,
) -> dict[str, dict[str, np.ndarray]]:
    """Writes a scene with random contents and returns them.

    Args:
        folder: The scene's folder.
        frames: Number of frames of each sequence.
        size: Width and height, pixels.
        depth: Whether to write depth.
        labels: Whether to write labels.
        info: Contents of ``info.json``; the classes `CLASSES` when None.
        seed: Seed of the random contents.

    Returns:
        For each sequence ``rgb [n h w 3]``, ``depth [n h w]`` millimetres,
        ``label [n h w]`` ids and ``pose [n 4 4]``.
    """
    draw = np.random.default_rng(seed)
    width, height = size
    written = {}
    for name, n in (frames or {TRAIN: 12, TEST: 3}).items():
        held = {
            "rgb": draw.integers(0, 256, (n, height, width, 3), np.uint8),
            "depth": draw.integers(0, 9000, (n, height, width), np.uint16),
            "label": draw.choice([0, *CLASSES.values()], (n, height, width)),
            "pose": np.stack([random_pose(draw) for _ in range(n)]),
        }
        held["label"] = held["label"].astype(np.uint8)
        written[name] = held
    write_sequences(folder, written, depth=depth, labels=labels)
    if info is None:
        info = {"classes": {name: {"id": i} for name, i in CLASSES.items()}}
    (folder / "info.json").write_text(json.dumps(info))
    return written


def write_sequences(
    folder: Path, written: dict, *, depth: bool = True, labels: bool = True
) -> None:
    """Writes the images and poses of what `write_capture` returns."""
    for name, held in written.items():
        for i in range(len(held["rgb"])):
            save_png(folder / name / "rgb" / f"rgb_{i}.png", held["rgb"][i])
            if depth:
                save_png(folder / name / "depth" / f"depth_{i}.png", held["depth"][i])
            if labels:
                path = folder / name / "semantic_class" / f"semantic_class_{i}.png"
                save_png(path, held["label"][i])
                save_png(path.with_name(f"vis_sem_class_{i}.png"), held["rgb"][i])
        write_poses(folder / name / "traj_w_c.txt", held["pose"])


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

    def open_room(folder: Path, **changes):
        return open_capture(**({"dir": folder} | options | changes))

    def error_of(folder: Path, **changes) -> str:
        return input_error(open_room, folder, **changes)

    return open_room, error_of


def save_png(path: Path, pixels: np.ndarray) -> None:
    """Writes uint8 ``[h w 3]``, uint8 ``[h w]`` or uint16 ``[h w]``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def write_poses(path: Path, poses: np.ndarray) -> None:
    """Writes ``[n 4 4]`` matrices, one a line."""
    rows = [" ".join(f"{x:.9f}" for x in pose.ravel()) for pose in poses]
    path.write_text("\n".join(rows) + "\n")


def random_pose(draw: np.random.Generator) -> np.ndarray:
    """A rigid motion ``[4 4]``, metres."""
    q, _ = np.linalg.qr(draw.normal(size=(3, 3)))
    pose = np.eye(4)
    pose[:3, :3] = q * np.sign(np.linalg.det(q))
    pose[:3, 3] = draw.normal(size=3)
    return pose
