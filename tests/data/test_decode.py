"""The frames of a capture are decoded into a scene and its ground truth."""

import dataclasses
import shutil
from pathlib import Path

import captures
import numpy as np
import pytest
from captures import HEIGHT, TEST, TRAIN, WIDTH, save_png, write_capture
from PIL import Image

from alsem.data import open_capture

SHARED = Path(__file__).resolve().parents[3] / "shared" / "scenes"
SPLITS = {"train_split": f"{TRAIN}[::3]", "test_split": f"{TEST}[:]"}
open_room, error_of = captures.openers(**SPLITS)
LABEL_OF_ID = np.full(10, -1)
LABEL_OF_ID[[1, 4, 9]] = 0, 1, 2


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    folder = tmp_path_factory.mktemp("captures")
    return folder, write_capture(folder / "room")


@pytest.fixture
def room(pristine, tmp_path_factory):
    """A copy of a good capture, to be damaged."""
    copy = tmp_path_factory.mktemp("x") / "room"
    return shutil.copytree(pristine[0] / "room", copy)


@pytest.mark.parametrize("as_scene", [True, False])
def test_scene_holds_what_the_files_hold(pristine, as_scene):
    folder, written = pristine
    where = {"dir": folder / "room"} if as_scene else {"dir": folder, "scene": "room"}
    scene, truth = open_capture(**where, **SPLITS)
    train, test = written[TRAIN], written[TEST]
    assert scene.name == "room"
    assert scene.train.names == tuple(f"{TRAIN}/{i}" for i in (0, 3, 6, 9))
    assert scene.test.names == tuple(f"{TEST}/{i}" for i in range(3))
    np.testing.assert_array_equal(scene.train.rgb, train["rgb"][::3])
    np.testing.assert_array_equal(scene.test.rgb, test["rgb"])
    depth_z = train["depth"][::3] / 1000
    np.testing.assert_allclose(scene.train.depth_z, depth_z, rtol=1e-6)
    np.testing.assert_allclose(truth.test_depth_z, test["depth"] / 1000, rtol=1e-6)
    assert scene.test.depth_z is None
    poses = scene.train.world_from_cam
    np.testing.assert_allclose(poses, train["pose"][::3], atol=1e-6)
    assert scene.class_names == ("wall", "chair", "lamp")
    assert scene.class_ids == (1, 4, 9)
    labels = LABEL_OF_ID[train["label"][::3]]
    np.testing.assert_array_equal(truth.train_labels, labels)
    np.testing.assert_array_equal(truth.test_labels, LABEL_OF_ID[test["label"]])


def test_only_selected_frames_are_decoded(room):
    for folder in ("rgb", "depth", "semantic_class"):
        (room / TRAIN / folder / f"{folder}_1.png").write_bytes(b"rubbish")
    open_room(room)
    assert "rgb_1.png" in error_of(room, train_split=f"{TRAIN}[1:]")


@pytest.mark.parametrize("folder", ["depth", "semantic_class"])
def test_depth_and_labels_are_optional(room, folder):
    for sequence in (TRAIN, TEST):
        shutil.rmtree(room / sequence / folder)
    scene, truth = open_room(room)
    for array in (scene.train.depth_z, truth.test_depth_z):
        assert (array is None) == (folder == "depth")
    for array in (truth.train_labels, truth.test_labels):
        assert (array is None) == (folder == "semantic_class")


def test_without_use_depth_training_depth_is_not_opened(room):
    (room / TRAIN / "depth" / "depth_0.png").write_bytes(b"rubbish")
    scene, truth = open_room(room, use_depth=False)
    assert scene.train.depth_z is None
    assert truth.test_depth_z is not None


@pytest.mark.parametrize("kind", ["rgb", "depth", "semantic_class"])
def test_headers_are_checked_before_any_image_is_decoded(room, kind):
    first = room / TRAIN / "rgb" / "rgb_0.png"
    first.write_bytes(first.read_bytes()[:-20])
    path = room / TEST / kind / f"{kind}_2.png"
    path.unlink()
    assert error_of(room).startswith(f"{path}: missing")
    mode = {"rgb": "RGB", "depth": "I;16", "semantic_class": "L"}[kind]
    Image.new(mode, (WIDTH + 1, HEIGHT)).save(path)
    assert error_of(room).startswith(f"{path}: {WIDTH + 1} x {HEIGHT} pixels while")


