import dataclasses
import json
import shutil
import struct
import zlib
from pathlib import Path

import captures
import numpy as np
import pytest
from captures import CLASSES, HEIGHT, TEST, TRAIN, WIDTH, save_png, write_capture
from PIL import Image

from alsem.data import READERS, Frames, GroundTruth, open_capture

SHARED = Path(__file__).resolve().parents[3] / "shared" / "scenes"
SPLITS = {"train_split": f"{TRAIN}[::3]", "test_split": f"{TEST}[:]"}


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    folder = tmp_path_factory.mktemp("captures")
    return folder, write_capture(folder / "room")


@pytest.fixture
def room(pristine, tmp_path_factory):
    """A copy of a good capture, to be damaged.

    Not under tmp_path, which holds the test's name and so the words looked for.
    """
    copy = tmp_path_factory.mktemp("x") / "room"
    return shutil.copytree(pristine[0] / "room", copy)


def open_room(room, **changes):
    return open_capture(**({"dir": room, **SPLITS} | changes))


def message(room, **changes):
    return captures.refusal(open_room, room, **changes)


# What a good capture becomes


@pytest.mark.parametrize("as_scene", [True, False])
def test_scene_is_what_the_files_hold(pristine, as_scene):
    folder, written = pristine
    where = {"dir": folder / "room"} if as_scene else {"dir": folder, "scene": "room"}
    scene, truth = open_capture(**where, **SPLITS)
    train, test = written[TRAIN], written[TEST]
    assert scene.name == "room"
    assert scene.train.names == tuple(f"{TRAIN}/{i}" for i in (0, 3, 6, 9))
    assert scene.test.names == tuple(f"{TEST}/{i}" for i in range(3))
    np.testing.assert_array_equal(scene.train.rgb, train["rgb"][::3])
    np.testing.assert_array_equal(scene.test.rgb, test["rgb"])
    assert scene.train.depth_z is not None
    assert truth.test_depth_z is not None
    depth_z = train["depth"][::3] / 1000
    np.testing.assert_allclose(scene.train.depth_z, depth_z, rtol=1e-6)
    np.testing.assert_allclose(truth.test_depth_z, test["depth"] / 1000, rtol=1e-6)
    assert scene.test.depth_z is None
    poses = scene.train.world_from_cam
    np.testing.assert_allclose(poses, train["pose"][::3], atol=1e-6)
    assert (scene.class_names, scene.class_ids) == (
        ("wall", "chair", "lamp"),
        (1, 4, 9),
    )
    label_of_id = {0: -1, 1: 0, 4: 1, 9: 2}
    for labels, ids in (
        (truth.train_labels, train["label"][::3]),
        (truth.test_labels, test["label"]),
    ):
        np.testing.assert_array_equal(labels, np.vectorize(label_of_id.get)(ids))


def test_frames_are_ordered_by_number(pristine):
    folder, written = pristine
    scene, _ = open_room(folder / "room", train_split=f"{TRAIN}[:]")
    assert scene.train.names == tuple(f"{TRAIN}/{i}" for i in range(12))
    np.testing.assert_array_equal(scene.train.rgb[2], written[TRAIN]["rgb"][2])


def test_padded_numbers_name_the_same_frames(room):
    before, truth_before = open_room(room)
    for path in sorted((room / TEST).glob("*/*_1.png")):
        path.rename(path.with_name(path.name.replace("_1.png", "_0001.png")))
    scene, truth = open_room(room)
    assert scene.test.names == before.test.names
    np.testing.assert_array_equal(scene.test.rgb, before.test.rgb)
    np.testing.assert_array_equal(truth.test_labels, truth_before.test_labels)


def test_frames_of_all_sequences_are_a_sequence(room):
    scene, _ = open_room(
        room, train_split="frames[:] but frames[::8]", test_split="frames[::8]"
    )
    assert scene.test.names == (f"{TRAIN}/0", f"{TRAIN}/8")
    assert len(scene.train.names) == 13 and scene.train.names[-1] == f"{TEST}/2"


def test_only_the_frames_asked_for_are_decoded(room):
    for folder in ("rgb", "depth", "semantic_class"):
        (room / TRAIN / folder / f"{folder}_1.png").write_bytes(b"rubbish")
    open_room(room)
    assert "rgb_1.png" in message(room, train_split=f"{TRAIN}[1:]")


