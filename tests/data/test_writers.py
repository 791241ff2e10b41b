"""Converted captures hold the same as the original."""

import captures
import numpy as np
import pytest
from captures import TEST, TRAIN

from alsem.data import READERS, open_capture
from alsem.data.writers import convert

SPLITS = {"train_split": f"{TRAIN}[:]", "test_split": f"{TEST}[:]"}


@pytest.mark.parametrize("to", ["replica", "nerfstudio"])
@pytest.mark.parametrize("source", ["replica", "nerfstudio", "colmap"])
def test_converted_capture_is_the_same(copy_of, tmp_path, source, to):
    room, out = copy_of("bin" if source == "colmap" else source), tmp_path / "out"
    if source == "replica":
        masks = np.random.default_rng(0).integers(0, 2, (12, 6, 8), np.uint8)
        captures.write_images(room / TRAIN / "mask", 255 * masks)
    convert(READERS[source](room, "", ()), out, to=to)
    one = open_capture(dir=room, source=source, **SPLITS)
    other = open_capture(dir=out, source=to, **SPLITS)
    captures.assert_same(other, one)
    if source != "colmap" or to == "nerfstudio":  # Replica's has no place for points
        assert one[0].fingerprint() == other[0].fingerprint()
    assert one[0].class_ids == other[0].class_ids


def test_mask_of_some_frames_is_written_for_all(copy_of, tmp_path):
    room = copy_of("nerfstudio")
    captures.edit_json(
        room / "transforms.json",
        lambda info: info["frames"][0].update(mask_path="m.png"),
    )
    captures.save_png(room / "m.png", np.zeros((6, 8), np.uint8))
    convert(READERS["nerfstudio"](room, "", ()), tmp_path / "out", to="replica")
    scene, _ = open_capture(dir=tmp_path / "out", **SPLITS)
    assert scene.train.valid_mask[1:].all() and not scene.train.valid_mask[0].any()


def test_failed_conversion_leaves_nothing(copy_of):
    room = copy_of("replica")
    capture = READERS["replica"](room, "", ())

    def error_of(out, to):
        return captures.input_error(convert, capture, room.parent / out, to=to)

    assert "exists already" in error_of("room", "replica")
    assert "use one of replica, nerfstudio" in error_of("out", "sens")
    captures.cut(room / TRAIN / "depth" / "depth_3.png")
    assert "depth_3" in error_of("out", "nerfstudio")
    assert [path.name for path in room.parent.iterdir()] == ["room"]