def test_unknown_id_in_a_label_image(room):
    path = room / TRAIN / "semantic_class" / "semantic_class_6.png"
    ids = np.zeros((HEIGHT, WIDTH), np.uint8)
    ids[-1, -1] = 77  # at a pixel that downscaling leaves out
    save_png(path, ids)
    assert error_of(room, downscale=2).startswith(f"{path}: holds the id 77")


@pytest.mark.parametrize(
    ("splits", "reason"),
    [
        ((f"{TRAIN}[::4]", f"{TRAIN}[4:8:2]"), f"share 1 frames, {TRAIN}/4 among"),
        ((f"{TRAIN}[12:]", f"{TEST}[:]"), "none of the 12 frames"),
        (("Sequence_7[:]", f"{TEST}[:]"), f"{TRAIN}, {TEST}"),
    ],
)
def test_splits_that_cannot_be_used(room, splits, reason):
    assert reason in error_of(room, train_split=splits[0], test_split=splits[1])


# Downscaling


@pytest.mark.parametrize("factor", [1, 2, 3, 4, 6])
def test_downscaling_against_numpy(tmp_path, factor):
    written = write_capture(tmp_path, size=(24, 12))[TRAIN]
    regions = np.random.default_rng(5).integers(0, 4000, (12, 12, 24), np.uint16)
    for i in range(12):
        save_png(tmp_path / TRAIN / "regions" / f"regions_{i}.png", regions[i])
    scene, truth = open_room(tmp_path, downscale=factor, regions=True)
    blocks = written["rgb"][::3].reshape(4, 12 // factor, factor, 24 // factor, -1, 3)
    mean = blocks.astype(np.float64).mean(axis=(2, 4))
    assert np.abs(scene.train.rgb - mean).max() <= 0.5 + 1e-9
    first = (factor - 1) // 2
    sampled = (slice(None, None, 3), *[slice(first, None, factor)] * 2)
    depth_z = (written["depth"][sampled] / 1000).astype(np.float32)
    np.testing.assert_array_equal(scene.train.depth_z, depth_z)
    labels = LABEL_OF_ID[written["label"][sampled]]
    np.testing.assert_array_equal(truth.train_labels, labels)
    np.testing.assert_array_equal(scene.train.regions, regions[sampled])
    assert scene.train.regions.dtype == np.int32
    assert scene.test.regions is None


def test_halves_are_rounded_up(tmp_path):
    write_capture(tmp_path)
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image[::2, ::2] = 2  # mean of every block 0.5
    save_png(tmp_path / TRAIN / "rgb" / "rgb_0.png", image)
    assert (open_room(tmp_path, downscale=2)[0].train.rgb[0] == 1).all()


@pytest.mark.parametrize(
    ("factor", "offset"), [(1, 0), (2, -0.25), (3, 0), (4, -0.125), (6, -1 / 12)]
)
def test_pixel_offset_points_at_the_sampled_pixel(tmp_path, factor, offset):
    write_capture(tmp_path, size=(24, 12))
    scene, _ = open_room(tmp_path, downscale=factor)
    assert scene.pixel_offset == (pytest.approx(offset), pytest.approx(offset))
    # The same point of the world lies on the ray through the sampled full pixel.
    full, _ = open_room(tmp_path)
    column = 1 * factor + (factor - 1) // 2
    tangent = (column - full.intrinsics.cx) / full.intrinsics.fx
    small = scene.intrinsics
    assert (1 + offset - small.cx) / small.fx == pytest.approx(tangent)


@pytest.mark.parametrize("factor", [0, -1, 3, 5, True])
def test_factor_that_does_not_divide_the_size(room, factor):
    error = error_of(room, downscale=factor)
    assert f"={factor}" in error
    assert factor != 3 or "one of 1, 2" in error


# Regions


def write_regions(room):
    ids = np.random.default_rng(5).integers(0, 4000, (12, HEIGHT, WIDTH), np.uint16)
    for i in range(12):
        save_png(room / TRAIN / "regions" / f"regions_{i}.png", ids[i])


def test_regions_are_opened_only_on_request_and_for_training(room):
    write_regions(room)
    plain = open_room(room)[0]
    assert open_room(room, regions=True)[0].fingerprint() == plain.fingerprint()
    (room / TEST / "regions").mkdir()
    (room / TRAIN / "regions" / "regions_1.png").write_bytes(b"rubbish")
    open_room(room, regions=True)
    (room / TRAIN / "regions" / "regions_3.png").write_bytes(b"rubbish")
    assert open_room(room)[0].train.regions is None
    assert "regions_3.png" in error_of(room, regions=True)


def test_missing_regions(room):
    error = error_of(room, regions=True)
    assert error.startswith(f"{room / TRAIN / 'rgb' / 'rgb_0.png'}: has no regions; ")
    assert error.endswith("active.superpixels='slic'")


# Masks


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_masked_pixels_have_neither_depth_nor_label(tmp_path, factor):
    write_capture(tmp_path, size=(24, 12))
    bare, bare_truth = open_room(tmp_path, downscale=factor)
    masks = np.random.default_rng(3).random((15, 4, 6)) < 2 / 3
    masks = masks.repeat(3, axis=1).repeat(4, axis=2)
    for i, mask in enumerate(masks):
        name = f"mask/mask_{i}.png" if i < 12 else f"mask/mask_{i - 12}.png"
        save_png(tmp_path / (TRAIN if i < 12 else TEST) / name, mask.astype(np.uint8))
    scene, truth = open_room(tmp_path, downscale=factor)
    blocks = masks[:12:3].reshape(4, 12 // factor, factor, 24 // factor, factor)
    valid = blocks.all(axis=(2, 4))
    np.testing.assert_array_equal(scene.train.valid_mask, valid)
    depth_z = np.where(valid, bare.train.depth_z, 0)
    np.testing.assert_array_equal(scene.train.depth_z, depth_z)
    labels = np.where(valid, bare_truth.train_labels, -1)
    np.testing.assert_array_equal(truth.train_labels, labels)
    np.testing.assert_array_equal(scene.train.rgb, bare.train.rgb)
    assert (truth.test_labels[~scene.test.valid_mask] == -1).all()
    assert (truth.test_depth_z[~scene.test.valid_mask] == 0).all()
    assert scene.fingerprint() != bare.fingerprint()


# The scene's fingerprint


def test_fingerprint_covers_what_geometry_is_fitted_to(room):
    def fingerprint(**changes):
        return open_room(room, **changes)[0].fingerprint()

    first = fingerprint()
    assert first == fingerprint(test_split=f"{TEST}[:1]", classes=("9 a", "1 b", "4 c"))
    others = {
        fingerprint(train_split=f"{TRAIN}[1::3]"),
        fingerprint(use_depth=False),
        fingerprint(downscale=2),
    }
    scene, _ = open_room(room)
    for part, change in (
        ("rgb", scene.train.rgb ^ 1),
        ("depth_z", scene.train.depth_z + np.float32(1e-3)),
        ("world_from_cam", scene.train.world_from_cam + np.float32(1e-3)),
    ):
        train = dataclasses.replace(scene.train, **{part: change})
        others.add(dataclasses.replace(scene, train=train).fingerprint())
    camera = dataclasses.replace(scene.intrinsics, fx=5.0)
    others.add(dataclasses.replace(scene, intrinsics=camera).fingerprint())
    others.add(dataclasses.replace(scene, pixel_offset=(0.0, 0.25)).fingerprint())
    assert len(others - {first}) == 8


@pytest.mark.skipif(
    not (SHARED / "kitchen").is_dir(), reason="no ../shared/scenes/kitchen here"
)
def test_kitchen():
    scene, truth = open_capture(
        dir=SHARED,
        scene="kitchen",
        downscale=2,
        train_split="Sequence_1[::60]",
        test_split="Sequence_2[::20]",
    )
    assert scene.train.rgb.shape == (3, 120, 160, 3)
    assert len(scene.class_names) == 22
    assert -1 <= truth.train_labels.min() and truth.train_labels.max() < 22
