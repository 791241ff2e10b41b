"""Photographs and a video of a textured room, through all stages."""

import captures
import cv2
import numpy as np
import pytest
import textured_room
from PIL import Image

from alsem.core import signals
from alsem.data.camera_models import camera_matrix
from alsem.data.readers.colmap import read_colmap

pycolmap = pytest.importorskip("pycolmap", reason="needs the extra 'reconstruct'")
from alsem.reconstruction import Source, reconstruct  # noqa: E402

WIDTH, HEIGHT, FOCAL, K1 = 480, 360, 330.0, -0.08
CAMERA = np.array([[FOCAL, 0, 239.5], [0, FOCAL, 179.5], [0, 0, 1]])
FOCAL_35MM = round(FOCAL / np.hypot(WIDTH, HEIGHT) * 43.27)


def through_a_lens(poses):
    """Photographs with radial distortion."""
    wide = CAMERA.copy()
    wide[:2, 2] += 60  # more than the lens sees
    rgb, _ = textured_room.shoot(poses, wide, (WIDTH + 120, HEIGHT + 120))
    grid = np.stack(np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT)), -1)
    pixels = grid.reshape(-1, 1, 2).astype(np.float64)
    lens = np.array([K1, 0, 0, 0])
    rays = cv2.undistortPoints(pixels, CAMERA, lens, P=wide)
    col, row = rays.reshape(HEIGHT, WIDTH, 2).transpose(2, 0, 1).astype(np.float32)
    return [cv2.remap(each, col, row, cv2.INTER_LINEAR) for each in rgb]


def true_poses(found, poses):
    """Found poses brought to the true ones by one similarity: ``[n 4 4]``."""
    places = found[:, :3, 3].astype(float), poses[:, :3, 3]
    similarity = pycolmap.estimate_sim3d(*places)
    moved = found.astype(float)
    moved[:, :3, 3] = [similarity * place for place in places[0]]
    moved[:, :3, :3] = similarity.rotation.matrix() @ moved[:, :3, :3]
    return moved


def check_poses(records, poses):
    """Poses up to a similarity, and z up."""
    found = np.stack([record.world_from_cam for record in records])
    moved = true_poses(found, poses)
    assert np.abs(moved[:, :3, 3] - poses[:, :3, 3]).max() < 0.02  # metres of 2.5
    assert np.abs(moved[:, :3, :3] - poses[:, :3, :3]).max() < 0.01
    up = found[:, :3, 1].mean(axis=0)  # of pitching, rolling cameras
    assert up[2] < -0.95
    return moved