@pytest.mark.parametrize("folder", ["depth", "semantic_class"])
def test_depth_and_labels_may_be_absent(room, folder):
    for sequence in (TRAIN, TEST):
        shutil.rmtree(room / sequence / folder)
    scene, truth = open_room(room)
    absent = folder == "depth"
    assert (scene.train.depth_z is None) == absent
    assert (truth.test_depth_z is None) == absent
    assert (truth.train_labels is None) != absent
    assert (truth.test_labels is None) != absent


def test_without_use_depth_training_depth_is_not_even_opened(room):
    (room / TRAIN / "depth" / "depth_0.png").write_bytes(b"rubbish")
    scene, truth = open_room(room, use_depth=False)
    assert scene.train.depth_z is None
    assert truth.test_depth_z is not None


def test_fingerprint_names_what_geometry_is_fitted_to(room):
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


# The user's own regions


@pytest.fixture
def masked(room):
    """A room whose training frames have regions; the ids its files hold."""
    ids = np.random.default_rng(5).integers(0, 4000, (12, HEIGHT, WIDTH), np.uint16)
    for i in range(12):
        save_png(room / TRAIN / "regions" / f"regions_{i}.png", ids[i])
    return ids


def save_palette(path, ids, colours):
    """Encoders pack the indices of few colours into 1, 2 or 4 bits."""
    image = Image.frombytes("P", ids.shape[::-1], ids.tobytes())
    image.putpalette(np.random.default_rng(0).integers(0, 256, 3 * colours).tolist())
    image.save(path)
    return path.read_bytes()[24:26]  # bits and colour type


@pytest.mark.parametrize("factor", [1, 2, 3, 6])
def test_regions_are_what_the_files_hold(tmp_path, factor):
    write_capture(tmp_path, size=(24, 12))
    ids = np.random.default_rng(5).integers(0, 4000, (12, 12, 24), np.uint16)
    for i in range(12):
        save_png(tmp_path / TRAIN / "regions" / f"regions_{i}.png", ids[i])
    scene, _ = open_room(tmp_path, regions=True, downscale=factor)
    assert scene.train.regions is not None
    assert scene.train.regions.dtype == np.int32
    first = (factor - 1) // 2
    sampled = ids[::3, first::factor, first::factor]
    np.testing.assert_array_equal(scene.train.regions, sampled)
    assert scene.test.regions is None


@pytest.mark.parametrize("colours", [2, 4, 16, 256])
def test_regions_in_a_palette_are_its_indices(room, masked, colours):
    ids = (masked[3] % colours).astype(np.uint8)
    path = room / TRAIN / "regions" / "regions_3.png"
    bits, colour = save_palette(path, ids, colours)
    assert (1 << bits, colour) == (colours, 3)
    regions = open_room(room, regions=True)[0].train.regions
    np.testing.assert_array_equal(regions[1], ids)
    np.testing.assert_array_equal(regions[2], masked[6])  # each file in its own way


def test_regions_of_8_bits(room, masked):
    ids = (masked[0] % 256).astype(np.uint8)
    save_png(room / TRAIN / "regions" / "regions_0.png", ids)
    regions = open_room(room, regions=True)[0].train.regions
    np.testing.assert_array_equal(regions[0], ids)


def test_regions_are_opened_only_on_request_and_for_training(room, masked):
    plain = open_room(room)[0]
    queried = open_room(room, regions=True)[0]
    assert queried.fingerprint() == plain.fingerprint()
    (room / TEST / "regions").mkdir()
    (room / TRAIN / "regions" / "regions_1.png").write_bytes(b"rubbish")
    open_room(room, regions=True)
    (room / TRAIN / "regions" / "regions_3.png").write_bytes(b"rubbish")
    assert open_room(room)[0].train.regions is None
    assert "regions_3.png" in message(room, regions=True)


def test_regions_that_are_not_there(room):
    found = message(room, regions=True)
    assert found.startswith(f"{room / TRAIN / 'rgb' / 'rgb_0.png'}: has no regions; ")
    assert found.endswith("active.superpixels='slic'")


# Downscaling


