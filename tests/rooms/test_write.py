import json
import shutil

import numpy as np
import pytest
from captures import input_error
from PIL import Image
from room_rays import HEIGHT, SEED, TEST, TRAIN, WIDTH

from alsem.rooms import CLASS_IDS, write_room

SIZE = {"width": WIDTH, "height": HEIGHT, "train_frames": TRAIN, "test_frames": TEST}
NAME = f"room_{SEED}"


@pytest.fixture(scope="module")
def written(tmp_path_factory, sequences):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("alsem.rooms.write.render_room", lambda seed, **_: sequences)
        return write_room(tmp_path_factory.mktemp("rooms"), seed=SEED, **SIZE)


def test_a_room_on_disk_is_a_replica_scene(written, sequences):
    assert [path.name for path in written.parent.iterdir()] == [NAME]
    info = json.loads((written / "info.json").read_text())
    assert info["frames"] == {"Sequence_1": TRAIN, "Sequence_2": TEST}
    assert (info["width"], info["height"], info["fx"], info["fy"]) == (44, 33, 22, 22)
    assert (info["cx"], info["cy"], info["depth_scale"]) == (21.5, 16.0, 1000.0)
    assert info["classes"]["sofa"] == {"id": CLASS_IDS["sofa"]}
    for name, (images, world_from_cam) in sequences.items():
        for kind, stack, dtype in (
            ("rgb", images.rgb, np.uint8),
            ("depth", np.round(images.depth_z * 1000), np.uint16),
            ("semantic_class", images.class_id, np.uint8),
        ):
            paths = [
                written / name / kind / f"{kind}_{i}.png" for i in range(len(stack))
            ]
            assert set((written / name / kind).iterdir()) == set(paths)
            read = np.stack([np.asarray(Image.open(path)) for path in paths])
            assert read.dtype == dtype
            np.testing.assert_array_equal(read, stack)
        rows = np.loadtxt(written / name / "traj_w_c.txt")
        np.testing.assert_allclose(rows, world_from_cam.reshape(-1, 16), atol=1e-8)


def test_a_finished_room_is_kept_and_a_different_one_not_overwritten(
    written, tmp_path, monkeypatch
):
    def contents():
        return {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}

    def fail(*args, **kwargs):
        raise RuntimeError("must not render")

    folder = shutil.copytree(written, tmp_path / NAME)
    before = contents()
    monkeypatch.setattr("alsem.rooms.write.render_room", fail)
    assert write_room(tmp_path, seed=SEED, **SIZE) == folder
    changed = SIZE | {"seed": SEED, "width": 32}
    assert f"{NAME} exists" in input_error(write_room, tmp_path, **changed)
    with pytest.raises(RuntimeError):  # a failed call leaves nothing behind
        write_room(tmp_path, seed=SEED + 1, **SIZE)
    assert contents() == before
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


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
    options = SIZE | {"seed": 0} | change
    assert message in input_error(write_room, tmp_path, **options)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_is_an_input_error(tmp_path):
    (tmp_path / "file").write_text("")
    error = input_error(write_room, tmp_path / "file", seed=0, **SIZE)
    assert "cannot write rooms" in error
