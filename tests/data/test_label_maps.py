"""Label images of annotation tools: palettes, colours and label maps."""

import json

import captures
import numpy as np
import pytest
from captures import CLASSES, TRAIN
from PIL import Image

from alsem.data import label_images, label_maps

open_room, error_of = captures.openers()
IDS = np.array([[0, 1, 2], [255, 2, 1]], np.uint8)
CVAT = "# label:color_rgb:parts:actions\nbackground:0,0,0::\nwall:250,50,83::\n"
CVAT += "arm chair:51,221,255:back,seat:\n"


def test_voc_colours():
    colours = dict((i, colour) for colour, i in label_images.voc_colours())
    assert colours[0] == (0, 0, 0)
    assert colours[1] == (128, 0, 0)
    assert colours[7] == (128, 128, 128)
    assert colours[20] == (0, 64, 128)
    assert colours[255] == (224, 224, 192)
    assert len(set(colours.values())) == 256


@pytest.mark.parametrize("name", ["labelmap.txt", "semantic/labelmap.txt"])
def test_labelmap_of_cvat(tmp_path, name):
    (tmp_path / "semantic").mkdir()
    (tmp_path / name).write_text(CVAT)
    assert label_maps.read(label_maps.find([tmp_path])) == [
        ("background", (0, 0, 0), 0),
        ("wall", (250, 50, 83), 1),
        ("arm chair", (51, 221, 255), 2),
    ]


def test_meta_of_supervisely(tmp_path):
    rows = [{"title": "wall", "shape": "bitmap", "color": "#FA3253"}]
    rows += [
        {"title": "void", "color": "#000000"},
        {"title": "lamp", "color": "#01FF02"},
    ]
    (tmp_path / "meta.json").write_text(json.dumps({"classes": rows, "tags": []}))
    found = label_maps.read(label_maps.find([tmp_path]))
    assert [(name, i) for name, _, i in found] == [
        ("wall", 1),
        ("void", 0),
        ("lamp", 3),
    ]
    assert dict(label_maps.colours([tmp_path], (("lamp",), (3,)))) == {
        (250, 50, 83): 1,
        (0, 0, 0): 0,
        (1, 255, 2): 3,
    }


@pytest.mark.parametrize("kind", ["grey", "palette", "voc", "rgb", "rgba"])
def test_kinds_of_label_images(copy_of, kind):
    """Ids 1, 4 and 9, by name also those of the label map; 0 and 255 are void."""
    room = copy_of("replica")
    expected = open_room(room)[1].train_labels
    voc = np.array([colour for colour, _ in label_images.voc_colours()], np.uint8)
    colours = dict(zip((0, *CLASSES.values()), voc[[0, 30, 40, 50]], strict=True))
    if kind.startswith("rgb"):
        lines = [f"{n}:{','.join(map(str, colours[i]))}::" for n, i in CLASSES.items()]
        (room / "labelmap.txt").write_text("\n".join(lines))
    for path in (room / TRAIN / "semantic_class").glob("semantic_class_*.png"):
        ids = np.array(Image.open(path))
        ids[ids == 0] = 255 if kind != "rgb" else 0
        image = Image.fromarray(ids)
        if kind == "palette":
            image = image.convert("P")
        elif kind == "voc":
            image = Image.fromarray(voc[ids])
        elif kind.startswith("rgb"):
            ids[ids == 255] = 0
            rgb = np.stack([colours[i] for i in ids.ravel()]).reshape(*ids.shape, 3)
            image = Image.fromarray(rgb).convert(kind.upper())
        image.save(path)
    np.testing.assert_array_equal(open_room(room)[1].train_labels, expected)


def test_255_is_a_class_where_one_has_it():
    assert label_images.label_table((1, 255))[255] == 1
    assert label_images.label_table((1,))[255] == label_images.VOID


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "lists no class"),
        ("wall", "line 1: 'wall' is no class"),
        ("wall:1,2::", "line 1"),
        ("wall:1,2,256::", "line 1"),
        ("wall:1,2,3::\nlamp:1,2,3::", "two classes have the colour"),
    ],
)
def test_bad_label_maps(tmp_path, text, reason):
    path = tmp_path / "labelmap.txt"
    path.write_text(text)
    error = captures.input_error(label_maps.colours, [tmp_path], ((), ()))
    assert error.startswith(str(path)) and reason in error


def test_colour_of_no_class(tmp_path):
    pixels = np.full((2, 3, 3), 7, np.uint8)
    image = label_images.LabelImage(
        captures.ImageInMemory(pixels), label_images.voc_colours()
    )
    assert "holds the colour 7 7 7" in captures.input_error(image.read)
