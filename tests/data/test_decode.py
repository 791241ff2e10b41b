"""The frames of a capture are decoded into a scene and its ground truth."""

import dataclasses

import captures
import numpy as np
import pytest
from captures import HEIGHT, TEST, TRAIN, WIDTH, random_frames, save_png, write_capture
from PIL import Image

open_room, error_of = captures.openers()
LABEL_OF_ID = np.full(10, -1)
LABEL_OF_ID[[1, 4, 9]] = 0, 1, 2


@pytest.fixture
def room(copy_of):
    return copy_of("replica")


def test_scene_holds_what_the_files_hold(written):
    folder, frames = written
    scene, truth = open_room(folder, scene="replica")
    train, test = frames[TRAIN], frames[TEST]
    assert scene.name == open_room(folder / "replica")[0].name == "replica"
    assert scene.train.names == tuple(f"{TRAIN}/{i}" for i in (0, 3, 6, 9))
    assert scene.test.names == tuple(f"{TEST}/{i}" for i in range(3))
    np.testing.assert_array_equal(scene.train.rgb, train["rgb"][::3])
    np.testing.assert_array_equal(scene.test.rgb, test["rgb"])
    undecoded = [photograph.read() for photograph in scene.train.photographs]
    np.testing.assert_array_equal(undecoded, train["rgb"][::3])
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
    for kind in ("rgb", "depth", "semantic_class"):
        (room / TRAIN / kind / f"{kind}_1.png").write_bytes(b"rubbish")
    open_room(room)
    assert "rgb_1.png" in error_of(room, train_split=f"{TRAIN}[1:]")


def test_without_use_depth_training_depth_is_not_opened(room):
    (room / TRAIN / "depth" / "depth_0.png").write_bytes(b"rubbish")
    scene, truth = open_room(room, use_depth=False)
    assert scene.train.depth_z is None and truth.test_depth_z is not None


@pytest.mark.parametrize("kind", ["rgb", "depth", "semantic_class"])
def test_headers_are_checked_before_any_image_is_decoded(room, kind):
    captures.cut(room / TRAIN / "rgb" / "rgb_0.png")
    path = room / TEST / kind / f"{kind}_2.png"
    path.unlink()
    if kind != "rgb":  # frames without a photograph are left out
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
    ("train", "test", "reason"),
    [
        (f"{TRAIN}[::4]", f"{TRAIN}[4:8:2]", f"share 1 frames, {TRAIN}/4 among"),
        (f"{TRAIN}[12:]", f"{TEST}[:]", "none of the 12 frames"),
        ("Sequence_7[:]", f"{TEST}[:]", f"{TRAIN}, {TEST}"),
    ],
)
def test_splits_that_cannot_be_used(room, train, test, reason):
    assert reason in error_of(room, train_split=train, test_split=test)


