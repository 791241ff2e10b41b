import captures
import numpy as np
import pytest
from PIL import Image

pytest.importorskip("pycolmap", reason="needs the extra 'reconstruct'")
from alsem.reconstruction import advice, features, photographs, video


@pytest.fixture
def folder(tmp_path):
    """Six photographs, 2 to 12 in their names, in two folders; a mask."""
    for i in range(2, 13, 2):
        path = tmp_path / "all" / f"{i // 8}" / f"IMG_{i}.{['JPG', 'webp'][i // 6 % 2]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(i).integers(0, 255, (30, 40, 3), np.uint8)
        Image.fromarray(noise).save(path)
    (tmp_path / "masks" / "1").mkdir(parents=True)
    Image.new("L", (20, 15)).save(tmp_path / "masks" / "1" / "img_8.png")
    return tmp_path / "all"


def test_photographs_are_listed_by_number_with_their_masks(folder):
    (folder / "._IMG_1.JPG").write_bytes(b"of a file system")
    listed = photographs.list_photographs(folder, folder.parent / "masks")
    assert [p.name.split("_")[-1] for p in listed] == ["2", "4", "6", "8", "10", "12"]
    assert [p.name for p in listed if p.mask] == ["1/IMG_8"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("all/x.heic", "HEIC is not read; convert the photographs to JPEG (1 of 7"),
        ("all/0/IMG_2.png", "2 photographs named 0/IMG_2; rename them"),
        ("masks/1/IMG_9.png", "mask of no photograph; name it like one"),
    ],
)
def test_files_that_cannot_be_used_are_named(folder, name, message):
    (folder.parent / name).write_bytes(b"")
    listing = photographs.list_photographs
    assert message in captures.input_error(listing, folder, folder.parent / "masks")


def test_places_without_photographs_are_named(folder, tmp_path):
    for name, message in [
        ("nowhere", "no such folder"),
        ("masks/1", "1 photographs (.jpg"),
        ("walk.MP4", "is a video; give it as --video="),
        ("clips", "or give --video="),
    ]:
        (tmp_path / "walk.MP4").write_bytes(b"")
        (tmp_path / "clips").mkdir(exist_ok=True)
        (tmp_path / "clips" / "walk.mov").write_bytes(b"")
        error = captures.input_error(photographs.list_photographs, tmp_path / name)
        assert message in error
    (tmp_path / "none").mkdir()
    arguments = photographs.list_photographs, folder, tmp_path / "none"
    assert "leave --masks out" in captures.input_error(*arguments)


@pytest.mark.parametrize(
    ("pixels", "message"),
    [(None, "cannot be read"), (np.zeros((4, 4), np.uint16), "write 8 bits a channel")],
)
def test_photographs_that_cannot_be_read_are_named(tmp_path, pixels, message):
    path = tmp_path / "a.png"
    if pixels is None:
        Image.new("RGB", (40, 30), "red").save(path)
        path.write_bytes(path.read_bytes()[:70])
    else:
        Image.fromarray(pixels).save(path)
    assert message in captures.input_error(photographs.read_upright, path)


def test_masks_are_of_the_photograph_shape(folder):
    path = folder.parent / "masks" / "1" / "img_8.png"
    assert photographs.read_mask(path, (40, 30)).shape == (30, 40)
    assert "give a mask" in captures.input_error(photographs.read_mask, path, (30, 40))


def test_the_sharpest_of_equal_parts_are_picked(folder):
    listed = photographs.list_photographs(folder)
    for each in listed[1::2]:
        Image.fromarray(np.full((30, 40, 3), 9, np.uint8)).save(each.path)
    assert photographs.sharpest(listed, 3) == listed[::2]
    assert photographs.sharpest(listed, 9) == listed


@pytest.mark.parametrize("content", [None, b"", b"no video"])
def test_videos_that_cannot_be_decoded_are_named(tmp_path, content, capfd):
    path = tmp_path / "walk.mp4"
    if content is not None:
        path.write_bytes(content)
    error = captures.input_error(lambda: list(video.sharp_frames(path, 5)))
    assert "no such file" in error if content is None else "0 frames can be" in error
    assert capfd.readouterr().err == ""


def test_likely_pairs_are_those_that_share_most():
    shared = np.array([[9, 5, 0, 1], [5, 9, 2, 0], [0, 2, 9, 7], [1, 0, 7, 9]])
    assert features.likely_pairs(shared, 1) == {(0, 1), (2, 3)}
    everything = features.likely_pairs(shared, 4)
    assert everything == {(0, 1), (0, 3), (1, 2), (2, 3)}


def test_advice_groups_photographs_by_what_is_wrong_with_them():
    def evidence(name, *, placed=False, features=4000, partners=9, sharpness=100.0):
        return advice.Evidence(name, placed, features, partners, sharpness)

    good = [evidence(f"good{i}", placed=True) for i in range(9)]
    assert not list(advice.advice_lines(good, [9]))
    bad = [
        evidence("wall", features=20, partners=0),
        *(evidence(f"other{i}", partners=0) for i in range(7)),
        evidence("moved", sharpness=3.0),
        evidence("weak"),
    ]
    lines = list(advice.advice_lines([*good, *bad], [9, 6]))
    assert lines[0] == "10 of 19 photographs were left out:"
    assert lines[1] == (
        "  7 match no other photograph (other0, other1, other2, other3, other4 and"
        " 2 more)"
    )
    assert {line.split(" (")[0].strip() for line in lines[2:5]} == {
        "1 show too little texture, or are blurred or dark",
        "1 are blurred",
        "1 match others too weakly to be placed",
    }
    assert "parts of 9 + 6, the first" in lines[5]
    assert lines[6].strip() == advice.REMEDY
