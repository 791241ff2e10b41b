"""Captures of phone apps and RGB-D data sets are read as their formats say."""

import json
import shutil
from pathlib import Path

import captures
import layouts
import numpy as np
import pytest
import sensor_layouts
from captures import random_frames
from PIL import Image

from alsem.data import writers
from alsem.data.readers.phone_apps import read_record3d
from alsem.data.readers.registry import detect

SPLITS = {"train_split": "frames[:4]", "test_split": "frames[4:]"}
open_room, error_of = captures.openers(source="auto", **SPLITS)


@pytest.fixture(scope="module")
def frames():
    """Four frames and two, as JPEGs hold them, for every layout alike."""
    frames = random_frames(4, 2)
    for held in frames.values():
        held["rgb"] = np.stack([layouts.decoded(rgb) for rgb in held["rgb"]])
        held["depth"][held["depth"] == 0] = 1
    return frames


@pytest.fixture
def room(tmp_path, frames):
    def write(name):
        sensor_layouts.write(name, tmp_path / name, frames)
        return tmp_path / name

    return write


@pytest.mark.parametrize("name", sensor_layouts.WRITERS)
def test_scene_is_that_of_the_replica_layout(tmp_path, room, frames, name):
    captures.write_capture(tmp_path / "replica", frames)
    expected = open_room(tmp_path / "replica")
    found = open_room(room(name))
    for one, other in ((found, expected),):
        np.testing.assert_allclose(
            list(vars(one[0].intrinsics).values()),
            list(vars(other[0].intrinsics).values()),
            atol=1e-4,
        )
        for split in ("train", "test"):
            ours, theirs = getattr(one[0], split), getattr(other[0], split)
            np.testing.assert_allclose(
                ours.world_from_cam, theirs.world_from_cam, atol=1e-4
            )
            off = np.abs(ours.rgb.astype(int) - theirs.rgb)
            # JPEGs are compressed twice; the video converts its colours.
            assert off.max() <= (30 if name in TWICE else 0), off.max()
        np.testing.assert_allclose(one[0].train.depth_z, other[0].train.depth_z, 1e-6)
        np.testing.assert_allclose(one[1].test_depth_z, other[1].test_depth_z, 1e-6)
        np.testing.assert_array_equal(one[1].train_labels, other[1].train_labels)
    assert not found[0].doubts
    assert detect(tmp_path / name) == name


TWICE = ("nice_slam", "polycam", "record3d", "stray")


def test_depth_of_another_camera_is_resampled(tmp_path, room):
    folder = room("sensreader")
    path = folder / "intrinsic" / "intrinsic_depth.txt"
    matrix = np.loadtxt(path)
    size = (13, 10)  # of another shape
    matrix[:2] *= 1.5
    np.savetxt(path, matrix)
    for i in range(6):
        depth = np.arange(130, dtype=np.uint16).reshape(size[::-1]) + 1000
        captures.save_png(folder / "depth" / f"{i}.png", depth)
    depth_z = open_room(folder)[0].train.depth_z[0] * 1000 - 1000
    row, col = np.mgrid[:6, :8]
    at = np.round(1.5 * np.stack([row, col])).astype(int)
    near = np.abs(1.5 * np.stack([row, col]) - at).max(axis=0) < 0.4
    expected = 13 * at[0] + at[1]
    np.testing.assert_allclose(depth_z[near], expected[near], atol=0.01)


def test_floating_point_depth_is_converted(tmp_path, room):
    folder = room("record3d")
    path = folder / "depth" / "0.npy"
    depth = np.load(path)
    depth[0, 0] = 70.0  # more than 16 bits of millimetres hold
    np.save(path, depth)
    expected = open_room(folder)[0].train.depth_z
    expected[0, 0, 0] = 0
    for to in ("replica", "nerfstudio"):
        writers.convert(read_record3d(folder, ""), tmp_path / to, to=to)
        found = open_room(tmp_path / to)[0].train.depth_z
        np.testing.assert_allclose(found, expected, atol=6e-4)


def test_low_confidence_is_a_hole(room):
    for name, place in (("polycam", "keyframes/confidence"), ("stray", "confidence")):
        folder = room(name)
        for path in (folder / place).iterdir():
            confidence = np.full((6, 8), 1, np.uint8)
            confidence[2] = 0
            captures.save_png(path, confidence)
        depth_z = open_room(folder)[0].train.depth_z
        assert (depth_z[:, 2] == 0).all() and (depth_z[:, 3] > 0).all()