def test_turned_masked_distorted_photographs_become_a_capture(tmp_path):
    poses = textured_room.walk(7)
    photographs, masks = tmp_path / "photographs", tmp_path / "masks"
    (photographs / "a b").mkdir(parents=True)
    masks.mkdir()
    for i, rgb in enumerate(through_a_lens(poses)):
        exif = Image.Exif()
        exif[0x0112] = 6  # to be turned clockwise
        exif.get_ifd(0x8769)[0xA405] = FOCAL_35MM
        turned = Image.fromarray(np.rot90(rgb))
        turned.save(photographs / "a b" / f"é {i}.jpg", exif=exif, quality=95)
    (masks / "a b").mkdir()
    mask = np.full((HEIGHT // 2, WIDTH // 2), 255, np.uint8)
    mask[:60, :80] = 0
    Image.fromarray(mask).save(masks / "a b" / "é 3.jpg.png")
    (photographs / "notes.txt").write_text("not a photograph")

    out = tmp_path / "capture"
    source = Source(images=photographs, masks=masks)
    lines = list(reconstruct(source, out, width=200))
    assert lines[0].endswith("480 x 360 pixels; focal length in the EXIF of 7")
    assert lines[1].startswith("7 of 7 photographs placed, 200 x 1") and len(lines) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "capture",
        "masks",
        "photographs",
    ]
    assert sorted(path.name for path in out.iterdir()) == ["images", "mask", "sparse"]
    capture = read_colmap(out, "", ("wall",))
    records = capture.frames("frames")
    assert [record.name for record in records] == [f"a b/é {i}.jpg" for i in range(7)]
    moved = check_poses(records, poses)
    width, height = records[0].rgb.size()
    matrix = 3 * camera_matrix(capture.camera(width, height))
    matrix[:, 2] += [1, 1, -2]  # three samples a pixel and axis
    # The photographs show what a pinhole camera sees from there.
    fine, _ = textured_room.shoot(moved, matrix, (3 * width, 3 * height))
    seen = fine.reshape(7, height, 3, width, 3, 3).mean(axis=(2, 4))
    shown = np.stack([record.rgb.read() for record in records]).astype(float)
    errors = [np.abs(seen - np.roll(shown, x, 2)).mean() for x in (-1, 0, 1)]
    assert errors[1] < 0.4 * min(errors[0], errors[2]), errors
    hidden = [np.mean(record.mask.read() == 0) for record in records if record.mask]
    assert [round(each, 2) > 0 for each in hidden] == [i == 3 for i in range(7)]
    corner = records[3].mask
    assert corner is not None and corner.read()[5, 5] == 0 < corner.read()[-5, -5]

    model = pycolmap.Reconstruction(out / "sparse" / "0")
    assert capture.points is not None and len(capture.points) == model.num_points3D()
    assert model.num_points3D() > 500
    errors = [
        np.linalg.norm(image.points2D[e.point2D_idx].xy - image.project_point(p.xyz))
        for p in model.points3D.values()
        for e in p.track.elements
        for image in [model.image(e.image_id)]
    ]
    assert np.mean(errors) < 0.3


def test_the_sharp_frames_of_a_video_become_a_capture(tmp_path):
    poses = textured_room.walk(24)
    rgb, _ = textured_room.shoot(poses, CAMERA, (WIDTH, HEIGHT))
    path = tmp_path / "walk.mp4"
    codec = cv2.VideoWriter.fourcc(*"mp4v")
    writer = cv2.VideoWriter(str(path), codec, 30, (WIDTH, HEIGHT))
    for i, each in enumerate(rgb):
        blurred = each if i % 4 == 1 else cv2.blur(each, (9, 9))
        writer.write(cv2.cvtColor(blurred, cv2.COLOR_RGB2BGR))
    writer.release()
    out = tmp_path / "capture"
    lines = list(reconstruct(Source(video=path, frames=6), out, width=240))
    assert lines[0].startswith("6 photographs;")
    records = read_colmap(out, "", ("wall",)).frames("frames")
    names = [f"frame_{i:06d}.jpg" for i in range(1, 24, 4)]
    assert [record.name for record in records] == names
    check_poses(records, poses[1::4])


def test_photographs_without_overlap_are_told_what_to_do(tmp_path):
    folder = tmp_path / "photographs"
    folder.mkdir()
    for i in range(4):
        noise = np.random.default_rng(i).integers(0, 255, (60, 80, 3), np.uint8)
        image = (
            cv2.resize(noise, (320, 240)) if i else np.zeros((240, 320, 3), np.uint8)
        )
        Image.fromarray(image).save(folder / f"{i}.png")
    error = captures.input_error(
        lambda: list(reconstruct(Source(images=folder), tmp_path / "out", width=320))
    )
    assert "only 0 photographs can be placed" in error
    assert "3 match no other photograph (1, 2, 3)" in error
    assert "1 show too little texture, or are blurred or dark (0)" in error
    assert "step sideways" in error
    assert [path.name for path in tmp_path.iterdir()] == ["photographs"]


@pytest.mark.parametrize("looks", [1, 6, 9])
def test_an_ended_reconstruction_leaves_nothing(tmp_path, monkeypatch, looks):
    rgb, _ = textured_room.shoot(textured_room.walk(4))
    folder = tmp_path / "photographs"
    folder.mkdir()
    for i, each in enumerate(rgb):
        Image.fromarray(each).save(folder / f"{i}.jpg")
    left = [looks]

    def requested():
        left[0] -= 1
        if left[0] < 0:
            raise signals.Interrupted

    monkeypatch.setattr(signals, "check", requested)
    with pytest.raises(signals.Interrupted):
        list(reconstruct(Source(images=folder), tmp_path / "out", width=100))
    assert [path.name for path in tmp_path.iterdir()] == ["photographs"]
