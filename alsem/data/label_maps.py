"""Label maps of annotation tools: the ids and colours of classes.

``labelmap.txt`` of CVAT's segmentation masks (``name:r,g,b:parts:actions`` a line, ids
by line; the mask folder is beside it or below), and Supervisely's ``meta.json``
(``{"classes": [{"title", "color": "#RRGGBB"}]}``). A first line ``background`` is void.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from alsem.core.errors import InputError
from alsem.data.label_images import Colour, Colours, voc_colours
from alsem.data.text_files import read_json, read_text

_LINE = re.compile(r"\s*(?P<name>[^:]+?)\s*:\s*(?P<rgb>[0-9 ,]*?)\s*(?::.*)?")
_HEX = re.compile(r"#[0-9a-fA-F]{6}")
VOID_NAMES = frozenset(
    "background _background_ void unlabelled unlabeled unannotated unassigned undefined"
    " ignore __ignore__ _ignore_ ignored none nothing unknown".split()
)
Row = tuple[str, Colour | None, int]  # name, colour, id; void has id 0


def find(folders: Sequence[Path]) -> Path | None:
    """The label map of a capture, in the first of some folders that has one."""
    for folder in folders:
        for name in ("labelmap.txt", "semantic/labelmap.txt", "meta.json"):
            if (folder / name).is_file() and (
                name != "meta.json" or "classes" in read_json(folder / name)
            ):
                return folder / name
    return None


def read(path: Path) -> list[Row]:
    """The rows of a label map.

    Raises:
        InputError: The file cannot be read, or a row is malformed.
    """
    named = _supervisely(path) if path.suffix == ".json" else _cvat(path)
    if not named:
        raise InputError(f"{path}: lists no class; write 'name:r,g,b::' a line")
    is_void = [name.casefold() in VOID_NAMES for name, _ in named]
    first = 0 if is_void[0] else 1  # a map without background counts from 1
    return [
        (name, colour, 0 if void else i)
        for i, ((name, colour), void) in enumerate(
            zip(named, is_void, strict=True), start=first
        )
    ]


def colours(
    folders: Sequence[Path], classes: tuple[Sequence[str], Sequence[int]]
) -> Colours:
    """The colours of a capture's classes: those of its label map, or Pascal VOC's.

    Args:
        folders: Folders that are searched for the label map, in order.
        classes: Names and ids; a name in the label map has its id there.
    """
    path = find(folders)
    rows = [] if path is None else read(path)
    id_of_name = dict(zip(*classes, strict=True))
    given = tuple(
        (colour, id_of_name.get(name, i))
        for name, colour, i in rows
        if colour is not None
    )
    for index, (colour, _) in enumerate(given):
        if colour in [other for other, _ in given[:index]]:
            raise InputError(
                f"{path}: two classes have the colour {colour}; change one"
            )
    if given and (0, 0, 0) not in dict(given):
        given += (((0, 0, 0), 0),)
    return given or voc_colours()


def _cvat(path: Path) -> list[tuple[str, Colour | None]]:
    named = []
    for number, line in enumerate(read_text(path, "it lists classes").splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        values = [int(v) for v in re.findall(r"\d{1,9}", match["rgb"])] if match else []
        if match is None or len(values) not in (0, 3) or max(values, default=0) > 255:
            raise InputError(
                f"{path} line {number}: {line.strip()!r} is no class; write"
                " 'name:r,g,b::'"
            )
        colour = (values[0], values[1], values[2]) if values else None
        named.append((match["name"], colour))
    return named


def _supervisely(path: Path) -> list[tuple[str, Colour | None]]:
    rows = read_json(path)["classes"]
    if not isinstance(rows, list):
        raise InputError(f"{path}: 'classes' is no list; write one")
    named = []
    for row in rows:
        title, text = (
            (row.get("title"), row.get("color")) if isinstance(row, dict) else (0, 0)
        )
        if not isinstance(title, str) or not _HEX.fullmatch(str(text)):
            raise InputError(
                f"{path}: {row!r:.80} is no class; write its title and color '#RRGGBB'"
            )
        raw = bytes.fromhex(str(text)[1:])
        named.append((title, (raw[0], raw[1], raw[2])))
    return named
