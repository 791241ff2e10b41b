"""What `alsem.validate` finds out about captures, and what it writes."""

import json
import os
import re
import shutil
import subprocess
import sys

import captures
import layouts
import numpy as np
import pytest
import tiny
from captures import TEST, TRAIN, save_png
from PIL import Image, ImageFilter

from alsem.core.errors import ErrorCollector, InputError
from alsem.data import checks, open_capture
from alsem.data.checks.frame_statistics import glances
from alsem.data.readers.registry import READERS
from alsem.data.writers import convert
from alsem.rooms import write_room

SPLITS = {"train_split": f"{TRAIN}[:]", "test_split": f"{TEST}[:]"}
FLIP = np.diag([1.0, -1.0, -1.0, 1.0])


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rooms")
    size = {"width": 64, "height": 48, "train_frames": 20, "test_frames": 4}
    return write_room(folder, seed=3, **size)


@pytest.fixture
def room(pristine, tmp_path):
    return shutil.copytree(pristine, tmp_path / "room")


def poses_of(path):
    return np.loadtxt(path).reshape(-1, 4, 4)


def change_images(folder, change):
    for path in folder.iterdir():
        with Image.open(path) as image:
            pixels = np.array(image)
        save_png(path, change(pixels))


def test_a_good_capture(pristine):
    found = checks.examine(pristine)
    assert found.source == "replica"
    assert found.fatal == []
    assert found.agreement.fraction > 0.8
    text = "\n".join(checks.describe(found))
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
    names = json.loads((pristine / "info.json").read_text())["classes"]
    wall = names["wall"]["id"]
    assert re.search(rf"{wall} wall +{(labels == wall).mean():.3%}", text)
    assert "It can be trained on" in text


def negate_axes(room):
    for name in (TRAIN, TEST):
        path = room / name / "traj_w_c.txt"
        captures.write_poses(path, poses_of(path) @ FLIP)


def invert(room):
    for name in (TRAIN, TEST):
        path = room / name / "traj_w_c.txt"
        captures.write_poses(path, np.linalg.inv(poses_of(path)))


def invert_and_negate(room):
    invert_first = np.linalg.inv
    for name in (TRAIN, TEST):
        path = room / name / "traj_w_c.txt"
        captures.write_poses(path, invert_first(poses_of(path) @ FLIP))


def scale_depth(factor):
    def scale(room):
        for name in (TRAIN, TEST):
            change_images(
                room / name / "depth",
                lambda d: np.round(np.minimum(d * factor, 65535)).astype(np.uint16),
            )

    return scale


def along_rays(room):
    row, col = np.mgrid[:48, :64]
    length = np.sqrt(((col - 31.5) / 32) ** 2 + ((row - 23.5) / 32) ** 2 + 1)
    for name in (TRAIN, TEST):
        change_images(
            room / name / "depth", lambda d: np.round(d * length).astype(np.uint16)
        )


def test_a_unit_is_so_many_metres(room, pristine):
    """Twice as large a room, said to be half as large, is the room."""
    for name in (TRAIN, TEST):
        path = room / name / "traj_w_c.txt"
        poses = poses_of(path)
        poses[:, :3, 3] *= 2
        captures.write_poses(path, poses)
    scale_depth(2.0)(room)
    found, first = checks.examine(room, scale=0.5), checks.examine(pristine)
    assert found.fatal == []
    texts = [list(checks.describe(each))[1:] for each in (found, first)]
    assert len(texts[0]) > 5 and texts[0] == texts[1]


def test_few_frames_are_pictured(room):
    found = checks.examine(room)
    each = [g.thumbnail for looked in found.glances.values() for g in looked]
    assert len(each) == 24 and all(t is not None for t in each)
    again = glances(found.capture, 3 * found.sequences[TRAIN], ErrorCollector())
    assert sum(g.thumbnail is not None for g in again) == 20


