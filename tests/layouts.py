"""Writes frames in every layout that alsem reads, for tests.

Frames are those of `captures.random_frames`, or others in the same form.
"""

import io
import json
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
from captures import CLASSES, save_png, write_capture
from PIL import Image
from scipy.spatial.transform import Rotation

# Folder of `write_all` -> its layout.
SOURCES = {
    "replica": "replica",
    "nerfstudio": "nerfstudio",
    "bin": "colmap",
    "txt": "colmap",
    "files": "scannet",
    "sens": "scannet",
}
FLIP = np.diag([1.0, -1.0, -1.0, 1.0])  # OpenCV's camera axes to OpenGL's and back
RAW = {"wall": 21, "chair": 1001, "lamp": 40000}  # raw ids of ScanNet's label images


def write_all(folder: Path, frames: dict) -> dict:
    """Writes the same frames in the folders of `SOURCES`, and returns them.

    ScanNet's photographs are JPEGs; those of all layouts are what these decode to.
    """
    for name in SOURCES:
        (folder / name).mkdir()
    write_scannet(folder / "files", frames)
    write_scannet(folder / "sens", frames, recording=True)
    frames = {
        name: held | {"rgb": np.stack([decoded(rgb) for rgb in held["rgb"]])}
        for name, held in frames.items()
    }
    write_capture(folder / "replica", frames)
    write_nerfstudio(folder / "nerfstudio", frames)
    write_colmap(folder / "bin", frames, binary=True)
    write_colmap(folder / "txt", frames, binary=False)
    for name in ("nerfstudio", "bin", "txt"):
        write_classes(folder / name)
    return frames


def write_classes(folder: Path) -> None:
    """Writes ``classes.txt``."""
    lines = [f"{i} {name}" for name, i in CLASSES.items()]
    (folder / "classes.txt").write_text("\n".join(lines) + "\n")


def write_nerfstudio(folder: Path, frames: dict) -> None:
    """Writes ``transforms.json`` and its images."""
    height, width = next(iter(frames.values()))["rgb"].shape[1:3]
    info: dict = {"camera_model": "OPENCV", "w": width, "h": height, "frames": []}
    info |= {"fl_x": width / 2, "fl_y": width / 2, "cx": width / 2, "cy": height / 2}
    kinds = {"": "rgb", "depth_": "depth", "semantic_": "label"}
    for sequence, held in frames.items():
        for i, pose in enumerate(held["pose"]):
            frame = {"transform_matrix": (pose @ FLIP).tolist()}
            for prefix, kind in kinds.items():
                path = frame[f"{prefix}file_path"] = f"{kind}/{sequence}/{i}.png"
                save_png(folder / path, held[kind][i])
            info["frames"].append(frame)
    (folder / "transforms.json").write_text(json.dumps(info))


def write_colmap(folder: Path, frames: dict, *, binary: bool) -> None:
    """Writes a sparse model with 50 points and its images."""
    height, width = next(iter(frames.values()))["rgb"].shape[1:3]
    camera = (width, height, width / 2, width / 2, width / 2, height / 2)
    images = []
    for sequence, held in frames.items():
        for i, pose in enumerate(held["pose"]):
            name = f"{sequence}/{i}.png"
            save_png(folder / "images" / name, held["rgb"][i])
            save_png(folder / "depth" / name, held["depth"][i])
            save_png(folder / "semantic" / name, held["label"][i])
            turn = Rotation.from_matrix(pose[:3, :3].T)
            shift = -turn.apply(pose[:3, 3])
            images.append((name, *turn.as_quat()[[3, 0, 1, 2]], *shift))
    points = np.random.default_rng(0).uniform(-3, 3, (50, 3))
    model = folder / "sparse" / "0"
    model.mkdir(parents=True)
    write = write_binary_model if binary else write_text_model
    write(model, camera, images, points)


def write_binary_model(model: Path, camera, images, points) -> None:
    """Writes COLMAP's binary files, with the camera model PINHOLE."""
    (model / "cameras.bin").write_bytes(struct.pack("<QiiQQ4d", 1, 7, 1, *camera))
    data = struct.pack("<Q", len(images))
    for i, (name, *pose) in enumerate(images):
        data += struct.pack("<i7di", i + 1, *pose, 7) + name.encode() + b"\0"
        data += struct.pack("<Q", i % 3) + struct.pack("<ddq", 1, 2, -1) * (i % 3)
    (model / "images.bin").write_bytes(data)
    data = struct.pack("<Q", len(points))
    for i, point in enumerate(points):
        data += struct.pack("<Q3d3BdQ", i, *point, 1, 2, 3, 0.5, i % 4)
        data += struct.pack("<ii", 1, 2) * (i % 4)
    (model / "points3D.bin").write_bytes(data)


