"""`check_capture` reports the contents of a capture and everything wrong with it."""

import json
import re
import shutil

import captures
import layouts
import numpy as np
import pytest
from captures import TEST, TRAIN, save_png
from PIL import Image, ImageFilter

from alsem.core.errors import ErrorCollector
from alsem.data import checks
from alsem.data.checks.frame_statistics import read_statistics
from alsem.data.writers import convert
from alsem.rooms import write_room

FLIP = np.diag([1.0, -1.0, -1.0, 1.0])


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rooms")
    size = {"width": 64, "height": 48, "train_frames": 20, "test_frames": 4}
    return write_room(folder, seed=3, **size)


@pytest.fixture
def room(pristine, tmp_path):
    """A copy of a good capture, to be changed."""
    return shutil.copytree(pristine, tmp_path / "room")


def text_of(report):
    return "\n".join(checks.summary_lines(report))


def change_poses(room, change):
    for name in (TRAIN, TEST):
        path = room / name / "traj_w_c.txt"
        captures.write_poses(path, change(np.loadtxt(path).reshape(-1, 4, 4)))


def change_depth(room, change):
    for path in room.glob("*/depth/depth_*.png"):
        with Image.open(path) as image:
            depth = np.round(np.minimum(change(np.array(image)), 65535))
        save_png(path, depth.astype(np.uint16))


def test_good_capture(pristine):
    report = checks.check_capture(pristine)
    assert report.source == "replica"
    assert report.fatal == []
    assert report.agreement.fraction > 0.8
    text = text_of(report)
    assert "24 (Sequence_1 20, Sequence_2 4)" in text
    assert "64 x 48 pixels" in text
    assert "fx 32.00" in text
    depth = [
        np.asarray(Image.open(p)) / 1000 for p in pristine.glob("*/depth/depth_*.png")
    ]
    known = np.concatenate([d[d > 0] for d in depth])
    assert f"{known.min():.2f} to {known.max():.2f} m" in text
    labels = np.stack(
        [np.asarray(Image.open(p)) for p in pristine.glob("*/*/semantic_class_*.png")]
    )
    wall = json.loads((pristine / "info.json").read_text())["classes"]["wall"]["id"]
    assert re.search(rf"{wall} wall +{(labels == wall).mean():.3%}", text)
    assert "It can be trained on" in text


def test_scale_undoes_a_larger_unit(room, pristine):
    def double(poses):
        poses[:, :3, 3] *= 2
        return poses

    change_poses(room, double)
    change_depth(room, lambda depth: 2.0 * depth)
    reports = [
        checks.check_capture(room, scale=0.5),
        checks.check_capture(pristine),
    ]
    texts = [list(checks.summary_lines(report))[1:] for report in reports]
    assert len(texts[0]) > 5 and texts[0] == texts[1]


def test_few_frames_have_thumbnails(room):
    report = checks.check_capture(room)
    assert all(each.thumbnail is not None for each in report.all_statistics)
    records = 3 * report.sequences[TRAIN]
    many = read_statistics(report.capture, records, ErrorCollector())
    assert sum(each.thumbnail is not None for each in many) == 20


# Poses and depth


def multiply_by_ray_length(depth):
    row, col = np.mgrid[:48, :64]
    return depth * np.sqrt(((col - 31.5) / 32) ** 2 + ((row - 23.5) / 32) ** 2 + 1)


WRONG_CONVENTION = {
    "OpenGL axes": (
        change_poses,
        lambda poses: poses @ FLIP,
        "axes are OpenGL's",
    ),
    "world to camera": (change_poses, np.linalg.inv, "are world-to-camera: invert"),
    "world to camera, OpenGL axes": (
        change_poses,
        lambda poses: np.linalg.inv(poses @ FLIP),
        "with OpenGL's axes: invert",
    ),
    "5000 a metre": (change_depth, lambda d: 5.0 * d, "too large by 5 times"),
    "100 a metre": (change_depth, lambda d: 0.1 * d, "too small by 10 times"),
    "along rays": (change_depth, multiply_by_ray_length, "along the rays: divide"),
}


@pytest.mark.parametrize("case", WRONG_CONVENTION)
def test_wrong_convention_is_named(room, case):
    apply, change, remedy = WRONG_CONVENTION[case]
    apply(room, change)
    report = checks.check_capture(room)
    (error,) = report.fatal
    assert remedy in error
    assert report.agreement.fraction < 0.5


def test_rotating_camera_gives_no_remedy_for_scale(room):
    def rotate_only(poses):
        poses[:, :3, 3] = poses[0, :3, 3] + 1e-4 * poses[:, :3, 3]
        return poses @ FLIP

    change_poses(room, rotate_only)
    report = checks.check_capture(room)
    assert not any("depth scale" in line for line in report.fatal)


def test_random_poses_are_doubtful(room):
    draw = np.random.default_rng(0)
    change_poses(room, lambda poses: [captures.random_pose(draw) for _ in poses])
    report = checks.check_capture(room)
    assert any("check poses, camera and depth" in line for line in report.doubtful)


# Fatal errors