MISREAD = {
    "OpenGL axes": (negate_axes, "axes are OpenGL's"),
    "world to camera": (invert, "poses are world-to-camera: invert"),
    "world to camera, OpenGL axes": (invert_and_negate, "with OpenGL's axes: invert"),
    "5000 a metre": (scale_depth(5.0), "too large by 5 times"),
    "100 a metre": (scale_depth(0.1), "too small by 10 times"),
    "along the rays": (along_rays, "along the rays: divide"),
}


@pytest.mark.parametrize("case", MISREAD)
def test_a_capture_read_in_the_wrong_way_is_told_how_to_mend_it(room, case):
    change, remedy = MISREAD[case]
    change(room)
    found = checks.examine(room)
    (trouble,) = found.fatal
    assert remedy in trouble
    assert found.agreement.fraction < 0.5


def test_a_camera_that_only_turns_tells_no_scale(room):
    """Its axes are told all the same."""
    for name in (TRAIN, TEST):
        path = room / name / "traj_w_c.txt"
        poses = poses_of(path)
        poses[:, :3, 3] = poses[0, :3, 3] + 1e-4 * poses[:, :3, 3]
        captures.write_poses(path, poses @ FLIP)
    found = checks.examine(room)
    assert not any("depth scale" in line for line in found.fatal)


def test_a_report_comes_whatever_is_wrong_with_the_camera(room):
    info = json.loads((room / "info.json").read_text()) | {"width": 640}
    (room / "info.json").write_text(json.dumps(info))
    path = room / TRAIN / "rgb" / "rgb_3.png"
    path.write_bytes(path.read_bytes()[:-20])
    found = checks.examine(room)
    text = "\n".join(checks.describe(found))
    assert "width is 640" in text and "rgb_3.png" in text


def test_poses_that_fit_nothing_are_doubted(room):
    path = room / TRAIN / "traj_w_c.txt"
    draw = np.random.default_rng(0)
    captures.write_poses(path, [captures.random_pose(draw) for _ in range(20)])
    found = checks.examine(room)
    assert any("check poses, camera and depth" in line for line in found.doubtful)


def test_everything_wrong_is_listed_in_one_pass(room):
    (room / TRAIN / "rgb" / "rgb_3.png").write_bytes(b"not a picture")
    (room / TRAIN / "depth" / "depth_5.png").unlink()
    Image.new("RGB", (64, 48)).save(room / TEST / "depth" / "depth_1.png")
    lines = (room / TRAIN / "traj_w_c.txt").read_text().splitlines()
    lines[2], lines[7] = "1 2 3", lines[7].replace(" ", " nan ", 1)
    (room / TRAIN / "traj_w_c.txt").write_text("\n".join(lines) + "\n")
    found = checks.examine(room)
    text = "\n".join(found.fatal)
    for part in ("rgb_3.png", "depth_5.png", "c.txt line 3", "c.txt line 8"):
        assert part in text
    captures.write_poses(room / TRAIN / "traj_w_c.txt", np.eye(4)[None].repeat(20, 0))
    found = checks.examine(room)
    text = "\n".join(found.fatal)
    assert all(part in text for part in ("rgb_3.png", "depth_5.png", "depth_1.png"))


def test_damage_that_only_decoding_shows(room):
    for number in (2, 9):
        path = room / TRAIN / "depth" / f"depth_{number}.png"
        data = bytearray(path.read_bytes())
        data[data.index(b"IDAT") + 20] ^= 1
        path.write_bytes(data)
    path = room / TRAIN / "semantic_class" / "semantic_class_4.png"
    save_png(path, np.full((48, 64), 200, np.uint8))
    found = checks.examine(room)
    assert len(found.fatal) == 3
    assert "holds the id 200" in "\n".join(found.fatal)
    assert len(found.glances[TRAIN]) == 17