@pytest.mark.parametrize("factor", [1, 2, 3, 4, 6])
def test_downscaling_against_numpy(tmp_path, factor):
    written = write_capture(tmp_path, size=(24, 12))[TRAIN]
    scene, truth = open_room(tmp_path, downscale=factor)
    h, w = 12 // factor, 24 // factor
    assert scene.train.depth_z is not None
    assert truth.train_labels is not None
    label_of_id = {0: -1, 1: 0, 4: 1, 9: 2}
    for i, row, col in np.ndindex(4, h, w):
        y, x = row * factor, col * factor
        block = written["rgb"][3 * i, y : y + factor, x : x + factor]
        mean = block.reshape(-1, 3).astype(np.float64).mean(axis=0)
        assert np.abs(scene.train.rgb[i, row, col] - mean).max() <= 0.5 + 1e-9
        y, x = y + (factor - 1) // 2, x + (factor - 1) // 2
        millimetres = written["depth"][3 * i, y, x]
        assert scene.train.depth_z[i, row, col] == np.float32(millimetres / 1000)
        label = label_of_id[written["label"][3 * i, y, x]]
        assert truth.train_labels[i, row, col] == label


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


# The camera


def camera(room, info, **changes):
    classes = {name: {"id": i} for name, i in CLASSES.items()}
    (room / "info.json").write_text(json.dumps({"classes": classes} | info))
    return dataclasses.astuple(open_room(room, **changes)[0].intrinsics)


def test_camera_without_information_sees_90_degrees(room):
    assert camera(room, {}) == (WIDTH, HEIGHT, 4, 4, 3.5, 2.5)
    assert camera(room, {}, downscale=2) == (4, 3, 2, 2, 1.5, 1)


def test_camera_of_info_json_is_scaled_about_pixel_centres(room):
    given = {"fx": 5, "fy": 6.0, "cx": 3.0, "cy": 2.0, "hfov_deg": 20, "width": WIDTH}
    assert camera(room, given) == (WIDTH, HEIGHT, 5, 6, 3, 2)
    assert camera(room, given, downscale=2) == (4, 3, 2.5, 3, 1.25, 0.75)
    wide = camera(room, {"hfov_deg": 120})
    assert wide[2] == pytest.approx(4 / np.tan(np.pi / 3))


def test_depth_scale_of_info_json(room):
    before = open_room(room)[0].train.depth_z
    camera(room, {"depth_scale": 5000.0})
    after = open_room(room)[0].train.depth_z
    np.testing.assert_allclose(after * 5, before, rtol=1e-6)


# The classes

OBJECTS = [
    {"id": 0, "class_id": 9, "class_name": "lamp"},
    {"id": 1, "class_id": -1, "class_name": "undefined"},
    {"id": 2, "class_id": 1, "class_name": "wall"},
    {"id": 3, "class_id": 9, "class_name": "lamp"},
    {"id": 4, "class_id": 0},
    {"id": 5, "class_id": 4},
]
SEMANTIC = {
    "classes": [{"id": i, "name": f"class {i}"} for i in range(1, 102)],
    "objects": OBJECTS,
}


@pytest.mark.parametrize(
    "place", ["semantic_info/room", "room/semantic_info/room", "room"]
)
@pytest.mark.parametrize("as_scene", [True, False])
def test_classes_are_those_of_replicas_objects(room, place, as_scene):
    (room / "info.json").unlink()
    path = room.parent / place / "info_semantic.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(SEMANTIC))
    where = {"dir": room} if as_scene else {"dir": room.parent, "scene": "room"}
    scene, _ = open_room(room, **where)
    assert scene.class_names == ("wall", "class 4", "lamp")
    assert scene.class_ids == (1, 4, 9)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("9 lamp\n1 wall\n\n# note\n4\toffice chair\n0 void\n", (1, 4, 9)),
        ("\n".join("abcdefghi"), tuple(range(1, 10))),
    ],
)
def test_classes_txt(room, text, expected):
    (room / "info.json").write_text("{}")
    (room / "classes.txt").write_text(text)
    scene, _ = open_room(room)
    assert scene.class_ids == expected
    assert scene.class_names[1] in ("office chair", "b")