def test_all_errors_are_listed_in_one_pass(room):
    (room / TRAIN / "rgb" / "rgb_3.png").write_bytes(b"not an image")
    (room / TRAIN / "depth" / "depth_5.png").unlink()
    Image.new("RGB", (64, 48)).save(room / TEST / "depth" / "depth_1.png")
    trajectory = room / TRAIN / "traj_w_c.txt"
    lines = trajectory.read_text().splitlines()
    lines[2], lines[7] = "1 2 3", lines[7].replace(" ", " nan ", 1)
    trajectory.write_text("\n".join(lines) + "\n")
    text = "\n".join(checks.check_capture(room).fatal)
    for part in ("rgb_3.png", "depth_5.png", "c.txt line 3", "c.txt line 8"):
        assert part in text
    captures.write_poses(trajectory, np.eye(4)[None].repeat(20, 0))
    text = "\n".join(checks.check_capture(room).fatal)
    assert all(part in text for part in ("rgb_3.png", "depth_5.png", "depth_1.png"))


def test_wrong_camera_and_damaged_image_are_reported_together(room):
    info = json.loads((room / "info.json").read_text()) | {"width": 640}
    (room / "info.json").write_text(json.dumps(info))
    path = room / TRAIN / "rgb" / "rgb_3.png"
    path.write_bytes(path.read_bytes()[:-20])
    text = text_of(checks.check_capture(room))
    assert "width is 640" in text and "rgb_3.png" in text


def test_damage_found_by_decoding(room):
    for number in (2, 9):
        path = room / TRAIN / "depth" / f"depth_{number}.png"
        data = bytearray(path.read_bytes())
        data[data.index(b"IDAT") + 20] ^= 1
        path.write_bytes(data)
    path = room / TRAIN / "semantic_class" / "semantic_class_4.png"
    save_png(path, np.full((48, 64), 200, np.uint8))
    report = checks.check_capture(room)
    assert len(report.fatal) == 3
    assert "holds the id 200" in "\n".join(report.fatal)
    assert len(report.statistics[TRAIN]) == 17


def test_capture_without_depth_labels_and_classes(room):
    for name in (TRAIN, TEST):
        for kind in ("depth", "semantic_class"):
            shutil.rmtree(room / name / kind)
    info = json.loads((room / "info.json").read_text())
    info.pop("classes")
    (room / "info.json").write_text(json.dumps(info))
    report = checks.check_capture(room)
    (error,) = report.fatal
    assert "no other class list" in error
    assert len(report.statistics[TRAIN]) == 20  # everything else is checked
    report = checks.check_capture(room, classes=["1 wall", "2 lamp"])
    text = text_of(report)
    assert report.fatal == []
    assert "none: poses are not checked" in text
    assert "none; 2 classes: wall, lamp" in text


def test_layouts_are_detected(tmp_path):
    written = captures.write_capture(tmp_path / "replica")
    for name in ("scannet", "sens", "empty"):
        (tmp_path / name).mkdir()
    layouts.write_nerfstudio(tmp_path / "nerfstudio", written)
    layouts.write_colmap(tmp_path / "colmap", written, binary=False)
    layouts.write_scannet(tmp_path / "scannet", written)
    layouts.write_scannet(tmp_path / "sens", written, recording=True)
    for name in ("replica", "nerfstudio", "colmap", "scannet"):
        report = checks.check_capture(tmp_path / name)
        assert report.source == name
        # The images are noise, so only poses and depth may be found wrong.
        assert all("agree" in line for line in report.fatal)
        assert len(report.all_statistics) == 15
    report = checks.check_capture(tmp_path / "sens", label_space="nyu13")
    assert report.source == "scannet" and len(report.capture.classes[0]) == 13
    for folder, options, reason in (
        ("colmap", {"label_space": "nyu13"}, "is for ScanNet"),
        ("", {}, "colmap, nerfstudio, replica, scannet, sens"),
        ("empty", {}, "no capture in a known layout"),
        ("nowhere", {}, "no such folder"),
    ):
        (error,) = checks.check_capture(tmp_path / folder, **options).fatal
        assert reason in error


# Doubts


def test_doubtful_photographs(room):
    rgb = room / TRAIN / "rgb"
    shutil.copy(rgb / "rgb_2.png", rgb / "rgb_3.png")
    with Image.open(rgb / "rgb_10.png") as image:
        image.filter(ImageFilter.GaussianBlur(6)).save(rgb / "rgb_10.png")
    with Image.open(rgb / "rgb_15.png") as image:
        save_png(rgb / "rgb_15.png", (np.array(image) * 0.4).astype(np.uint8))
    report = checks.check_capture(room)
    text = "\n".join(report.doubtful)
    assert "rgb_3.png: same photograph as Sequence_1/2" in text
    assert "rgb_10.png: blurred" in text
    assert re.search(r"rgb_15.png: brightness .* jumps", text)
    assert report.fatal == []


def test_depth_of_some_frames_is_doubtful(room, tmp_path):
    target = tmp_path / "nerfstudio"
    convert(checks.check_capture(room).capture, target, to="nerfstudio")
    info = json.loads((target / "transforms.json").read_text())
    del info["frames"][1]["depth_file_path"]
    layouts.save_transforms(target, info)
    report = checks.check_capture(target)
    assert not report.fatal
    assert any("has no depth while" in line for line in report.doubtful)


@pytest.mark.parametrize("frames", [1, 2])
def test_sequence_of_one_or_two_frames(room, frames):
    for kind in ("rgb", "depth", "semantic_class"):
        for path in (room / TEST / kind).glob("*.png"):
            if int(path.stem.rpartition("_")[2]) >= frames:
                path.unlink()
    trajectory = room / TEST / "traj_w_c.txt"
    lines = trajectory.read_text().splitlines()
    trajectory.write_text("\n".join(lines[:frames]))
    report = checks.check_capture(room)
    assert not report.fatal and len(report.statistics[TEST]) == frames
