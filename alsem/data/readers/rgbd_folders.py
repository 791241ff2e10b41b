"""Reads SensReader's exports, 7-Scenes and NICE-SLAM's renderings of Replica.

Poses are camera-to-world with OpenCV axes, in metres. ``semantic/`` and ``mask/`` may
hold labels and masks, named like the photographs.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from alsem.core.errors import InputError
from alsem.core.types import Intrinsics
from alsem.data.camera_models import Lens, lens_for
from alsem.data.capture import Capture
from alsem.data.depth_images import ENDINGS, depth_image
from alsem.data.image_io import PHOTO_KINDS, photograph
from alsem.data.poses import checked_pose, is_lost, read_matrix, read_trajectory
from alsem.data.readers import posed_photos
from alsem.data.readers.photos import Photo, image_beside, with_own_images
from alsem.data.text_files import number, numbers, positive, read_json, read_rows

# Replica's cameras in NICE-SLAM's renderings, where cam_params.json is not there.
_REPLICA = {"w": 1200.0, "h": 680.0, "fx": 600.0, "fy": 600.0}
_REPLICA_CENTRE = {"cx": 599.5, "cy": 339.5}
_REPLICA_SCALE = 6553.5  # depth units per metre
_SEVEN_SCENES = "frame-*.color.[pj][np]g"  # PNG; JPEG in copies
# 7-Scenes gives 585 pixels for depth; 525 is the Kinect's own value for colour.
_KINECT = {"colour": 525.0, "depth": 585.0}


def is_sensreader(folder: Path) -> bool:
    """Whether a folder has the folders of SensReader's export."""
    return (folder / "color").is_dir() and (folder / "pose").is_dir()


def read_sensreader(root: Path, scene: str, class_lines: Sequence[str] = ()) -> Capture:
    """Lists the frames that ScanNet's SensReader exports.

    ``color/<i>.jpg``, ``depth/<i>.png`` (16-bit, millimetres), ``pose/<i>.txt`` and
    ``intrinsic/intrinsic_color.txt`` and ``intrinsic_depth.txt`` (3x3 or 4x4). Depth is
    resampled from its own camera to that of the photographs.

    Args:
        root: Folder of scenes, or the scene itself if ``scene`` is empty.
        scene: Name of the scene's folder.
        class_lines: Classes as `classes.from_lines` reads them; when empty they are
            those of ``classes.txt`` in the folder.

    Raises:
        InputError: A file is missing or malformed.
    """
    folder = root / scene
    photos = _photographs(folder / "color")
    cameras = [folder / "intrinsic", folder]
    colour = _read_camera(_first(cameras, "intrinsic_color.txt"), photos[0])
    depths = [image_beside([folder / "depth"], path.name, ENDINGS) for path in photos]
    depth_lens = None
    for depth in depths:
        given = [each for each in cameras if (each / "intrinsic_depth.txt").is_file()]
        if depth is not None and depth.is_file() and given:
            depth_lens = _read_camera(given[0] / "intrinsic_depth.txt", depth)
            break
    listed = []
    for path, depth in zip(photos, depths, strict=True):
        place = folder / "pose" / f"{path.stem}.txt"
        photo = Photo(
            name=path.name,
            path=path,
            world_from_cam=_pose(place) if place.is_file() else None,
            lens=lambda *size: lens_for(colour, "intrinsic_color.txt", *size),
            depth=depth,
            depth_lens=depth_lens,
        )
        listed.append(with_own_images(folder, photo))
    doubts = [
        f"{folder / name}: ScanNet's raw labels are not read here; put color, depth and"
        " pose into renders/, with SCENE.txt and ScanNet's label table, to read them"
        for name in ("label", "label-filt")
        if (folder / name).is_dir()
    ]
    return posed_photos.read_photos(
        root, scene, class_lines, folder / "color", listed, doubts=doubts
    )


def is_seven_scenes(folder: Path) -> bool:
    """Whether a folder holds sequences of 7-Scenes, or is one."""
    return any(any(folder.glob(f"{at}{_SEVEN_SCENES}")) for at in ("seq-*/", ""))


def read_seven_scenes(
    root: Path, scene: str, class_lines: Sequence[str] = ()
) -> Capture:
    """Lists the frames of a scene of 7-Scenes.

    ``seq-01/frame-000000.color.png`` (or ``.jpg``), ``.depth.png`` (16-bit,
    millimetres, 65535 for none) and ``.pose.txt``. Sequences are ``frames`` (all),
    ``seq-01`` and so on, and ``train`` and ``test`` where ``TrainSplit.txt`` and
    ``TestSplit.txt`` are there.
    Arguments and errors are those of `read_sensreader`.
    """
    folder = root / scene
    listed: list[Photo] = []
    for path in sorted(folder.rglob(_SEVEN_SCENES)):
        start = path.name[: -len("color.png")]
        depth, pose = (path.with_name(start + e) for e in ("depth.png", "pose.txt"))
        photo = Photo(
            name=path.relative_to(folder).as_posix(),
            path=path,
            world_from_cam=_pose(pose) if pose.is_file() else None,
            lens=lambda *size: Lens(_centred(size, _KINECT["colour"])),
            depth=depth if depth.is_file() else None,
            depth_lens=Lens(_centred((640, 480), _KINECT["depth"])),
        )
        listed.append(with_own_images(folder, photo))
    named = {}
    for name in ("train", "test"):
        path = folder / f"{name.capitalize()}Split.txt"
        if path.is_file():
            chosen = [_sequence(*row) for row in read_rows(path, "it lists sequences")]
            named[name] = [p.name for p in listed if p.name.split("/")[0] in chosen]
    doubts = [
        f"{folder}: 7-Scenes has no colour calibration; {_KINECT['colour']:g}"
        f" pixels are assumed, {_KINECT['depth']:g} for depth"
    ]
    doubts += [
        f"{path}: not read, for it does not say whose camera it is"
        for path in sorted(folder.rglob("*intrinsic*.txt"))
    ]
    return posed_photos.read_photos(
        root,
        scene,
        class_lines,
        folder,
        listed,
        named={name: names for name, names in named.items() if names},
        doubts=doubts,
    )


