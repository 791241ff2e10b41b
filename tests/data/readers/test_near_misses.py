"""A folder in no known layout is told what it holds and what is in the way."""

import shutil

import captures
import numpy as np
import pytest
from PIL import Image

from alsem.data.readers.registry import detect


@pytest.mark.parametrize(
    ("paths", "reason"),
    [
        (
            ["a.mp4"],
            "a.mp4 is a video without poses; find them by python -m alsem.rec",
        ),
        (["a.jpg", "b.JPG"], "2 photographs in {}, but no poses; find them by python"),
        (["shots/a.heic", "shots/b.heic"], "--images={}/shots --out=CAPTURE"),
        (["color/0.jpg"], "pose is missing; export the poses"),
        (["pose/0.txt"], "color is missing"),
        (["results/frame000000.jpg"], "traj.txt is missing"),
        (["rgb.txt", "depth.txt"], "groundtruth.txt is missing"),
        (["my_transforms.json"], "name it transforms.json"),
        (
            ["sparse/0/cameras.bin"],
            "sparse/0 has the cameras of a COLMAP model, but",
        ),
        (["database.db"], "run its mapper"),
        (["a.r3d"], "it holds a .r3d file; unpack it"),
        (["rgb/rgb_0.png", "traj_w_c.txt"], "give the folder above it"),
        (["notes.txt"], "convert it"),
        (["a/sparse/0/images.bin", "b/transforms.json"], "give one: a, b"),
        ([], "convert it"),
    ],
)
def test_what_is_in_the_way(tmp_path, paths, reason):
    for path in paths:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    error = captures.input_error(detect, tmp_path)
    assert error.startswith(f"{tmp_path}: no capture")
    assert reason.format(tmp_path) in error


def test_folders_of_the_replica_layout_that_are_not_read(copy_of):
    room = copy_of("replica")
    for name in ("masks", "mono_depth", "features"):
        (room / captures.TRAIN / name).mkdir()
        (room / captures.TRAIN / name / "0.png").touch()
    (doubt,) = captures.openers()[0](room)[0].doubts
    where = room / captures.TRAIN
    assert doubt.startswith(f"{where}: features/, masks/, mono_depth/ not read")


def test_replica_layout_of_jpegs(copy_of):
    room = copy_of("replica")
    open_room, error_of = captures.openers(source="auto")
    for path in room.glob("*/rgb/*.png"):
        ending = ".webp" if path.stem.endswith("1") else ".jpg"
        with Image.open(path) as image:
            image.save(path.with_suffix(ending), quality=100)
        path.unlink()
    scene = open_room(room)[0]
    assert len(scene.train.names) == 4 and scene.train.rgb.std() > 10
    path = room / captures.TRAIN / "rgb" / "rgb_3.jpg"
    shutil.copy(path, path.with_suffix(".png"))
    assert "frame 3 is there twice" in error_of(room)
    assert np.isfinite(scene.train.world_from_cam).all()