def test_lost_poses_and_photographs_without_pose_are_counted(room):
    folder = room("sensreader")
    (folder / "pose" / "1.txt").write_text("-inf " * 16)
    (folder / "pose" / "2.txt").unlink()
    scene = open_room(folder, train_split="frames[:2]", test_split="frames[2:]")[0]
    assert scene.train.names == ("0.png", "3.png")
    assert "2 of 6 frames have no finite pose" in scene.doubts[0]
    folder = room("tum")
    text = (folder / "groundtruth.txt").read_text().splitlines()
    (folder / "groundtruth.txt").write_text("\n".join(text[3:]))
    text = (folder / "depth.txt").read_text().splitlines()
    (folder / "depth.txt").write_text("\n".join(text[:-1]))
    scene = open_room(folder, train_split="frames[:2]", test_split="frames[2:]")[0]
    assert "1 photographs have no depth within 20 ms" in scene.doubts[0]
    assert any("no finite pose" in line for line in scene.doubts)


def test_polycam_without_its_optimisation(room):
    folder = room("polycam")
    expected = open_room(folder)[0]
    frames = folder / "keyframes"
    shutil.move(frames / "corrected_images", frames / "images")
    shutil.rmtree(frames / "corrected_cameras")
    scene = open_room(folder)[0]
    np.testing.assert_array_equal(scene.train.rgb, expected.train.rgb)


def test_record3d_as_unpacked_from_r3d(room):
    folder = room("record3d")
    shutil.move(folder / "rgb", folder / "rgbd")
    shutil.move(folder / "metadata.json", folder / "metadata")
    shutil.rmtree(folder / "depth")
    (folder / "rgbd" / "0.depth").write_bytes(b"bvx2")
    scene = open_room(folder)[0]
    assert scene.train.depth_z is None
    assert "*.depth (LZFSE) is not read" in scene.doubts[0]

    def each(info):
        info["perFrameIntrinsicCoeffs"] = [[5.0, 5.0, 4.0, 3.0]] * 6

    captures.edit_json(folder / "metadata", each)
    assert open_room(folder)[0].intrinsics.fx == 5.0


def test_tum_cameras_by_name_and_distortion(room):
    folder = room("tum")
    (folder / "calibration.txt").unlink()
    scene = open_room(folder)[0]
    assert "the Kinect's 525 pixels are assumed" in scene.doubts[0]
    assert scene.intrinsics.fx == pytest.approx(525 * 8 / 640)
    named = folder.rename(folder.parent / "rgbd_dataset_freiburg1_desk")
    scene = open_room(named)[0]
    assert scene.intrinsics.fx == pytest.approx(517.306408 / 80)
    assert scene.train.valid_mask is not None and not scene.doubts
    (named / "calibration.txt").write_text("525 525 319.5 239.5 0.1")
    assert open_room(named)[0].train.valid_mask is not None


@pytest.mark.parametrize("seq", ["seq-01", ""])
def test_seven_scenes(tmp_path, frames, seq):
    folder = tmp_path / "chess"
    for number, held in enumerate(frames.values(), start=1):
        place = folder / (f"seq-{number:02d}" if seq else "")
        place.mkdir(parents=True, exist_ok=True)
        for i, pose in enumerate(held["pose"]):
            start = place / f"frame-{i + 10 * number * (not seq):06d}"
            captures.save_png(Path(f"{start}.color.png"), held["rgb"][i])
            depth = np.full((6, 8), 2000, np.uint16)
            captures.save_png(Path(f"{start}.depth.png"), depth)
            np.savetxt(f"{start}.pose.txt", pose, delimiter="\t ")
    layouts.write_classes(folder)
    (folder / "camera-intrinsics.txt").write_text("585 0 320\n0 585 240\n0 0 1\n")
    if seq:
        (folder / "TrainSplit.txt").write_text("sequence1\n")
        (folder / "TestSplit.txt").write_text("sequence2\n")
        options = {"train_split": "train[:]", "test_split": "test[:]"}
        found = [open_room(folder, **options)]
        by_folder = {"train_split": "seq-01[:]", "test_split": "seq-02[:]"}
        found.append(open_room(folder, **by_folder))
    else:
        found = [open_room(folder)]
    for scene, truth in found:
        one, other = frames.values()
        np.testing.assert_array_equal(scene.train.rgb, one["rgb"])
        np.testing.assert_allclose(scene.test.world_from_cam, other["pose"], atol=1e-6)
        assert scene.intrinsics.fx == pytest.approx(525 / 80)
        assert scene.intrinsics.cx == pytest.approx(320.5 / 80 - 0.5)
        np.testing.assert_allclose(truth.test_depth_z, 2)
        assert "525 pixels are assumed" in scene.doubts[0]
        assert "camera-intrinsics.txt: not read" in scene.doubts[1]
    for path in folder.rglob("*.color.png"):
        Image.open(path).save(path.with_suffix(".jpg"))
        path.unlink()
    assert open_room(folder)[0].train.rgb.shape == frames[captures.TRAIN]["rgb"].shape