@pytest.mark.parametrize("factor", [1, 2, 3, 4, 6])
def test_downscaling_and_masks_against_numpy(tmp_path, factor):
    draw = np.random.default_rng(5)
    frames = write_capture(tmp_path, random_frames(size=(24, 12)))
    regions = draw.integers(1, 4000, (12, 12, 24), np.uint16)
    captures.write_images(tmp_path / TRAIN / "regions", regions)
    masks = (draw.random((15, 4, 6)) < 2 / 3).repeat(3, axis=1).repeat(4, axis=2)
    captures.write_images(tmp_path / TRAIN / "mask", masks[:12].astype(np.uint8))
    captures.write_images(tmp_path / TEST / "mask", masks[12:].astype(np.uint8))
    scene, truth = open_room(tmp_path, downscale=factor, regions=True)
    train, first = frames[TRAIN], (factor - 1) // 2
    sampled = (slice(None, None, 3), *[slice(first, None, factor)] * 2)

    def blocks(images):
        return images.reshape(4, 12 // factor, factor, 24 // factor, factor, -1)

    mean = blocks(train["rgb"][::3].astype(np.float64)).mean(axis=(2, 4))
    np.testing.assert_array_equal(scene.train.rgb, np.floor(mean + 0.5 + 1e-9))
    valid = blocks(masks[:12:3]).all(axis=(2, 4))[..., 0]
    np.testing.assert_array_equal(scene.train.valid_mask, valid)
    depth_z = np.where(valid, train["depth"][sampled] / 1000, 0).astype(np.float32)
    np.testing.assert_array_equal(scene.train.depth_z, depth_z)
    labels = np.where(valid, LABEL_OF_ID[train["label"][sampled]], -1)
    np.testing.assert_array_equal(truth.train_labels, labels)
    np.testing.assert_array_equal(
        scene.train.regions, np.where(valid, regions[sampled], 0)
    )
    assert scene.train.regions.dtype == np.int32
    assert scene.test.regions is None
    assert (truth.test_labels[~scene.test.valid_mask] == -1).all()
    assert (truth.test_depth_z[~scene.test.valid_mask] == 0).all()
    # A ray through the sampled pixel is one through the full pixel that it is.
    full, small = open_room(tmp_path)[0].intrinsics, scene.intrinsics
    for axis, (centre, focal) in enumerate((("cy", "fy"), ("cx", "fx"))):
        tangent = (factor + first - getattr(full, centre)) / getattr(full, focal)
        at = 1 + scene.pixel_offset[axis]
        found = (at - getattr(small, centre)) / getattr(small, focal)
        assert found == pytest.approx(tangent)


def test_regions_are_opened_only_on_request_and_for_training(room):
    error = error_of(room, regions=True)
    assert error.startswith(f"{room / TRAIN / 'rgb' / 'rgb_0.png'}: has no regions; ")
    assert error.endswith("active.superpixels='slic'")
    regions = room / TRAIN / "regions"
    captures.write_images(regions, np.zeros((12, HEIGHT, WIDTH), np.uint16))
    plain = open_room(room)[0]
    assert open_room(room, regions=True)[0].fingerprint() == plain.fingerprint()
    (room / TEST / "regions").mkdir()
    (regions / "regions_1.png").write_bytes(b"rubbish")
    open_room(room, regions=True)
    (regions / "regions_3.png").write_bytes(b"rubbish")
    assert open_room(room)[0].train.regions is None
    assert "regions_3.png" in error_of(room, regions=True)


def test_fingerprint_covers_what_geometry_is_fitted_to(room):
    scene, _ = open_room(room)
    changes = {"test_split": f"{TEST}[:1]", "classes": ("9 a", "1 b", "4 c")}
    same, _ = open_room(room, **changes)
    assert same.class_names == ("b", "c", "a")
    assert same.fingerprint() == scene.fingerprint()
    trains = [
        dataclasses.replace(scene.train, **change)
        for change in (
            {"rgb": scene.train.rgb ^ 1},
            {"depth_z": scene.train.depth_z + np.float32(1e-3)},
            {"depth_z": None},
            {"world_from_cam": scene.train.world_from_cam + np.float32(1e-3)},
            {"valid_mask": np.zeros(scene.train.depth_z.shape, bool)},
        )
    ]
    camera = dataclasses.replace(scene.intrinsics, fx=5.0)
    others = [
        *(dataclasses.replace(scene, train=train) for train in trains),
        dataclasses.replace(scene, intrinsics=camera),
        dataclasses.replace(scene, pixel_offset=(0.0, 0.25)),
        dataclasses.replace(scene, points=np.zeros((1, 3), np.float32)),
    ]
    assert len({each.fingerprint() for each in (scene, *others)}) == 9


def test_geometry_sees_all_photographs_that_are_not_tested_on(room):
    options = {"train_split": f"{TRAIN}[::4]", "test_split": f"{TEST}[1:]"}
    with_depth, _ = open_room(room, **options)
    assert with_depth.geometry_frames is None
    assert with_depth.geometry_photographs.frames is with_depth.train
    scene, _ = open_room(room, **options, use_depth=False, downscale=2)
    photos = scene.geometry_photographs
    pool, rest = [0, 4, 8], [i for i in range(12) if i % 4]
    names = [f"{TRAIN}/{i}" for i in (*pool, *rest)] + [f"{TEST}/0"]
    assert list(photos.frames.names) == names and photos.frames.depth_z is None
    assert photos.frames.rgb.shape[1:3] == (HEIGHT, WIDTH) != scene.train.rgb.shape[1:3]
    assert photos.intrinsics.fx == 2 * scene.intrinsics.fx
    small, _ = open_room(room, **options, use_depth=False, geometry_width=4)
    assert small.geometry_photographs.intrinsics.width == 4
    few, _ = open_room(room, **options, use_depth=False, geometry_split=f"{TRAIN}[1:2]")
    assert few.geometry_photographs.frames.names[3:] == (f"{TRAIN}/1",)
    alone = options | {"use_depth": False, "geometry_split": "pool", "downscale": 2}
    assert open_room(room, **alone)[0].geometry_frames is None
    deep, _ = open_room(room, **options, geometry_split=f"{TRAIN}[1:2]", downscale=2)
    assert deep.geometry_photographs.frames.depth_z.shape == (
        4,
        HEIGHT // 2,
        WIDTH // 2,
    )
    prints = {made.fingerprint() for made in (with_depth, scene, small, few, deep)}
    assert len(prints) == 5
