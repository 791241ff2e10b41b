"""Writes what `captures.write_capture` wrote once more, in other layouts."""

import json
from pathlib import Path

import numpy as np
from captures import CLASSES, save_png

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
    lines = [f"{i} {name}" for name, i in CLASSES.items()]
    (folder / "classes.txt").write_text("\n".join(lines) + "\n")
    return info


def save_transforms(folder: Path, info: dict) -> None:
    """Writes ``transforms.json``."""
    (folder / "transforms.json").write_text(json.dumps(info))
