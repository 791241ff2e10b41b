"""Reads the class list of a capture from its metadata, a text file or a config.

Never from label images: the classes that occur in them are known only after annotation.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from alsem.core.errors import InputError
from alsem.data import label_maps
from alsem.data.label_maps import VOID_NAMES
from alsem.data.text_files import read_json, read_text

Classes = tuple[tuple[str, ...], tuple[int, ...]]
_MAX_ID = 255  # label images have 8 bits


def from_info(path: Path, info: dict[str, Any]) -> Classes:
    """Reads the classes of an ``info.json``: ``{"classes": {name: {"id": int}}}``.

    Args:
        path: The file, for messages.
        info: Its contents.

    Returns:
        Names and ids, ordered by id, without void (ids of 0 and below).

    Raises:
        InputError: ``classes`` is malformed.
    """
    classes = info["classes"]
    example = 'write "classes": {"wall": {"id": 1}, ...}'
    if not isinstance(classes, dict):
        raise InputError(f"{path}: 'classes' is not an object; {example}")
    pairs = []
    for name, entry in classes.items():
        if not isinstance(entry, dict) or "id" not in entry:
            raise InputError(f"{path}: class {name!r} has no id; {example}")
        pairs.append((entry["id"], name))
    return _ordered(path, pairs)


def from_info_semantic(path: Path) -> Classes:
    """Reads the classes of the objects in Replica's metadata.

    Args:
        path: ``info_semantic.json``, which lists all 101 classes of the data set under
            ``classes`` and those in the room under ``objects``.

    Returns:
        Names and ids, ordered by id, without void (ids of 0 and below).

    Raises:
        InputError: The file is malformed.
    """
    info = read_json(path)
    objects, named = (_rows(path, info, key) for key in ("objects", "classes"))
    name_of_id = {str(row.get("id")): row.get("name") for row in named}
    pairs: list[tuple[object, object]] = []
    for row in objects:
        class_id = row.get("class_id")
        pairs.append((class_id, row.get("class_name", name_of_id.get(str(class_id)))))
    return _ordered(path, dict.fromkeys(_checked(path, pairs)))


def configured_or_listed(folders: Sequence[Path], lines: Sequence[str]) -> Classes:
    """Reads the classes of a config, else of a ``classes.txt`` or a label map.

    Args:
        folders: Folders that are searched for the file, in order.
        lines: The config's lines; empty if it gives none.

    Raises:
        InputError: There are none, or they are malformed.
    """
    if lines:
        return from_lines("data.classes", lines)
    for folder in folders:
        if (folder / "classes.txt").exists():
            return from_text(folder / "classes.txt")
    label_map = label_maps.find(folders)
    if label_map is not None:
        rows = label_maps.read(label_map)
        return _ordered(label_map, [(i, name) for name, _, i in rows])
    raise InputError(
        f"{folders[0] / 'classes.txt'}: missing, and no other class list; write it, one"
        " 'id name' a line, or give data.classes"
    )


def from_text(path: Path) -> Classes:
    """Reads classes from a text file, see `from_lines`.

    Raises:
        InputError: The file cannot be read or is malformed.
    """
    lines = read_text(path, "write one class a line").splitlines()
    return from_lines(path, lines)


def from_lines(where: Path | str, lines: Sequence[str]) -> Classes:
    """Reads classes from lines ``id name``, or just ``name`` for ids in order.

    Names count from 1, unless the first of them means void (background, unlabelled,
    __ignore__ ...): that has id 0, as annotation tools number their lists; before
    another such name, -1.

    Args:
        where: File or config key of the lines, for messages.
        lines: One class each; blank lines and those that start with # are skipped.

    Returns:
        Names and ids, ordered by id, without void (ids of 0 and below).

    Raises:
        InputError: Some lines carry an id and others do not, or a class repeats.
    """
    lines = [line.strip() for line in lines]
    lines = [line for line in lines if line and not line.startswith("#")]
    numbered = [_split_id(line) for line in lines]
    with_id = [pair for pair in numbered if pair is not None]
    if not with_id:
        return _ordered(where, enumerate(lines, start=first_id(lines)))
    if len(with_id) != len(lines):
        without_id = lines[numbered.index(None)]
        raise InputError(
            f"{where}: {without_id!r} has no id while other lines do; write 'id name'"
            " in every line, or names only"
        )
    return _ordered(where, with_id)


def first_id(names: Sequence[str]) -> int:
    """The id of the first of names that have no ids: 1, or that of void."""
    void = [name.strip().casefold() in VOID_NAMES for name in names[:2]]
    if len(void) == 2 and all(void):
        return -1  # labelme's __ignore__ before its _background_
    return 0 if void and void[0] else 1


def numbering(folders: Sequence[Path], lines: Sequence[str], read: Classes) -> str:
    """How the ids of a class list of names are counted.

    Args:
        folders: As of `configured_or_listed`.
        lines: Likewise.
        read: The classes of the capture.

    Returns:
        A few words; empty if the list gives ids itself, or the classes are not its own.
    """
    for folder in folders:
        if not lines and (folder / "classes.txt").exists():
            lines = read_text(folder / "classes.txt", "").splitlines()
    lines = [line.strip() for line in lines]
    names = [line for line in lines if line and not line.startswith("#")]
    if not names or _split_id(names[0]) is not None:
        return ""
    if from_lines("", names) != read:
        return ""
    first = first_id(names)
    if first > 0:
        return "names counted from 1; 0 is void"
    return f"names counted from {first}, for {names[0]!r} is void"


def _split_id(line: str) -> tuple[int, str] | None:
    head, *name = line.split(maxsplit=1)
    try:
        return (int(head), name[0]) if name else None
    except ValueError:
        return None


def _rows(path: Path, info: dict[str, Any], key: str) -> list[dict[str, Any]]:
    rows = info.get(key, [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InputError(f"{path}: {key!r} is not a list of objects; restore the file")
    return rows


def _checked(
    where: Path | str, pairs: Iterable[tuple[object, object]]
) -> list[tuple[int, str]]:
    """Drops void and checks types, since JSON may hold any."""
    checked = []
    for class_id, name in pairs:
        if not isinstance(class_id, int) or isinstance(class_id, bool):
            raise InputError(
                f"{where}: id {class_id!r} of class {name!r} is not a whole number; "
                "give it one"
            )
        if class_id <= 0:
            continue
        if not isinstance(name, str) or not name.strip():
            raise InputError(f"{where}: class {class_id} has no name; give it one")
        checked.append((class_id, name.strip()))
    return checked


def _ordered(where: Path | str, pairs: Iterable[tuple[object, object]]) -> Classes:
    classes = sorted(_checked(where, pairs))
    if not classes:
        raise InputError(f"{where}: lists no class with an id above 0 (0 is void)")
    if classes[-1][0] > _MAX_ID:
        raise InputError(
            f"{where}: class id {classes[-1][0]} does not fit the 8-bit label images; "
            f"number the classes 1 to {_MAX_ID}"
        )
    ids = tuple(class_id for class_id, _ in classes)
    names = tuple(name for _, name in classes)
    for what, values in (("id", ids), ("name", names)):
        repeated = [value for value in values if values.count(value) > 1]
        if repeated:
            raise InputError(
                f"{where}: two classes have the {what} {repeated[0]!r}; make it unique"
            )
    return names, ids