def write_text_model(model: Path, camera, images, points) -> None:
    """Writes COLMAP's text files, with the camera model OPENCV and no distortion."""
    words = " ".join(map(str, camera))
    text = f"# cameras\n7 OPENCV {words} 0.0 0.0 0.0 0.0\n"
    (model / "cameras.txt").write_text(text)
    text = "# images\n# two lines each\n"
    for i, (name, *pose) in enumerate(images):
        text += f"{i + 1} {numbers(pose)} 7 {name}\n"
        text += "1.5 2.5 -1\n" if i % 2 else "\n"
    (model / "images.txt").write_text(text)
    rows = [f"{i} {numbers(point)} 1 2 3 0.5 1 2" for i, point in enumerate(points)]
    (model / "points3D.txt").write_text("\n".join(["# points", *rows]))


def numbers(values) -> str:
    """Numbers with all their digits."""
    return " ".join(repr(float(value)) for value in values)


def write_scannet(
    folder: Path,
    frames: dict,
    *,
    recording: bool = False,
    size: tuple[int, int] | None = None,
    lost: tuple[int, ...] = (),
) -> None:
    """Writes all frames as single images or as a recording.

    Photographs and labels have another ``size`` than depth, and ``lost`` frames a
    pose that is not finite.
    """
    rgb, depth, label, poses = (
        np.concatenate([held[key] for held in frames.values()])
        for key in ("rgb", "depth", "label", "pose")
    )
    high, wide = depth.shape[1:]
    width, height = size or (wide, high)
    rgb = np.stack([cv2.resize(image, (width, height)) for image in rgb])
    raw = np.zeros(256, np.uint16)
    raw[[CLASSES[name] for name in RAW]] = list(RAW.values())
    label = raw[label].repeat(height // high, 1).repeat(width // wide, 2)
    poses[list(lost)] = -np.inf
    for i, ids in enumerate(label):
        labels = folder / f"{folder.name}_2d-label-filt" / "label-filt"
        save_png(labels / f"{i}.png", ids)
    focal = (wide / 2) * (width / wide)
    camera = {"fx_color": focal, "fy_color": focal}
    camera |= {"mx_color": (width - 1) / 2, "my_color": (height - 1) / 2}
    sizes = {"colorWidth": width, "colorHeight": height}
    sizes |= {"depthWidth": wide, "depthHeight": high}
    lines = [f"{key} = {value}" for key, value in (sizes | camera).items()]
    text = "\n".join([*lines, "sceneType = Apartment", ""])
    (folder / f"{folder.name}.txt").write_text(text)
    if recording:
        matrix = np.eye(4)
        matrix[[0, 1, 0, 1], [0, 1, 2, 2]] = tuple(camera.values())
        write_sens(folder / f"{folder.name}.sens", matrix, rgb, depth, poses)
    else:
        write_renders(folder / "renders", rgb, depth, poses)
    (folder / "scannetv2-labels.combined.tsv").write_text(
        "id\traw_category\tcategory\tcount\tnyu40id\teigen13id\tnyuClass\n"
        "21\twall\twall\t7\t1\t12\twall\n"
        "1001\toffice chair\tchair\t5\t5\t4\tchair\n"
        "40000\tlamp\tlamp\t2\t35\t7\tlamp\n"
        "5\tthing\tthing\t1\t\t\t\n"
    )


def write_renders(folder: Path, rgb, depth, poses) -> None:
    """Writes photographs, depth and poses as single files."""
    (folder / "color").mkdir(parents=True)
    (folder / "pose").mkdir()
    for i, pose in enumerate(poses):
        (folder / "color" / f"{i}.jpg").write_bytes(jpeg_bytes(rgb[i]))
        save_png(folder / "depth" / f"{i}.png", depth[i])
        (folder / "pose" / f"{i}.txt").write_text("\n".join(map(numbers, pose)))


def write_sens(path: Path, intrinsics, rgb, depth, poses) -> None:
    """Writes a recording: JPEG colour, zlib-compressed depth in millimetres."""
    eye = np.eye(4)
    data = struct.pack("<IQ", 4, 6) + b"StrSen"
    for matrix in (intrinsics, eye, intrinsics, eye):
        data += struct.pack("<16f", *np.ravel(matrix))
    sides = (*rgb.shape[2:0:-1], *depth.shape[2:0:-1])
    data += struct.pack("<ii4IfQ", 2, 1, *sides, 1000.0, len(rgb))
    for i, pose in enumerate(poses):
        colour, packed = jpeg_bytes(rgb[i]), zlib.compress(depth[i].tobytes())
        data += struct.pack("<16f", *np.ravel(pose))
        data += struct.pack("<4Q", i, i, len(colour), len(packed)) + colour + packed
    data += struct.pack("<Q", 0)  # no inertial frames
    path.write_bytes(data)


def jpeg_bytes(rgb: np.ndarray) -> bytes:
    """A JPEG file of uint8 ``[h w 3]``."""
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, format="JPEG", quality=95, subsampling=0)
    return file.getvalue()


def decoded(rgb: np.ndarray) -> np.ndarray:
    """The image after compression as JPEG."""
    return np.asarray(Image.open(io.BytesIO(jpeg_bytes(rgb))))