def test_photographs_that_harm(room):
    rgb = room / TRAIN / "rgb"
    shutil.copy(rgb / "rgb_2.png", rgb / "rgb_3.png")
    with Image.open(rgb / "rgb_10.png") as image:
        image.filter(ImageFilter.GaussianBlur(6)).save(rgb / "rgb_10.png")
    with Image.open(rgb / "rgb_15.png") as image:
        save_png(rgb / "rgb_15.png", (np.array(image) * 0.4).astype(np.uint8))
    found = checks.examine(room)
    text = "\n".join(found.doubtful)
    assert re.search(r"rgb_3.png: the photograph is that of Sequence_1/2 again", text)
    assert re.search(r"rgb_10.png: blurred", text)
    assert re.search(r"rgb_15.png: brightness .* jumps", text)
    assert found.fatal == []


def test_a_capture_without_depth_labels_and_classes(room):
    for name in (TRAIN, TEST):
        (
            shutil.rmtree(room / name / "depth"),
            shutil.rmtree(room / name / "semantic_class"),
        )
    info = json.loads((room / "info.json").read_text())
    info.pop("classes")
    (room / "info.json").write_text(json.dumps(info))
    found = checks.examine(room)
    (trouble,) = found.fatal
    assert "no other class list" in trouble
    assert len(found.glances[TRAIN]) == 20  # all else is looked at
    found = checks.examine(room, classes=["1 wall", "2 lamp"])
    text = "\n".join(checks.describe(found))
    assert found.fatal == []
    assert "none: poses are not checked" in text
    assert "none; 2 classes: wall, lamp" in text


def test_layouts_are_found_out(tmp_path):
    written = captures.write_capture(tmp_path / "replica")
    for name in ("nerfstudio", "colmap", "scannet", "sens", "empty"):
        (tmp_path / name).mkdir()
    layouts.write_nerfstudio(tmp_path / "nerfstudio", written)
    layouts.write_colmap(tmp_path / "colmap", written, binary=False)
    layouts.write_scannet(tmp_path / "scannet", written)
    layouts.write_scannet(tmp_path / "sens", written, recording=True)
    for name in ("replica", "nerfstudio", "colmap", "scannet"):
        found = checks.examine(tmp_path / name)
        assert found.source == name
        # Of noise: only what poses and depth say may be wrong.
        assert all("agree" in line for line in found.fatal)
        assert sum(map(len, found.glances.values())) == 15
    found = checks.examine(tmp_path / "sens", label_space="nyu13")
    assert found.source == "scannet" and len(found.capture.classes[0]) == 13
    (trouble,) = checks.examine(tmp_path / "colmap", label_space="nyu13").fatal
    assert "is of ScanNet" in trouble
    (trouble,) = checks.examine(tmp_path).fatal
    assert "colmap, nerfstudio, replica, scannet, sens" in trouble
    (trouble,) = checks.examine(tmp_path / "empty").fatal
    assert "no capture in a layout" in trouble
    (trouble,) = checks.examine(tmp_path / "nowhere").fatal
    assert "no such folder" in trouble


@pytest.mark.parametrize("to", ["replica", "nerfstudio"])
@pytest.mark.parametrize("source", ["replica", "nerfstudio", "colmap"])
def test_a_converted_capture_is_the_same(tmp_path, source, to):
    written = captures.write_capture(tmp_path / "replica")
    for i, mask in enumerate(np.random.default_rng(0).integers(0, 2, (12, 6, 8))):
        path = tmp_path / "replica" / TRAIN / "mask" / f"mask_{i}.png"
        save_png(path, (255 * mask).astype(np.uint8))
    for name in ("nerfstudio", "colmap"):
        (tmp_path / name).mkdir()
    layouts.write_nerfstudio(tmp_path / "nerfstudio", written)
    layouts.write_colmap(tmp_path / "colmap", written, binary=True)
    capture = READERS[source](tmp_path / source, "", ())
    convert(capture, tmp_path / "out", to=to)
    one, truth = open_capture(dir=tmp_path / source, source=source, **SPLITS)
    other, other_truth = open_capture(dir=tmp_path / "out", source=to, **SPLITS)
    if source != "colmap" or to == "nerfstudio":  # Replica's has no place for points
        assert one.fingerprint() == other.fingerprint()
    np.testing.assert_array_equal(one.train.world_from_cam, other.train.world_from_cam)
    np.testing.assert_array_equal(one.train.depth_z, other.train.depth_z)
    np.testing.assert_array_equal(one.train.rgb, other.train.rgb)
    np.testing.assert_array_equal(truth.train_labels, other_truth.train_labels)
    assert one.class_ids == other.class_ids
    with pytest.raises(InputError, match="is there already"):
        convert(capture, tmp_path / "out", to=to)
    with pytest.raises(InputError, match="use one of replica, nerfstudio"):
        convert(capture, tmp_path / "more", to="sens")