def test_classes_of_the_config_come_first(room):
    scene, truth = open_room(room, classes=("4 b", "9 c", "1 a", "200 d"))
    assert scene.class_names == ("a", "b", "c", "d")
    assert truth.train_labels is not None
    assert truth.train_labels.max() == 2


def test_info_json_drops_void(room):
    camera(room, {"classes": {"void": {"id": 0}, "x": {"id": -3}, **_ids(1, 4, 9)}})
    assert open_room(room)[0].class_ids == (1, 4, 9)


def _ids(*ids):
    return {f"class {i}": {"id": i} for i in ids}


# Splits (see also test_splits.py)


def test_splits_that_cannot_be(room):
    assert f"{TRAIN}/4" in message(
        room, test_split=f"{TRAIN}[4:8:2]", train_split=f"{TRAIN}[::4]"
    )
    assert "12 frames" in message(room, train_split=f"{TRAIN}[12:]")
    found = message(room, train_split="Sequence_7[:]")
    assert "Sequence_7" in found
    assert f"{TRAIN}, {TEST}" in found


# Bad input: one line that names the file


def test_where_there_is_nothing(room):
    parent = room.parent
    assert message(parent / "nowhere").startswith(f"{parent / 'nowhere'}: no such")
    assert "data.dir" in message("")
    found = message(parent, scene="rom")
    assert found.startswith(f"{parent / 'rom'}: no such folder")
    assert found.endswith(": room")
    assert "leave data.scene empty" in message(room, scene="room")
    assert "name too long" in message(parent, scene="x" * 300)
    found = message(parent)
    assert "no sequence" in found
    assert found.endswith(": room")
    assert "replica" in message(room, source="scannet9")
    assert set(READERS) >= {"replica"}


@pytest.mark.parametrize("factor", [0, -1, 3, 5, True])
def test_downscale_that_does_not_divide(room, factor):
    found = message(room, downscale=factor)
    assert f"={factor}" in found
    if factor == 3:
        assert "one of 1, 2" in found


def cut(fraction):
    def damage(path):
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * fraction)])

    return damage


def cut_end(path):
    path.write_bytes(path.read_bytes()[:-12])


def flip(path):
    data = bytearray(path.read_bytes())
    data[data.index(b"IDAT") + 20] ^= 1
    path.write_bytes(data)


def rewrite(change):
    """Alters the header or the compressed pixels, with checksums made right again."""

    def damage(path):
        with Image.open(path) as image:
            kind = {"RGB": (8, 2), "L": (8, 0), "I;16": (16, 0)}[image.mode]
            size, pixels = image.size, np.asarray(image)
        rows = pixels.astype(f">u{kind[0] // 8}").reshape(size[1], -1)
        raw = b"".join(b"\0" + row.tobytes() for row in rows)
        size, raw = change(size, raw)
        path.write_bytes(png(size, kind, zlib.compress(raw)))

    return damage


def bad_checksum(path):
    """The compressed stream's own checksum, which stands at its end."""
    data = path.read_bytes()
    end = data.index(b"IEND") - 8
    start = data.index(b"IDAT")
    body = data[start : end - 4] + bytes(b ^ 1 for b in data[end - 4 : end])
    path.write_bytes(
        data[:start] + body + struct.pack(">I", zlib.crc32(body)) + data[end + 4 :]
    )


def bad_crc(path):
    data = bytearray(path.read_bytes())
    data[data.index(b"IEND") - 5] ^= 1
    path.write_bytes(data)


def interlaced(path):
    with Image.open(path) as image:
        kind = {"RGB": (8, 2), "L": (8, 0), "I;16": (16, 0)}[image.mode]
        path.write_bytes(png(image.size, kind, b"", interlace=1))


def png(size, kind, compressed, interlace=0):
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", *size, *kind, 0, 0, interlace)),
        (b"IDAT", compressed),
        (b"IEND", b""),
    ]
    data = b"\x89PNG\r\n\x1a\n"
    for tag, body in chunks:
        data += struct.pack(">I", len(body)) + tag + body
        data += struct.pack(">I", zlib.crc32(tag + body))
    return data


