"""Writes what `captures.write_capture` wrote once more, in other layouts."""

import json
import struct
from pathlib import Path

import numpy as np
from captures import CLASSES, save_png
from scipy.spatial.transform import Rotation

FLIP = np.diag([1.0, -1.0, -1.0, 1.0])  # OpenCV's camera axes to OpenGL's and back


def write_nerfstudio(folder: Path, written: dict, **changes) -> dict:
    """Writes ``transforms.json``, its images and ``classes.txt``; returns the first.

    Args:
        folder: Where to.
        written: What `captures.write_capture` returned.
        changes: Keys of the file to set.
    """
    height, width = next(iter(written.values()))["rgb"].shape[1:3]
    info: dict = {"camera_model": "OPENCV", "w": width, "h": height, "frames": []}
    info |= {"fl_x": width / 2, "fl_y": width / 2, "cx": width / 2, "cy": height / 2}
    for sequence, held in written.items():
        for i, pose in enumerate(np.round(held["pose"], 9)):
            frame = {"transform_matrix": (pose @ FLIP).tolist()}
            for key, name in (("file_path", "rgb"), ("depth_file_path", "depth")):
                frame[key] = f"{name}/{sequence}/{i}.png"
                save_png(folder / frame[key], held[name][i])
            frame["semantic_file_path"] = f"semantic/{sequence}/{i}.png"
            save_png(folder / frame["semantic_file_path"], held["label"][i])
            info["frames"].append(frame)
    info |= changes
    save_transforms(folder, info)
    write_classes(folder)
    return info


def save_transforms(folder: Path, info: dict) -> None:
    """Writes ``transforms.json``."""
    (folder / "transforms.json").write_text(json.dumps(info))


def write_colmap(
    folder: Path, written: dict, *, binary: bool, model: str = "PINHOLE"
) -> None:
    """Writes a sparse model with a few points, its images and ``classes.txt``."""
    height, width = next(iter(written.values()))["rgb"].shape[1:3]
    params = {
        "PINHOLE": (width / 2, width / 2, width / 2, height / 2),
        "SIMPLE_RADIAL": (width / 2, width / 2, height / 2, 0.0),
        "OPENCV": (width / 2, width / 2, width / 2, height / 2, 0.0, 0.0, 0.0, 0.0),
    }[model]
    images = []
    for sequence, held in written.items():
        for i, pose in enumerate(np.round(held["pose"], 9)):
            for kind, name in (
                ("images", "rgb"),
                ("depth", "depth"),
                ("semantic", "label"),
            ):
                save_png(folder / kind / sequence / f"{i}.png", held[name][i])
            turn = Rotation.from_matrix(pose[:3, :3].T)
            shift = -turn.apply(pose[:3, 3])
            quaternion = turn.as_quat()[[3, 0, 1, 2]]
            images.append((f"{sequence}/{i}.png", (*quaternion, *shift)))
    points = np.random.default_rng(0).uniform(-3, 3, (50, 3))
    model_folder = folder / "sparse" / "0"
    model_folder.mkdir(parents=True)
    if binary:
        number = {"SIMPLE_RADIAL": 2, "PINHOLE": 1, "OPENCV": 4}[model]
        data = struct.pack(
            f"<QiiQQ{len(params)}d", 1, 7, number, width, height, *params
        )
        (model_folder / "cameras.bin").write_bytes(data)
        data = struct.pack("<Q", len(images))
        for i, (name, pose) in enumerate(images):
            data += struct.pack("<i7di", i + 1, *pose, 7) + name.encode() + b"\0"
            data += struct.pack("<Q", i % 3) + struct.pack("<ddq", 1, 2, -1) * (i % 3)
        (model_folder / "images.bin").write_bytes(data)
        data = struct.pack("<Q", len(points))
        for i, point in enumerate(points):
            data += struct.pack("<Q3d3BdQ", i, *point, 1, 2, 3, 0.5, i % 4)
            data += struct.pack("<ii", 1, 2) * (i % 4)
        (model_folder / "points3D.bin").write_bytes(data)
    else:
        words = [7, model, width, height, *map(repr, map(float, params))]
        text = "# cameras\n" + " ".join(map(str, words)) + "\n"
        (model_folder / "cameras.txt").write_text(text)
        text = "# images\n# two lines each\n"
        for i, (name, pose) in enumerate(images):
            text += f"{i + 1} {' '.join(repr(float(x)) for x in pose)} 7 {name}\n"
            text += "1.5 2.5 -1\n" if i % 2 else "\n"
        (model_folder / "images.txt").write_text(text)
        rows = [
            f"{i} {' '.join(repr(float(x)) for x in point)} 1 2 3 0.5 1 2"
            for i, point in enumerate(points)
        ]
        (model_folder / "points3D.txt").write_text("# points\n" + "\n".join(rows))
    write_classes(folder)


def write_classes(folder: Path) -> None:
    """Writes ``classes.txt``."""
    lines = [f"{i} {name}" for name, i in CLASSES.items()]
    (folder / "classes.txt").write_text("\n".join(lines) + "\n")
