"""`check_capture` reports the contents of a capture and everything wrong with it."""

import json
import re
import shutil

import captures
import layouts
import numpy as np
import pytest
from captures import TEST, TRAIN, edit_json, save_png
from PIL import Image, ImageFilter

from alsem.core.errors import ErrorCollector
from alsem.data import checks
from alsem.data.checks.frame_statistics import read_statistics
from alsem.rooms import light_charts, write_room


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    size = {"width": 64, "height": 48, "train_frames": 20, "test_frames": 4}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(light_charts, "TEXEL_M", 0.4)  # quick, if coarse, light
        return write_room(tmp_path_factory.mktemp("rooms"), seed=3, **size)


@pytest.fixture
def room(pristine, tmp_path):
    """A copy of a good capture, to be changed."""
    return shutil.copytree(pristine, tmp_path / "room")


def text_of(report):
    return "\n".join(checks.summary_lines(report))


def fatal_text(room):
    return "\n".join(checks.check_capture(room).fatal)


def read_images(room, kind):
    return np.stack([np.asarray(Image.open(p)) for p in room.glob(f"*/*/{kind}_*.png")])


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
    depth_z = read_images(pristine, "depth") / 1000
    assert f"{depth_z[depth_z > 0].min():.2f} to {depth_z.max():.2f} m" in text
    wall = json.loads((pristine / "info.json").read_text())["classes"]["wall"]["id"]
    fraction = (read_images(pristine, "semantic_class") == wall).mean()
    assert re.search(rf"{wall} wall +{fraction:.3%}", text)
    assert "It can be trained on" in text


def scaled(factor):
    return lambda poses: poses * [*[[1, 1, 1, factor]] * 3, [1] * 4]


def test_scale_undoes_a_larger_unit(room, pristine):
    change_poses(room, scaled(2))
    change_depth(room, lambda depth: 2.0 * depth)
    reports = [checks.check_capture(room, scale=0.5), checks.check_capture(pristine)]
    texts = [list(checks.summary_lines(report))[1:] for report in reports]
    assert len(texts[0]) > 5 and texts[0] == texts[1]


def test_thumbnails_of_few_frames_and_of_some_of_many(pristine):
    report = checks.check_capture(pristine)
    assert all(each.thumbnail is not None for each in report.all_statistics)
    records = 3 * report.sequences[TRAIN]
    many = read_statistics(report.capture, records, ErrorCollector())
    assert sum(each.thumbnail is not None for each in many) == 20


def multiply_by_ray_length(depth):
    row, col = np.mgrid[:48, :64]
    return depth * np.sqrt(((col - 31.5) / 32) ** 2 + ((row - 23.5) / 32) ** 2 + 1)


@pytest.mark.parametrize(
    ("apply", "change", "remedy"),
    [
        (change_poses, lambda p: p @ layouts.FLIP, "have OpenGL's axes"),
        (
            change_poses,
            np.linalg.inv,
            "are world-to-camera where its layout wants camera-to-world: invert",
        ),
        (
            change_poses,
            lambda p: np.linalg.inv(p @ layouts.FLIP),
            "and have OpenGL's axes",
        ),
        (change_depth, lambda d: 5.0 * d, "too large by 5 times"),
        (change_depth, lambda d: 0.1 * d, "too small by 10 times"),
        (change_depth, multiply_by_ray_length, "along the rays: divide"),
    ],
)
def test_wrong_convention_is_named(room, apply, change, remedy):
    apply(room, change)
    report = checks.check_capture(room)
    (error,) = report.fatal
    assert remedy in error
    assert report.agreement.fraction < 0.5


def test_rotating_camera_gives_no_remedy_for_scale(room):
    change_poses(room, lambda poses: scaled(1e-4)(poses) @ layouts.FLIP)
    assert "depth scale" not in fatal_text(room)


def test_random_poses_are_doubtful(room):
    draw = np.random.default_rng(0)
    change_poses(room, lambda poses: [captures.random_pose(draw) for _ in poses])
    report = checks.check_capture(room)
    assert any("check poses, camera and depth" in line for line in report.doubtful)


