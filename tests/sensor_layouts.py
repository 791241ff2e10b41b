"""Writes frames in the layouts of phone apps and of RGB-D data sets, for tests.

Frames are those of `captures.random_frames`, or others in the same form; each function
follows the public description of its format. Labels are where a user puts them.
"""

import json
from pathlib import Path

import cv2
import numpy as np
from captures import save_png
from layouts import FLIP, jpeg_bytes, numbers, write_classes
from scipy.spatial.transform import Rotation


def stacked(frames: dict) -> list[tuple[np.ndarray, ...]]:
    """``(rgb, depth, label, pose)`` of every frame."""
    keys = ("rgb", "depth", "label", "pose")
    columns = [np.concatenate([held[key] for held in frames.values()]) for key in keys]
    return list(zip(*columns, strict=True))


def write_photo(path: Path, rgb: np.ndarray, label: np.ndarray, capture: Path) -> None:
    """A photograph, and its labels in ``semantic/``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".jpg":
        path.write_bytes(jpeg_bytes(rgb))
    else:
        save_png(path, rgb)
    save_png(capture / "semantic" / f"{path.stem}.png", label)


def camera_of(frames: dict) -> tuple[int, int, float, float, float, float]:
    """Width, height, fx, fy, cx, cy in pixels, centres at whole numbers."""
    height, width = next(iter(frames.values()))["rgb"].shape[1:3]
    return width, height, width / 2, width / 2, (width - 1) / 2, (height - 1) / 2


def matrix_of(frames: dict) -> np.ndarray:
    """The 4x4 matrix of the camera."""
    _, _, fx, fy, cx, cy = camera_of(frames)
    matrix = np.eye(4)
    matrix[[0, 1, 0, 1], [0, 1, 2, 2]] = fx, fy, cx, cy
    return matrix


def write_sensreader(folder: Path, frames: dict) -> None:
    for i, (rgb, depth, label, pose) in enumerate(stacked(frames)):
        write_photo(folder / "color" / f"{i}.png", rgb, label, folder)
        save_png(folder / "depth" / f"{i}.png", depth)
        (folder / "pose").mkdir(exist_ok=True)
        np.savetxt(folder / "pose" / f"{i}.txt", pose, fmt="%f")
    (folder / "intrinsic").mkdir()
    for kind in ("color", "depth"):
        path = folder / "intrinsic" / f"intrinsic_{kind}.txt"
        np.savetxt(path, matrix_of(frames), fmt="%f")
        np.savetxt(path.with_name(f"extrinsic_{kind}.txt"), np.eye(4), fmt="%f")


def write_nice_slam(folder: Path, frames: dict) -> None:
    lines = []
    for i, (rgb, depth, label, pose) in enumerate(stacked(frames)):
        write_photo(folder / "results" / f"frame{i:06d}.jpg", rgb, label, folder)
        save_png(folder / "results" / f"depth{i:06d}.png", depth)
        lines.append(numbers(pose.ravel()))
    (folder / "traj.txt").write_text("\n".join(lines) + "\n")
    camera = dict(
        zip(("w", "h", "fx", "fy", "cx", "cy"), camera_of(frames), strict=True)
    )
    text = json.dumps({"camera": camera | {"scale": 1000.0}})
    (folder / "cam_params.json").write_text(text)


def write_tum(folder: Path, frames: dict) -> None:
    """Depth in units of a fifth of a millimetre; poses between those of the list."""
    lists = {"rgb": "", "depth": "", "groundtruth": "# tx ty tz qx qy qz qw\n"}
    for i, (rgb, depth, label, pose) in enumerate(stacked(frames)):
        time = 1305031102.0 + i
        write_photo(folder / "rgb" / f"{time:.6f}.png", rgb, label, folder)
        save_png(folder / "depth" / f"{time + 0.01:.6f}.png", 5 * depth)
        lists["rgb"] += f"{time:.6f} rgb/{time:.6f}.png\n"
        lists["depth"] += f"{time + 0.01:.6f} depth/{time + 0.01:.6f}.png\n"
        turn = Rotation.from_matrix(pose[:3, :3]).as_quat()
        for later in (-0.002, 0.006):  # seconds: between two poses of a steady motion
            move = pose[:3, 3] + later * np.array([20.0, -40.0, 60.0])
            values = numbers([*move, *turn])
            lists["groundtruth"] += f"{time + later:.6f} {values}\n"
    for name, text in lists.items():
        (folder / f"{name}.txt").write_text(text)
    width, _, *values = camera_of(frames)
    scale = 640 / width
    fx, fy, cx, cy = (scale * (v + 0.5 * (i > 1)) for i, v in enumerate(values))
    (folder / "calibration.txt").write_text(numbers([fx, fy, cx - 0.5, cy - 0.5]))


def write_polycam(folder: Path, frames: dict) -> None:
    width, height, fx, fy, cx, cy = camera_of(frames)
    camera = {"fx": fx, "fy": fy, "cx": cx + 0.5, "cy": cy + 0.5}
    camera |= {"width": width, "height": height, "blur_score": 104.3}
    place = folder / "keyframes"
    for i, (rgb, depth, label, pose) in enumerate(stacked(frames)):
        stem = 7213000000 + i
        write_photo(place / "corrected_images" / f"{stem}.jpg", rgb, label, folder)
        save_png(place / "depth" / f"{stem}.png", depth)
        save_png(place / "confidence" / f"{stem}.png", np.full_like(label, 255))
        rows = (pose @ FLIP)[:3]
        held = {f"t_{r}{c}": rows[r, c] for r in range(3) for c in range(4)}
        for name in ("corrected_cameras", "cameras"):
            path = place / name / f"{stem}.json"
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps(held | camera | {"timestamp": stem}))
    (folder / "mesh_info.json").write_text("{}")


def write_record3d(folder: Path, frames: dict) -> None:
    width, height, fx, fy, cx, cy = camera_of(frames)
    poses = []
    for i, (rgb, depth, label, pose) in enumerate(stacked(frames)):
        write_photo(folder / "rgb" / f"{i}.jpg", rgb, label, folder)
        path = folder / "depth" / f"{i}.npy"  # as the app's EXR, which is an extra
        path.parent.mkdir(exist_ok=True)
        np.save(path, depth.astype(np.float32) / 1000)
        turn = Rotation.from_matrix((pose @ FLIP)[:3, :3]).as_quat()
        poses.append([*turn.tolist(), *pose[:3, 3].tolist()])
    matrix = [fx, 0, 0, 0, fy, 0, cx + 0.5, cy + 0.5, 1]
    info = {"w": width, "h": height, "K": matrix, "poses": poses, "fps": 60}
    (folder / "metadata.json").write_text(json.dumps(info))


def write_stray(folder: Path, frames: dict) -> None:
    """The video is encoded without losses."""
    width, height, fx, fy, cx, cy = camera_of(frames)
    codec = cv2.VideoWriter.fourcc(*"FFV1")
    video = cv2.VideoWriter(str(folder / "rgb.avi"), codec, 30, (width, height))
    rows = ["timestamp, frame, x, y, z, qx, qy, qz, qw"]
    for i, (rgb, depth, label, pose) in enumerate(stacked(frames)):
        video.write(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
        save_png(folder / "depth" / f"{i:06d}.png", depth)
        save_png(folder / "confidence" / f"{i:06d}.png", np.full_like(label, 2))
        save_png(folder / "semantic" / f"{i:06d}.png", label)
        turn = Rotation.from_matrix(pose[:3, :3]).as_quat()
        values = numbers([*pose[:3, 3], *turn]).replace(" ", ", ")
        rows.append(f"{i / 30}, {i:06d}, {values}")
    video.release()
    (folder / "rgb.avi").rename(folder / "rgb.mp4")
    (folder / "odometry.csv").write_text("\n".join(rows) + "\n")
    lines = [f"{fx}, 0.0, {cx + 0.5}", f"0.0, {fy}, {cy + 0.5}", "0.0, 0.0, 1.0"]
    (folder / "camera_matrix.csv").write_text("\n".join(lines))


def write_arkitscenes(folder: Path, frames: dict) -> None:
    place = folder / "47333462_frames"
    width, height, fx, fy, cx, cy = camera_of(frames)
    lines = []
    for i, (rgb, depth, label, pose) in enumerate(stacked(frames)):
        time = 362.1 + i
        name = f"47333462_{time:.3f}"
        write_photo(place / "lowres_wide" / f"{name}.png", rgb, label, folder)
        save_png(place / "lowres_depth" / f"{name}.png", depth)
        path = place / "lowres_wide_intrinsics" / f"47333462_{time + 0.001:.3f}.pincam"
        path.parent.mkdir(exist_ok=True)
        path.write_text(numbers([width, height, fx, fy, cx + 0.5, cy + 0.5]))
        inverse = np.linalg.inv(pose)
        turn = Rotation.from_matrix(inverse[:3, :3]).as_rotvec()
        lines.append(f"{time + 0.0004} {numbers([*turn, *inverse[:3, 3]])}")
    (place / "lowres_wide.traj").write_text("\n".join(lines) + "\n")


# Folder and layout -> what writes it.
WRITERS = {
    "sensreader": write_sensreader,
    "tum": write_tum,
    "nice_slam": write_nice_slam,
    "polycam": write_polycam,
    "record3d": write_record3d,
    "stray": write_stray,
    "arkitscenes": write_arkitscenes,
}


def write(name: str, folder: Path, frames: dict) -> None:
    """Writes frames and a class list in a layout."""
    folder.mkdir(parents=True, exist_ok=True)
    WRITERS[name](folder, frames)
    write_classes(folder)