DAMAGE = {
    "missing": (Path.unlink, "missing"),
    "empty": (lambda path: path.write_bytes(b""), "truncated"),
    "cut in the header": (
        lambda path: path.write_bytes(path.read_bytes()[:20]),
        "trunc",
    ),
    "cut in the pixels": (cut(0.6), "truncated"),
    "cut before the end": (cut_end, "truncated"),
    "one bit flipped": (flip, "damaged"),
    "rows left out": (
        rewrite(lambda size, raw: (size, raw[: len(raw) // 2])),
        "damaged",
    ),
    "enormous": (
        rewrite(lambda size, raw: ((60000, 60000), raw)),
        "60000 pixels, at most",
    ),
    "large": (rewrite(lambda size, raw: ((4000, 4000), raw)), "has only"),
    "no pixels": (rewrite(lambda size, raw: ((0, 6), raw)), "claims 0 x 6"),
    "two rows too many": (
        rewrite(lambda size, raw: ((size[0], size[1] - 2), raw)),
        "size",
    ),
    "checksum of the pixels": (bad_checksum, "damaged"),
    "checksum of a chunk": (bad_crc, "checksum of"),
    "interlaced": (interlaced, "interlaced"),
    "another size": (rewrite(lambda size, raw: ((4, 6), raw)), "size"),
    "not a PNG": (lambda path: path.write_text("hello, this is text"), "not a PNG"),
    "a JPEG": (lambda p: Image.new("RGB", (8, 6)).save(p, format="JPEG"), "not a PNG"),
    "palette": (lambda path: Image.new("P", (8, 6)).save(path), "palette"),
    "RGBA": (lambda path: Image.new("RGBA", (8, 6)).save(path), "RGBA"),
    "one bit": (lambda path: Image.new("1", (8, 6)).save(path), "1-bit grey"),
    "a folder": (lambda path: (path.unlink(), path.mkdir()), "cannot be read"),
}


@pytest.mark.parametrize("kind", ["rgb", "depth", "semantic_class"])
@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_image(room, kind, damage):
    path = room / TRAIN / kind / f"{kind}_3.png"
    spoil, trouble = DAMAGE[damage]
    spoil(path)
    found = message(room)
    assert found.startswith(f"{path}: ")
    assert trouble in found


@pytest.mark.parametrize("damage", [d for d in DAMAGE if d != "palette"])
def test_damaged_regions(room, masked, damage):
    path = room / TRAIN / "regions" / "regions_3.png"
    spoil, trouble = DAMAGE[damage]
    spoil(path)
    found = message(room, regions=True)
    assert found.startswith(f"{path}: ")
    assert trouble in found


@pytest.mark.parametrize(
    ("kind", "mode", "trouble"),
    [
        ("rgb", "L", "8-bit grey pixels; write 8-bit RGB"),
        ("rgb", "I;16", "16-bit grey"),
        ("depth", "L", "8-bit grey pixels; write 16-bit single channel"),
        ("depth", "RGB", "8-bit RGB"),
        ("semantic_class", "I;16", "16-bit grey pixels; write 8-bit single channel"),
        ("semantic_class", "RGB", "8-bit RGB"),
    ],
)
def test_image_of_another_kind(room, kind, mode, trouble):
    path = room / TEST / kind / f"{kind}_2.png"
    Image.new(mode, (WIDTH, HEIGHT)).save(path)
    found = message(room)
    assert found.startswith(f"{path}: ")
    assert trouble in found


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "1", "LA"])
def test_regions_of_another_kind(room, masked, mode):
    path = room / TRAIN / "regions" / "regions_6.png"
    Image.new(mode, (WIDTH, HEIGHT)).save(path)
    found = message(room, regions=True)
    assert found.startswith(f"{path}: ")
    assert found.endswith("pixels; write 8- or 16-bit single channel region ids PNG")


def test_regions_of_another_size(room, masked):
    path = room / TRAIN / "regions" / "regions_9.png"
    Image.new("L", (WIDTH + 1, HEIGHT)).save(path)
    assert message(room, regions=True).startswith(f"{path}: {WIDTH + 1} x {HEIGHT} ")


@pytest.mark.parametrize("kind", ["rgb", "depth", "semantic_class"])
def test_every_file_is_checked_before_any_is_decoded(room, kind):
    flip(room / TRAIN / "rgb" / "rgb_0.png")
    path = room / TEST / kind / f"{kind}_2.png"
    path.unlink()
    assert str(path) in message(room)


def test_unknown_id_in_a_label_image(room):
    path = room / TRAIN / "semantic_class" / "semantic_class_6.png"
    ids = np.zeros((HEIGHT, WIDTH), np.uint8)
    ids[-1, -1] = 77
    save_png(path, ids)
    found = message(room, downscale=2)
    assert found.startswith(f"{path}: ")
    assert "77" in found


def test_frame_that_is_there_twice(room):
    path = room / TRAIN / "rgb" / "rgb_3.png"
    shutil.copy(path, path.with_name("rgb_03.png"))
    found = message(room)
    assert "rgb_3.png" in found
    assert "rgb_03.png" in found


def edit_pose(change):
    def edit(lines):
        pose = np.array(lines[4].split(), float).reshape(4, 4)
        change(pose)
        lines[4] = " ".join(map(str, pose.ravel()))

    return edit


def put(index, value):
    return edit_pose(lambda pose: pose.__setitem__(index, value))


POSES = {
    "few lines": (lambda lines: lines.pop(), "11 poses for 12 images"),
    "no line": (lambda lines: lines.clear(), "no pose"),
    "few numbers": (lambda lines: lines.__setitem__(4, "1 2 3"), "line 5: 3 numbers"),
    "a word": (
        lambda lines: lines.__setitem__(4, lines[4].replace(lines[4][:5], "one ", 1)),
        "line 5",
    ),
    "not a number": (put((0, 3), np.nan), "finite"),
    "infinite": (put((0, 0), np.inf), "finite"),
    "too large": (put((0, 3), 1e300), "finite"),
    "scaled": (edit_pose(lambda pose: pose[:3].__imul__(1.01)), "line 5: not a rot"),
    "sheared": (edit_pose(lambda pose: pose[0].__iadd__(pose[1])), "not a rotation"),
    "mirrored": (edit_pose(lambda pose: pose[:, 0].__imul__(-1)), "mirroring"),
    "last row": (put((3, 0), 0.5), "0 0 0 1"),
    "column-major": (
        edit_pose(lambda pose: pose.__setitem__(..., pose.T.copy())),
        "0 0 0 1",
    ),
}


@pytest.mark.parametrize("case", POSES)
def test_bad_trajectory(room, case):
    path = room / TRAIN / "traj_w_c.txt"
    lines = path.read_text().splitlines()
    edit, trouble = POSES[case]
    edit(lines)
    path.write_text("\n".join(lines))
    found = message(room)
    assert str(path) in found
    assert trouble in found


def test_trajectory_that_is_missing_or_no_text(room):
    path = room / TRAIN / "traj_w_c.txt"
    path.write_bytes(b"\xff\xfe\x00")
    assert message(room).startswith(f"{path}: cannot be read as text")
    path.unlink()
    assert message(room).startswith(f"{path}: missing")


def test_rounded_poses_pass(room):
    path = room / TRAIN / "traj_w_c.txt"
    lines = path.read_text().splitlines()
    rounded = [" ".join(f"{float(x):.4f}" for x in line.split()) for line in lines]
    path.write_text("\n\n".join(rounded))
    assert open_room(room)[0].train.world_from_cam.shape == (4, 4, 4)


@pytest.mark.parametrize("number", [0, 5, 11])
def test_missing_photograph_is_named(room, number):
    path = room / TRAIN / "rgb" / f"rgb_{number}.png"
    path.unlink()
    assert message(room, train_split=f"{TRAIN}[1:2]").startswith(f"{path}: missing")


def test_more_photographs_than_poses_and_none_at_all(room):
    path = room / TRAIN / "rgb"
    shutil.copy(path / "rgb_0.png", path / "rgb_12.png")
    assert "12 poses for 13 images" in message(room)
    shutil.rmtree(path)
    path.mkdir()
    assert str(path) in message(room)


INFO = {
    "not JSON": ("{", "JSON"),
    "a list": ("[]", "object"),
    "no class": ('{"classes": {}}', "no class"),
    "only void": ('{"classes": {"void": {"id": 0}}}', "no class"),
    "classes a list": ('{"classes": ["wall"]}', "'classes'"),
    "no id": ('{"classes": {"wall": {}}}', "'wall'"),
    "id of text": ('{"classes": {"wall": {"id": "1"}}}', "'wall'"),
    "id true": ('{"classes": {"wall": {"id": true}}}', "'wall'"),
    "large id": ('{"classes": {"wall": {"id": 256}}}', "256"),
    "same id": ('{"classes": {"wall": {"id": 1}, "door": {"id": 1}}}', "id 1"),
    "same name": ('{"classes": {"wall": {"id": 1}, "wall ": {"id": 2}}}', "'wall'"),
    "no name": ('{"classes": {" ": {"id": 1}}}', "no name"),
    "half a camera": ('{"fx": 4, "fy": 4}', "fx, fy"),
    "negative focal length": ('{"fx": -4, "fy": 4, "cx": 4, "cy": 4}', "fx"),
    "focal length of text": ('{"fx": "4", "fy": 4, "cx": 4, "cy": 4}', "fx"),
    "centre not finite": ('{"fx": 4, "fy": 4, "cx": NaN, "cy": 4}', "cx"),
    "another width": ('{"width": 320}', "320"),
    "too wide": ('{"hfov_deg": 180}', "hfov_deg"),
    "depth_scale 0": ('{"depth_scale": 0}', "depth_scale"),
}


@pytest.mark.parametrize("case", INFO)
def test_bad_info_json(room, case):
    text, trouble = INFO[case]
    if "classes" not in text and text.startswith('{"'):
        text = text[:-1] + f', "classes": {json.dumps(_ids(1, 4, 9))}}}'
    (room / "info.json").write_text(text)
    found = message(room)
    assert found.startswith(f"{room / 'info.json'}: ")
    assert trouble in found


@pytest.mark.parametrize(
    ("name", "text", "trouble"),
    [
        ("info_semantic.json", "{}", "no class"),
        ("info_semantic.json", '{"objects": 3}', "objects"),
        ("info_semantic.json", '{"objects": [{"class_id": 3}]}', "class 3"),
        ("info_semantic.json", '{"objects": [{}]}', "None"),
        (
            "info_semantic.json",
            '{"objects": [{"class_id": 3, "class_name": "a"},'
            ' {"class_id": 3, "class_name": "b"}]}',
            "id 3",
        ),
        ("classes.txt", "", "no class"),
        ("classes.txt", "1 wall\nfloor", "'floor'"),
        ("classes.txt", "wall\nwall", "'wall'"),
    ],
)
def test_bad_class_list(room, name, text, trouble):
    (room / "info.json").unlink()
    assert "classes.txt" in message(room)
    (room / name).write_text(text)
    found = message(room)
    assert found.startswith(f"{room / name}: ")
    assert trouble in found


def test_classes_of_the_config_must_be_a_list(room):
    assert "'wall'" in message(room, classes="wall")


# The types themselves


def test_types_refuse_what_does_not_fit(pristine):
    scene, truth = open_room(pristine[0] / "room")
    train = scene.train
    for changes in (
        {"names": train.names[:-1]},
        {"names": (train.names[0],) * len(train.names)},
        {"rgb": train.rgb.astype(np.float32)},
        {"world_from_cam": train.world_from_cam[:, :3]},
        {"depth_z": train.depth_z[:, 1:]},
        {"regions": np.zeros(train.depth_z.shape, np.int64)},
        {"regions": np.zeros((1, HEIGHT, WIDTH), np.int32)},
    ):
        with pytest.raises(ValueError):
            dataclasses.replace(train, **changes)
    for changes in (
        {"test": train},
        {"class_ids": (1, 4)},
        {"class_names": ("wall", "wall", "lamp")},
        {"intrinsics": dataclasses.replace(scene.intrinsics, width=4)},
    ):
        with pytest.raises(ValueError):
            dataclasses.replace(scene, **changes)
    with pytest.raises(ValueError):
        GroundTruth(truth.train_labels.astype(np.int64), None, None)
    with pytest.raises(ValueError):
        GroundTruth(None, truth.test_labels, truth.test_depth_z[:1])
    assert isinstance(train, Frames)


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
    assert truth.train_labels is not None
    assert truth.train_labels.min() >= -1
    assert truth.train_labels.max() < 22
