"""Converted captures hold the same as the original."""

import captures
import layouts
import numpy as np
import pytest
from captures import TEST, TRAIN, save_png

from alsem.data import READERS, open_capture
from alsem.data.writers import convert

SPLITS = {"train_split": f"{TRAIN}[:]", "test_split": f"{TEST}[:]"}


@pytest.fixture(scope="module")
def rooms(tmp_path_factory):
    """A capture in three layouts, with masks in the Replica layout."""
    folder = tmp_path_factory.mktemp("rooms")
    written = captures.write_capture(folder / "replica")
    for i, mask in enumerate(np.random.default_rng(0).integers(0, 2, (12, 6, 8))):
        path = folder / "replica" / TRAIN / "mask" / f"mask_{i}.png"
        save_png(path, (255 * mask).astype(np.uint8))
    layouts.write_nerfstudio(folder / "nerfstudio", written)
    layouts.write_colmap(folder / "colmap", written, binary=True)
    return folder


@pytest.mark.parametrize("to", ["replica", "nerfstudio"])
@pytest.mark.parametrize("source", ["replica", "nerfstudio", "colmap"])
def test_converted_capture_is_the_same(rooms, tmp_path, source, to):
    convert(READERS[source](rooms / source, "", ()), tmp_path / "out", to=to)
    one, truth = open_capture(dir=rooms / source, source=source, **SPLITS)
    other, other_truth = open_capture(dir=tmp_path / "out", source=to, **SPLITS)
    if source != "colmap" or to == "nerfstudio":  # Replica's has no place for points
        assert one.fingerprint() == other.fingerprint()
    for field in ("world_from_cam", "depth_z", "rgb"):
        a, b = getattr(one.train, field), getattr(other.train, field)
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(truth.train_labels, other_truth.train_labels)
    assert one.class_ids == other.class_ids


def test_mask_of_some_frames_is_written_for_all(tmp_path):
    info = layouts.write_nerfstudio(
        tmp_path / "room", captures.write_capture(tmp_path / "replica")
    )
    info["frames"][0]["mask_path"] = "m.png"
    layouts.save_transforms(tmp_path / "room", info)
    save_png(tmp_path / "room" / "m.png", np.zeros((6, 8), np.uint8))
    capture = READERS["nerfstudio"](tmp_path / "room", "", ())
    convert(capture, tmp_path / "out", to="replica")
    scene, _ = open_capture(dir=tmp_path / "out", **SPLITS)
    assert scene.train.valid_mask[1:].all() and not scene.train.valid_mask[0].any()


def test_failed_conversion_leaves_nothing(tmp_path):
    captures.write_capture(tmp_path / "room")
    capture = READERS["replica"](tmp_path / "room", "", ())

    def error_of(out, to):
        return captures.input_error(convert, capture, tmp_path / out, to=to)

    assert "exists already" in error_of("room", "replica")
    assert "use one of replica, nerfstudio" in error_of("out", "sens")
    path = tmp_path / "room" / TRAIN / "depth" / "depth_3.png"
    path.write_bytes(path.read_bytes()[:-20])
    assert "depth_3" in error_of("out", "nerfstudio")
    assert [p.name for p in tmp_path.iterdir()] == ["room"]
