"""Faults of every kind, drawn at random, are read right or named by the right kind.

The environment variable `FAULTS` sets the number of examples.
"""

import json
import os
import shutil

import captures
import layouts
import numpy as np
import pytest
import textured_room
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from alsem.data import checks

FAULTS = int(os.environ.get("FAULTS", "5"))
FRAMES = 9
EXIF_OF = {1: 6, 2: 3, 3: 8}  # quarters that a file lies turned by -> the note


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    """A transforms.json of a textured room, with depth apart, and no labels."""
    folder, poses = tmp_path_factory.mktemp("room"), textured_room.walk(FRAMES)
    rgb, depth = textured_room.shoot(poses)
    info = {"w": 160, "h": 120, "fl_x": 110, "fl_y": 110, "cx": 80, "cy": 60}
    info["frames"] = []
    for i, pose in enumerate(poses):
        captures.save_png(folder / f"images/{i}.png", rgb[i])
        captures.save_png(folder / f"d/{i}.png", (1000 * depth[i]).astype(np.uint16))
        matrix = (pose @ layouts.FLIP).tolist()
        info["frames"].append(
            {"file_path": f"images/{i}.png", "transform_matrix": matrix}
        )
    (folder / "transforms.json").write_text(json.dumps(info))
    (folder / "classes.txt").write_text("wall\nfloor\n")
    return folder


def poses(change):
    """A fault of all poses."""

    def apply(room, info, draw):
        matrices = np.array([frame["transform_matrix"] for frame in info["frames"]])
        for frame, pose in zip(info["frames"], change(matrices), strict=True):
            frame["transform_matrix"] = pose.tolist()

    return apply


def another_size(room, info, draw):
    factor = draw(st.sampled_from([0.25, 0.5, 2.0, 3.0]))
    for key in ("fl_x", "fl_y", "cx", "cy"):
        info[key] *= factor
    del info["w"], info["h"]
    return f"multiply fx, fy, cx and cy by {1 / factor:.4g}"


def turned(room, info, draw):
    quarters = draw(st.sampled_from([1, 2, 3]))
    for path in (room / "images").iterdir():
        with Image.open(path) as image:
            pixels = np.rot90(np.array(image), quarters)
        captures.save_png(path, np.ascontiguousarray(pixels))
    for key in "wh":
        info.pop(key, None)
    if quarters % 2:
        info["cx"], info["cy"] = info["cy"], info["cx"]


def noted(room, info, draw):
    note = draw(st.sampled_from([6, 8]))
    how = {6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}[note]
    exif = Image.Exif()
    exif[0x0112] = note
    for path in (room / "images").iterdir():
        with Image.open(path) as image:
            stored = image.transpose(how)
        stored.save(path, exif=exif)


def absent(room, info, draw):
    (room / "images" / f"{draw(st.integers(0, FRAMES - 1))}.png").unlink()


def lost(room, info, draw):
    value = draw(st.sampled_from([0.0, float("nan"), float("-inf")]))
    images = room / "images"  # the pose of an absent photograph is nobody's
    there = [i for i in range(FRAMES) if (images / f"{i}.png").exists()]
    frame = info["frames"][draw(st.sampled_from(there))]
    frame["transform_matrix"] = [[value] * 4] * 4


def renamed(room, info, draw):
    old = room / "images" / f"{draw(st.integers(0, FRAMES - 1))}.png"
    if old.exists():
        old.rename(
            old.with_name(
                draw(st.sampled_from(["{}.PNG", "000{}.png"])).format(old.stem)
            )
        )
        return "nearly the names given"


def saturated(room, info, draw):
    for i, frame in enumerate(info["frames"]):
        frame["depth_file_path"] = f"d/{i}.png"
    value = draw(st.sampled_from([65535, 60000, 20000]))
    path = room / "d" / f"{draw(st.integers(0, FRAMES - 1))}.png"
    with Image.open(path) as image:
        depth = np.array(image)
    depth[20:40, 30:60] = value
    captures.save_png(path, depth)


def counted_from_void(room, info, draw):
    name = draw(st.sampled_from(["background", "_background_", "Void", "unlabelled"]))
    (room / "classes.txt").write_text(f"{name}\nwall\nfloor\n")


# Kind -> what it does to the capture, and what is said of it; None if it is read.
OF_POSES = {
    "axes": (poses(lambda m: m @ layouts.FLIP), "have OpenCV's axes"),
    "inverse": (poses(np.linalg.inv), "are world-to-camera where"),
    "shifted": (poses(lambda m: np.roll(m, 1, axis=0)), "1 place(s) before its own"),
    "size": (another_size, None),
    "turned": (turned, "the photographs are turned by"),
    "none": (lambda *_: None, None),
    "noted": (noted, None),
}
OTHERS = {
    "absent": (absent, "1 of 9 photographs listed are absent"),
    "lost": (lost, "have no finite pose"),
    "renamed": (renamed, None),
    "saturated": (saturated, "a value that stands for none"),
    "void": (counted_from_void, "names counted from 0"),
}


@settings(max_examples=FAULTS)
@given(data=st.data())
def test_faults_are_read_or_named(pristine, tmp_path_factory, data):
    room = tmp_path_factory.mktemp("faulty") / "room"
    shutil.copytree(pristine, room)
    info = json.loads((room / "transforms.json").read_text())
    kind = data.draw(st.sampled_from(sorted(OF_POSES)))
    others = data.draw(
        st.lists(st.sampled_from(sorted(OTHERS)), max_size=2, unique=True)
    )
    if kind not in ("none", "noted"):  # depth would tell first, or frames be missing
        others = [name for name in others if name in ("void", "renamed")]
    if kind == "noted":  # depth lies as what is shown, which is read
        others = [name for name in others if name != "saturated"]
    expected = []
    for apply, text in [*(OTHERS[name] for name in sorted(others)), OF_POSES[kind]]:
        said = apply(room, info, data.draw)
        expected += [each for each in (said, text) if each]
    (room / "transforms.json").write_text(json.dumps(info))
    report = checks.check_capture(room)
    text = "\n".join(checks.summary_lines(report))
    assert all(each in text for each in expected), (kind, others, expected, text)
    is_wrong = kind not in ("none", "noted")
    assert bool(report.fatal) == is_wrong, (kind, others, text)
    if not is_wrong:
        assert report.picture_agreement.fraction > 0.9
        assert (report.camera.width, report.camera.height) == (160, 120)