def test_all_errors_are_listed_in_one_pass(room):
    (room / TRAIN / "rgb" / "rgb_3.png").write_bytes(b"not an image")
    (room / TRAIN / "depth" / "depth_5.png").unlink()
    Image.new("RGB", (64, 48)).save(room / TEST / "depth" / "depth_1.png")
    trajectory = room / TRAIN / "traj_w_c.txt"
    lines = trajectory.read_text().splitlines()
    lines[2], lines[7] = "1 2 3", lines[7].replace(" ", " nan ", 1)
    trajectory.write_text("\n".join(lines) + "\n")
    text = fatal_text(room)
    for part in ("rgb_3.png", "depth_5.png", "c.txt line 3", "c.txt line 8"):
        assert part in text
    captures.write_poses(trajectory, np.eye(4)[None].repeat(20, 0))
    text = fatal_text(room)
    for part in ("rgb_3.png", "depth_5.png", "depth_1.png"):
        assert part in text


def test_wrong_camera_and_damaged_image_are_reported_together(room):
    edit_json(room / "info.json", lambda info: info.update(width=640))
    captures.cut(room / TRAIN / "rgb" / "rgb_3.png")
    text = fatal_text(room)
    assert "width is 640" in text and "rgb_3.png" in text


def test_damage_found_by_decoding(room):
    for number in (2, 9):
        captures.cut(room / TRAIN / "depth" / f"depth_{number}.png")
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
    edit_json(room / "info.json", lambda info: info.pop("classes"))
    report = checks.check_capture(room)
    (error,) = report.fatal
    assert "no other class list" in error
    assert len(report.statistics[TRAIN]) == 20  # everything else is checked
    report = checks.check_capture(room, classes=["1 wall", "2 lamp"])
    assert report.fatal == []
    text = text_of(report)
    assert "none: poses are not checked" in text
    assert "none; 2 classes: wall, lamp" in text


@pytest.mark.parametrize("name", layouts.SOURCES)
def test_layouts_are_detected(written, name):
    report = checks.check_capture(written[0] / name)
    assert report.source == layouts.SOURCES[name]
    # The images are noise, so only poses and depth may be found wrong.
    assert all("agree" in line for line in report.fatal)
    assert len(report.all_statistics) == 15


def test_label_space(written):
    report = checks.check_capture(written[0] / "sens", label_space="nyu13")
    assert len(report.capture.classes[0]) == 13
    (error,) = checks.check_capture(written[0] / "bin", label_space="nyu13").fatal
    assert "is for ScanNet" in error


@pytest.mark.parametrize(
    ("folder", "reason"),
    [
        (".", "bin, files, nerfstudio, replica, sens, txt"),
        ("replica/Sequence_1/rgb", "no capture in a known layout"),
        ("nowhere", "no such folder"),
    ],
)
def test_folder_without_a_capture(written, folder, reason):
    (error,) = checks.check_capture(written[0] / folder).fatal
    assert reason in error


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


def test_depth_of_some_frames_is_doubtful(copy_of):
    path = copy_of("nerfstudio") / "transforms.json"
    edit_json(path, lambda info: info["frames"][1].pop("depth_file_path"))
    report = checks.check_capture(path.parent)
    assert any("has no depth while" in line for line in report.doubtful)
    assert not any("has no depth" in line for line in report.fatal)


@pytest.mark.parametrize("frames", [1, 2])
def test_sequence_of_one_or_two_frames(room, frames):
    for number in range(frames, 4):
        for path in (room / TEST).glob(f"*/*_{number}.png"):
            path.unlink()
    trajectory = room / TEST / "traj_w_c.txt"
    lines = trajectory.read_text().splitlines()
    trajectory.write_text("\n".join(lines[:frames]))
    report = checks.check_capture(room)
    assert not report.fatal and len(report.statistics[TEST]) == frames