def is_nice_slam(folder: Path) -> bool:
    """Whether a folder is a scene of NICE-SLAM's Replica."""
    return (folder / "traj.txt").is_file() and (folder / "results").is_dir()


def read_nice_slam(root: Path, scene: str, class_lines: Sequence[str] = ()) -> Capture:
    """Lists the frames of NICE-SLAM's renderings of Replica.

    ``results/frame000000.jpg``, ``results/depth000000.png`` (16 bits), ``traj.txt`` (16
    numbers a frame) and, in the folder or above it, ``cam_params.json`` with the camera
    and the depth units per metre; 6553.5 without it. Arguments and errors are those of
    `read_sensreader`.
    """
    folder = root / scene
    path = _first([folder, folder.resolve().parent], "cam_params.json")
    held = read_json(path) if path.is_file() else {}
    held = held.get("camera", held)
    if not isinstance(held, dict):
        raise InputError(f"{path}: 'camera' is no object; copy it again")
    w, h, *focal = (positive(held, k, path, v) for k, v in _REPLICA.items())
    centre = (number(held, k, path, v) for k, v in _REPLICA_CENTRE.items())
    lens = Lens(Intrinsics(int(w), int(h), *focal, *centre))
    photos = [
        each
        for each in _photographs(folder / "results")
        if each.name.startswith("frame")
    ]
    poses = read_trajectory(folder / "traj.txt")
    if len(poses) != len(photos):
        raise InputError(
            f"{folder / 'traj.txt'}: {len(poses)} poses for {len(photos)} photographs"
            f" in {folder / 'results'}; copy both again"
        )
    listed = []
    for each, pose in zip(photos, poses, strict=True):
        depth = each.with_name(f"depth{each.stem.removeprefix('frame')}.png")
        photo = Photo(
            name=each.name,
            path=each,
            world_from_cam=pose if np.isfinite(pose).all() else None,
            lens=lambda *size: lens_for(lens, f"{path}", *size),
            depth=depth if depth.is_file() else None,
        )
        listed.append(with_own_images(folder, photo))
    return posed_photos.read_photos(
        root,
        scene,
        class_lines,
        folder / "traj.txt",
        listed,
        depth_scale=positive(held, "scale", path, _REPLICA_SCALE),
    )


def _photographs(folder: Path) -> list[Path]:
    """The photographs of a folder; raises `InputError` if there is none."""
    paths = folder.iterdir() if folder.is_dir() else ()
    found = sorted(path for path in paths if path.suffix.lower() in PHOTO_KINDS)
    if not found:
        raise InputError(f"{folder}: holds no photograph; export them there")
    return found


def _first(folders: Sequence[Path], name: str) -> Path:
    """The file in the first folder that has it, else in the first."""
    paths = [folder / name for folder in folders]
    return next((path for path in paths if path.is_file()), paths[0])


def _pose(path: Path) -> np.ndarray | None:
    """The pose in a file; None where tracking was lost."""
    pose = read_matrix(path)
    lost = is_lost(pose[:3, :3], pose[:3, 3])
    return None if lost else checked_pose(pose, f"{path}")


def _read_camera(path: Path, image: Path) -> Lens:
    """The camera of a 3x3 or 4x4 matrix for the size of an image."""
    rows = [
        numbers(where, words, 3)
        for where, words in read_rows(path, "it holds the camera, export it too")
    ]
    is_depth = path.name == "intrinsic_depth.txt"
    width, height = (depth_image(image, 1.0) if is_depth else photograph(image)).size()
    if len(rows) not in (3, 4):
        raise InputError(f"{path}: {len(rows)} rows; write a 3x3 or 4x4 matrix")
    (fx, _, cx), (_, fy, cy) = rows[:2]
    if not (0.25 < cx / width < 0.75 and 0.25 < cy / height < 0.75 and fx > 0 < fy):
        raise InputError(
            f"{path}: focal length {fx:g} {fy:g}, centre {cx:g} {cy:g} are not of"
            f" {image.name} with {width} x {height} pixels; give the matrix of its size"
        )
    return Lens(Intrinsics(width, height, fx, fy, cx, cy))


def _centred(size: tuple, focal: float) -> Intrinsics:
    """A camera of 640 x 480 pixels with a focal length, for another size."""
    lens = Lens(Intrinsics(640, 480, focal, focal, 320.0, 240.0))
    return lens_for(lens, "7-Scenes", *size).camera


def _sequence(where: str, words: list[str]) -> str:
    """The folder of a line like ``sequence1``."""
    digits = "".join(filter(str.isdigit, words[0]))
    if not digits:
        raise InputError(f"{where}: {words[0]!r} is no sequence; write 'sequence1'")
    return f"seq-{int(digits):02d}"
