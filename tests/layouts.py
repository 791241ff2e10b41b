"""Writes the frames of `captures.write_capture` in the other layouts."""

import io
import json
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
from captures import CLASSES, save_png
from PIL import Image
from scipy.spatial.transform import Rotation

FLIP = np.diag([1.0, -1.0, -1.0, 1.0])  # OpenCV's camera axes to OpenGL's and back


def write_nerfstudio(folder: Path, written: dict, **changes) -> dict:
    """Writes ``transforms.json``, its images and ``classes.txt``; returns the JSON.

    Args:
        folder: The capture's folder.
        written: What `captures.write_capture` returned.
        changes: Keys of the JSON to set.
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


RAW = {"wall": 21, "chair": 1001, "lamp": 40000}  # raw ids of ScanNet's label images


def write_scannet(
    folder: Path,
    written: dict,
    *,
    recording: bool = False,
    size: tuple[int, int] | None = None,
    lost: tuple[int, ...] = (),
) -> np.ndarray:
    """Writes all frames in ScanNet's layout; returns the photographs as written.

    Args:
        folder: The scene's folder.
        written: What `captures.write_capture` returned.
        recording: Whether to write a ``.sens`` file in place of single images.
        size: Width and height of photographs and labels; depth's if None.
        lost: Frames to write with a pose that is not finite.
    """
    held = {
        key: np.concatenate([h[key] for h in written.values()])
        for key in ("rgb", "depth", "label", "pose")
    }
    frames, high, wide = held["depth"].shape
    width, height = size or (wide, high)
    rgb = np.stack([cv2.resize(x, (width, height)) for x in held["rgb"]])
    raw = np.zeros(256, np.uint16)
    raw[[CLASSES[name] for name in RAW]] = list(RAW.values())
    label = raw[held["label"]].repeat(height // high, 1).repeat(width // wide, 2)
    poses = np.round(held["pose"], 9)
    poses[list(lost)] = -np.inf
    focal = (wide / 2) * (width / wide)
    centre = ((width - 1) / 2, (height - 1) / 2)
    for i in range(frames):
        path = folder / f"{folder.name}_2d-label-filt" / "label-filt" / f"{i}.png"
        save_png(path, label[i])
        if recording:
            continue
        for kind in ("color", "depth", "pose"):
            (folder / "renders" / kind).mkdir(parents=True, exist_ok=True)
        path = folder / "renders" / "color" / f"{i}.jpg"
        path.write_bytes(jpeg_bytes(rgb[i]))
        save_png(folder / "renders" / "depth" / f"{i}.png", held["depth"][i])
        rows = [" ".join(map(repr, map(float, row))) for row in poses[i]]
        (folder / "renders" / "pose" / f"{i}.txt").write_text("\n".join(rows))
    sizes = {"colorWidth": width, "colorHeight": height}
    sizes |= {"depthWidth": wide, "depthHeight": high}
    camera = {"fx_color": focal, "fy_color": focal}
    camera |= dict(zip(("mx_color", "my_color"), centre, strict=True))
    lines = [f"{key} = {value}" for key, value in (sizes | camera).items()]
    text = "\n".join([*lines, "sceneType = Apartment", ""])
    (folder / f"{folder.name}.txt").write_text(text)
    if recording:
        matrix = np.eye(4)
        matrix[[0, 1, 0, 1], [0, 1, 2, 2]] = (focal, focal, *centre)
        path = folder / f"{folder.name}.sens"
        write_sens(path, matrix, rgb, held["depth"], poses)
    (folder / "scannetv2-labels.combined.tsv").write_text(
        "id\traw_category\tcategory\tcount\tnyu40id\teigen13id\tnyuClass\n"
        "21\twall\twall\t7\t1\t12\twall\n"
        "1001\toffice chair\tchair\t5\t5\t4\tchair\n"
        "40000\tlamp\tlamp\t2\t35\t7\tlamp\n"
        "5\tthing\tthing\t1\t\t\t\n"
    )
    return np.stack([decoded(x) for x in rgb])


def jpeg_bytes(rgb: np.ndarray) -> bytes:
    """A JPEG file of uint8 ``[h w 3]``."""
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, format="JPEG", quality=95, subsampling=0)
    return file.getvalue()


def decoded(rgb: np.ndarray) -> np.ndarray:
    """The image after compression as JPEG."""
    return np.asarray(Image.open(io.BytesIO(jpeg_bytes(rgb))))


def write_sens(path: Path, intrinsics, rgb, depth, poses) -> None:
    """Writes a recording: JPEG colour, zlib-compressed depth in millimetres."""
    eye = np.eye(4)
    data = struct.pack("<IQ", 4, 6) + b"StrSen"
    for matrix in (intrinsics, eye, intrinsics, eye):
        data += struct.pack("<16f", *np.ravel(matrix))
    sides = (*rgb.shape[2:0:-1], *depth.shape[2:0:-1])
    data += struct.pack("<ii4IfQ", 2, 1, *sides, 1000.0, len(rgb))
    for i in range(len(rgb)):
        colour, packed = jpeg_bytes(rgb[i]), zlib.compress(depth[i].tobytes())
        data += struct.pack("<16f", *np.ravel(poses[i]))
        data += struct.pack("<4Q", i, i, len(colour), len(packed)) + colour + packed
    data += struct.pack("<Q", 0)  # no inertial frames
    path.write_bytes(data)