def test_a_mask_of_some_frames_is_written_for_all(tmp_path):
    written = captures.write_capture(tmp_path / "replica")
    (tmp_path / "ns").mkdir()
    info = layouts.write_nerfstudio(tmp_path / "ns", written)
    info["frames"][0]["mask_path"] = "m.png"
    layouts.save_transforms(tmp_path / "ns", info)
    save_png(tmp_path / "ns" / "m.png", np.zeros((6, 8), np.uint8))
    convert(
        READERS["nerfstudio"](tmp_path / "ns", "", ()), tmp_path / "out", to="replica"
    )
    scene, _ = open_capture(dir=tmp_path / "out", **SPLITS)
    assert scene.train.valid_mask[1:].all() and not scene.train.valid_mask[0].any()


def test_a_conversion_that_fails_leaves_nothing(tmp_path):
    captures.write_capture(tmp_path / "room")
    path = tmp_path / "room" / TRAIN / "depth" / "depth_3.png"
    path.write_bytes(path.read_bytes()[:-20])
    capture = READERS["replica"](tmp_path / "room", "", ())
    with pytest.raises(InputError, match="depth_3"):
        convert(capture, tmp_path / "out", to="nerfstudio")
    assert [p.name for p in tmp_path.iterdir()] == ["room"]


def run(*arguments, cwd):
    command = [sys.executable, "-m", "alsem.validate", *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(tiny.ROOT)}
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, env=environment
    )


@pytest.mark.parametrize("frames", [1, 2])
def test_a_sequence_of_one_or_two_frames(room, frames):
    for kind in ("rgb", "depth", "semantic_class"):
        for path in (room / "Sequence_2" / kind).glob("*.png"):
            if int(path.stem.rpartition("_")[2]) >= frames:
                path.unlink()
    poses = (room / "Sequence_2" / "traj_w_c.txt").read_text().splitlines()
    (room / "Sequence_2" / "traj_w_c.txt").write_text("\n".join(poses[:frames]))
    found = checks.examine(room)
    assert not found.fatal and len(found.glances["Sequence_2"]) == frames


def test_depth_of_some_frames_is_told(room):
    target = room.parent / "other"
    convert(checks.examine(room).capture, target, to="nerfstudio")
    path = target / "transforms.json"
    plain = json.loads(path.read_text())
    del plain["frames"][1]["depth_file_path"]
    path.write_text(json.dumps(plain))
    found = checks.examine(target)
    assert not found.fatal
    assert any("has no depth while" in line for line in found.doubtful)


def test_the_command(room, tmp_path):
    done = run(room, f"--convert={tmp_path / 'ns'}", "--to=nerfstudio", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "picture: validate_room.png" in done.stdout
    with Image.open(tmp_path / "validate_room.png") as image:
        assert image.size[0] > 500
    assert (tmp_path / "ns" / "transforms.json").exists()
    pictures = tmp_path / "pictures"
    done = run(room, room, "--scale=2", f"--out={pictures}", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    names = sorted(path.name for path in pictures.iterdir())
    assert names == ["validate_room.png", "validate_room_2.png"]
    assert run(room, "--scale=0", cwd=tmp_path).returncode == 2
    (room / TRAIN / "rgb" / "rgb_3.png").unlink()
    done = run(room, f"--out={pictures}", cwd=tmp_path)
    assert done.returncode == 2
    assert "fatal: " in done.stdout and "rgb_3.png" in done.stdout
    done = run(cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