@pytest.mark.parametrize(
    ("name", "path", "change", "reason"),
    [
        ("sensreader", "intrinsic/intrinsic_color.txt", None, "missing; it holds the"),
        ("sensreader", "intrinsic/intrinsic_color.txt", "1 2\n", "not 3 numbers"),
        ("sensreader", "intrinsic/intrinsic_color.txt", "4 0 3\n", "1 rows"),
        (
            *("sensreader", "intrinsic/intrinsic_color.txt"),
            *("500 0 320\n0 500 240\n0 0 1", "give the matrix of its size"),
        ),
        ("sensreader", "pose/3.txt", "1 2", "2 numbers"),
        ("nice_slam", "traj.txt", "1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1", "1 poses for 6"),
        ("nice_slam", "cam_params.json", '{"camera": 3}', "'camera' is no object"),
        ("nice_slam", "cam_params.json", '{"camera": {"w": 9}}', "9 x 680 pixels"),
        ("tum", "groundtruth.txt", "# nothing", "holds no pose"),
        ("tum", "rgb.txt", "x rgb/a.png", "not 1 numbers"),
        ("tum", "rgb.txt", "1.0 ../a.png", "outside of"),
        ("tum", "calibration.txt", "0 1 2 3", "focal length 0"),
        ("polycam", "keyframes/corrected_cameras/7213000001.json", "[]", "no JSON obj"),
        (
            *("polycam", "keyframes/corrected_cameras/7213000001.json"),
            *(
                json.dumps({f"t_{i // 4}{i % 4}": 1 for i in range(12)}),
                "not a rotation",
            ),
        ),
        ("record3d", "metadata.json", "{}", "has no 'poses' and 'K'"),
        ("record3d", "metadata.json", '{"poses": [[1]]}', "no list of 7 numbers"),
        ("stray", "odometry.csv", "a, b\n", "its first line must name frame"),
        ("stray", "camera_matrix.csv", "1, 2, 3\n", "no 3x3 matrix"),
        ("stray", "rgb.mp4", "rubbish", "no video that can be decoded"),
        ("stray", "depth/000003.png", None, "000003.png: missing"),
        ("arkitscenes", "47333462_frames/lowres_wide.traj", "1 2 3", "not 7 numbers"),
        (
            *("arkitscenes", "47333462_frames/lowres_wide_intrinsics"),
            *(None, "holds no .pincam"),
        ),
    ],
)
def test_bad_files(room, name, path, change, reason):
    folder = room(name)
    if change is None:
        target = folder / path
        shutil.rmtree(target) if target.is_dir() else target.unlink()
    else:
        (folder / path).write_text(change)
    error = error_of(folder)
    assert str(folder) in error and reason in error


def test_every_frame_of_a_video_is_read_in_any_order(room, frames):
    from alsem.data.video_frames import VideoFrame, frame_count

    path = room("stray") / "rgb.mp4"
    rgb = np.concatenate([held["rgb"] for held in frames.values()])
    assert frame_count(path) == 6
    for i in (5, 0, 3, 3, 1, 4, 2):
        off = np.abs(VideoFrame(path, i).read().astype(int) - rgb[i])
        assert off.mean() < 4, i
    assert "frame 9 cannot be decoded" in captures.input_error(VideoFrame(path, 9).read)
    assert VideoFrame(path, 2).read().shape == (6, 8, 3)


def test_exr_depth_of_record3d(room):
    OpenEXR = pytest.importorskip("OpenEXR")
    folder = room("record3d")
    expected = open_room(folder)[0].train.depth_z
    for path in (folder / "depth").iterdir():
        header = {"compression": OpenEXR.ZIP_COMPRESSION}
        header["type"] = OpenEXR.scanlineimage
        with OpenEXR.File(header, {"R": np.load(path)}) as file:
            file.write(str(path.with_suffix(".exr")))
        path.unlink()
    np.testing.assert_allclose(open_room(folder)[0].train.depth_z, expected)
