"""Files under nearly the listed name are found; unlike and ambiguous ones are not."""

import pytest

from alsem.data.near_names import NearNames


@pytest.mark.parametrize(
    ("listed", "there"),
    [
        ("images/IMG_1.jpg", "images/IMG_1.JPG"),
        ("images/IMG_1.jpg", "Images/img_1.jpeg"),
        ("images/1.png", "images/1.jpg"),
        ("images\\a\\1.png", "images/a/1.png"),
        ("images/frame.0001", "images/frame.0001.png"),
        ("images/frame_00001.png", "images/frame.1.png"),
        ("images/frame_10.png", "images/frame-010.jpg"),
        ("images/Ku\u0308che.png", "images/K\u00fcche.png"),
        ("masks/IMG_1.png", "masks/IMG_1.jpg.png"),
        ("masks/IMG_1.png", "masks/IMG_1_mask.png"),
        ("mask/mask_1.png", "mask/1.png"),
    ],
)
def test_file_under_nearly_that_name(tmp_path, listed, there):
    path = tmp_path / there
    path.parent.mkdir(parents=True)
    for name in (path.name, "other_2.png", "frame_100.png", "IMG_11.jpg"):
        path.with_name(name).touch()
    assert NearNames().find(tmp_path / listed) == path


@pytest.mark.parametrize(
    ("listed", "there"),
    [
        ("1.png", ["2.png", "10.png", "11.jpg"]),
        ("a.png", ["A.PNG", "A.png"]),  # either could be meant
        ("1.png", ["1.jpg/x.png"]),  # a folder
        ("mask.png", ["depth.png"]),
        ("gone/1.png", ["1.png"]),
    ],
)
def test_no_file_is_near_enough(tmp_path, listed, there):
    for name in there:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert NearNames().find(tmp_path / listed) is None
