"""Writes procedural rooms to disk in the Replica layout of Semantic-NeRF."""

import json
import os
import pathlib
import shutil
import tempfile
from collections.abc import Callable

import numpy as np
from PIL import Image

from alsem.core.errors import InputError
from alsem.core.types import Intrinsics
from alsem.rooms.camera_paths import camera_paths
from alsem.rooms.layout import CLASS_IDS, furnish
from alsem.rooms.light_baking import bake_light
from alsem.rooms.render import Images, render_frames

VERSION = 1  # increase whenever the images of a seed change
SEQUENCES = ("Sequence_1", "Sequence_2")


def intrinsics(width: int, height: int) -> Intrinsics:
    """Intrinsics of a camera with a horizontal field of view of 90 degrees."""
    focal = width / 2
    return Intrinsics(width, height, focal, focal, (width - 1) / 2, (height - 1) / 2)


def render_room(
    seed: int,
    *,
    width: int = 320,
    height: int = 240,
    train_frames: int = 180,
    test_frames: int = 40,
    progress: Callable[[int], object] | None = None,
) -> dict[str, tuple[Images, np.ndarray]]:
    """Furnishes and renders the room of a seed.

    Args:
        seed: Decides the room, its light and the camera paths.
        width: Image width, pixels.
        height: Image height, pixels.
        train_frames: Frames of Sequence_1.
        test_frames: Frames of Sequence_2.
        progress: Called with the number of frames done since the last call.

    Returns:
        For each sequence its images and ``world_from_cam`` ``[n 4 4]``.

    Raises:
        InputError: A number is out of range.
    """
    _check(seed, width, height, train_frames, test_frames)
    room = furnish(seed)
    train, test = camera_paths(room, seed, train_frames, test_frames)
    poses = np.concatenate([train, test])
    images = render_frames(
        bake_light(room), room.solids, poses, intrinsics(width, height), progress
    )

    def part(frames: slice) -> Images:
        return Images(*(stack[frames] for stack in vars(images).values()))

    return {
        SEQUENCES[0]: (part(slice(0, train_frames)), train),
        SEQUENCES[1]: (part(slice(train_frames, None)), test),
    }


def write_room(
    out_dir: str | os.PathLike,
    *,
    seed: int,
    width: int = 320,
    height: int = 240,
    train_frames: int = 180,
    test_frames: int = 40,
    progress: Callable[[int], object] | None = None,
) -> pathlib.Path:
    """Writes the room of a seed to ``out_dir/room_<seed>``, all of it or nothing.

    A room that exists already with the same settings is kept.

    Args:
        out_dir: Folder of rooms; created if it is missing.
        seed: Decides everything about the room.
        width: Image width, pixels.
        height: Image height, pixels.
        train_frames: Frames of Sequence_1.
        test_frames: Frames of Sequence_2.
        progress: Called with the number of frames done since the last call.

    Returns:
        The folder of the room.

    Raises:
        InputError: A number is out of range, a different room exists there, or the
            folder cannot be written.
    """
    _check(seed, width, height, train_frames, test_frames)
    folder = pathlib.Path(out_dir) / f"room_{seed}"
    info = _metadata(seed, width, height, (train_frames, test_frames))
    if folder.exists():
        _require_same(folder, info)
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = pathlib.Path(
            tempfile.mkdtemp(prefix=f".room_{seed}.", dir=folder.parent)
        )
    except OSError as error:
        raise InputError(
            f"cannot write rooms to {folder.parent}: {error.strerror}; "
            "choose another folder"
        ) from error
    try:
        sequences = render_room(
            seed,
            width=width,
            height=height,
            train_frames=train_frames,
            test_frames=test_frames,
            progress=progress,
        )
        for name, (images, world_from_cam) in sequences.items():
            _write_sequence(draft / name, images, world_from_cam)
        (draft / "info.json").write_text(json.dumps(info, indent=1) + "\n")
        draft.chmod(0o755)  # mkdtemp makes it private
        try:
            draft.rename(folder)
        except OSError:  # another process wrote it first
            _require_same(folder, info)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return folder


def _check(
    seed: int, width: int, height: int, train_frames: int, test_frames: int
) -> None:
    if seed < 0:
        raise InputError(f"seed is {seed}; give 0 or more")
    if not (8 <= width <= 4096 and 8 <= height <= 4096):
        raise InputError(
            f"image size is {width}x{height}; give 8 to 4096 pixels a side"
        )
    for name, frames in (("train", train_frames), ("test", test_frames)):
        if not 1 <= frames <= 100_000:
            raise InputError(f"{name}_frames is {frames}; give 1 to 100000")


def _metadata(seed: int, width: int, height: int, frames: tuple[int, int]) -> dict:
    camera = intrinsics(width, height)
    return {
        "scene": f"room_{seed}",
        "width": width,
        "height": height,
        "hfov_deg": 90.0,
        "fx": camera.fx,
        "fy": camera.fy,
        "cx": camera.cx,
        "cy": camera.cy,
        "depth_scale": 1000.0,
        "pose": "camera-to-world, OpenCV axes (x right, y down, z forward), "
        "world z up, metres",
        "generator": {"name": "alsem.rooms", "version": VERSION, "seed": seed},
        "frames": dict(zip(SEQUENCES, frames, strict=True)),
        "classes": {name: {"id": i} for name, i in CLASS_IDS.items()},
    }


def _require_same(folder: pathlib.Path, info: dict) -> None:
    try:
        found = json.loads((folder / "info.json").read_text())
    except (OSError, ValueError):
        found = None
    if found != info:
        raise InputError(
            f"{folder} exists with another size, number of frames or version; delete it"
            " or choose another folder"
        )


def _write_sequence(
    folder: pathlib.Path, images: Images, world_from_cam: np.ndarray
) -> None:
    millimetres = np.round(1000.0 * images.depth_z).astype(np.uint16)
    for kind, stack in (
        ("rgb", images.rgb),
        ("depth", millimetres),
        ("semantic_class", images.class_id),
    ):
        (folder / kind).mkdir(parents=True)
        for i, image in enumerate(stack):
            path = folder / kind / f"{kind}_{i}.png"
            Image.fromarray(image).save(path, compress_level=4)
    rows = world_from_cam.reshape(-1, 16)
    np.savetxt(folder / "traj_w_c.txt", rows, fmt="%.9g")
