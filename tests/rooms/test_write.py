import json
import shutil

import numpy as np
import pytest
from PIL import Image

from alsem.core.errors import InputError
from alsem.rooms import CLASS_IDS, render_room, write_room

SMALL = {"width": 24, "height": 18, "train_frames": 2, "test_frames": 1}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write_room(tmp_path_factory.mktemp("rooms"), seed=5, **SMALL)


def read_all(folder):
    files = (p for p in folder.rglob("*") if p.is_file())
    return {p.relative_to(folder): p.read_bytes() for p in files}


def test_a_room_on_disk_is_a_replica_scene(written):
    assert [p.name for p in written.parent.iterdir()] == ["room_5"]
    info = json.loads((written / "info.json").read_text())
    assert info["frames"] == {"Sequence_1": 2, "Sequence_2": 1}
    assert (info["width"], info["height"], info["fx"], info["fy"]) == (24, 18, 12, 12)
    assert (info["cx"], info["cy"], info["depth_scale"]) == (11.5, 8.5, 1000.0)
    assert info["classes"]["sofa"] == {"id": CLASS_IDS["sofa"]}
    for name, (images, world_from_cam) in render_room(5, **SMALL).items():
        for kind, stack, dtype in (
            ("rgb", images.rgb, np.uint8),
            ("depth", np.round(images.depth_z * 1000), np.uint16),
            ("semantic_class", images.class_id, np.uint8),
        ):
            files = [f"{kind}_{i}.png" for i in range(len(stack))]
            assert sorted(p.name for p in (written / name / kind).iterdir()) == files
            for file, image in zip(files, stack, strict=True):
                read = np.asarray(Image.open(written / name / kind / file))
                assert read.dtype == dtype
                np.testing.assert_array_equal(read, image)
        rows = np.loadtxt(written / name / "traj_w_c.txt", ndmin=2)
        np.testing.assert_allclose(rows, world_from_cam.reshape(-1, 16), atol=1e-8)


def test_a_finished_room_is_kept_and_a_different_one_not_overwritten(
    written, tmp_path, monkeypatch
):
    folder = shutil.copytree(written, tmp_path / "room_5")
    before = read_all(folder)

    def fail(*args, **kwargs):
        raise RuntimeError("must not render")

    monkeypatch.setattr("alsem.rooms.write.render_room", fail)
    assert write_room(tmp_path, seed=5, **SMALL) == folder
    with pytest.raises(InputError, match="room_5 exists"):
        write_room(tmp_path, seed=5, **{**SMALL, "width": 32})
    assert read_all(folder) == before
    with pytest.raises(RuntimeError):  # a failed call leaves nothing behind
        write_room(tmp_path, seed=6, **SMALL)
    assert [p.name for p in tmp_path.iterdir()] == ["room_5"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": -1}, "seed"),
        ({"width": 0}, "image size"),
        ({"train_frames": 0}, "train_frames"),
        ({"test_frames": 0}, "test_frames"),
    ],
)
def test_numbers_out_of_range_are_input_errors(tmp_path, change, message):
    with pytest.raises(InputError, match=message):
        write_room(tmp_path, **{"seed": 0, **SMALL, **change})
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_is_an_input_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write rooms"):
        write_room(tmp_path / "file", seed=0, **SMALL)
