"""ScanNet's label spaces: NYU's 40 and 13 classes, and the benchmark's 20.

ScanNet's table ``scannetv2-labels.combined.tsv`` maps the raw ids of label images to
classes; ids that are not in it are void.
"""

import csv
from pathlib import Path

import numpy as np

from alsem.core.errors import InputError

TABLE = "scannetv2-labels.combined.tsv"
_NYU40 = (
    *("wall", "floor", "cabinet", "bed", "chair", "sofa", "table", "door", "window"),
    *("bookshelf", "picture", "counter", "blinds", "desk", "shelves", "curtain"),
    *("dresser", "pillow", "mirror", "floor mat", "clothes", "ceiling", "books"),
    *("refrigerator", "television", "paper", "towel", "shower curtain", "box"),
    *("whiteboard", "person", "night stand", "toilet", "sink", "lamp", "bathtub"),
    *("bag", "other structure", "other furniture", "other prop"),
)
_NYU13 = (
    *("bed", "books", "ceiling", "chair", "floor", "furniture", "objects", "picture"),
    *("sofa", "table", "television", "wall", "window"),
)
_BENCHMARK = (*range(1, 13), 14, 16, 24, 28, 33, 34, 36, 39)

# Label space -> the table's column, and the classes by their id there.
SPACES: dict[str, tuple[str, dict[int, str]]] = {
    "nyu40": ("nyu40id", dict(enumerate(_NYU40, start=1))),
    "nyu13": ("eigen13id", dict(enumerate(_NYU13, start=1))),
    "scannet20": ("nyu40id", {i: _NYU40[i - 1] for i in _BENCHMARK}),
}
_ID_COUNT = 1 << 16  # of 16-bit label images


def read_table(path: Path, space: str) -> tuple[np.ndarray, dict[str, int]]:
    """Reads the mapping from ScanNet's raw labels to the classes of a label space.

    Args:
        path: The table.
        space: One of `SPACES`.

    Returns:
        int32 ``[65536]``, the class id of every raw id, 0 for void; and the class id
        of every raw category's name.

    Raises:
        InputError: The table cannot be read, lacks a column or has a malformed row.
    """
    column, names = SPACES[space]
    class_of_id, class_of_name = np.zeros(_ID_COUNT, np.int32), {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, delimiter="\t")
            wanted = {"id", "raw_category", column}
            missing = wanted - set(rows.fieldnames or ())
            if missing:
                raise InputError(
                    f"{path}: has no column {sorted(missing)[0]!r}; use ScanNet's own"
                )
            for row in rows:
                if not any((row[name] or "").strip() for name in wanted):
                    continue  # an empty line
                raw = _whole_number(path, rows.line_num, row["id"])
                of_space = _whole_number(path, rows.line_num, row[column] or "0")
                if not 0 < raw < _ID_COUNT:
                    raise InputError(
                        f"{path} line {rows.line_num}: id {raw} is not of 16 bits"
                    )
                class_of_id[raw] = of_space if of_space in names else 0
                class_of_name[row["raw_category"]] = int(class_of_id[raw])
    except FileNotFoundError:
        raise InputError(
            f"{path}: missing; ScanNet's download script fetches it, put it there"
        ) from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as a table ({error})") from None
    return class_of_id, class_of_name


def _whole_number(path: Path, line: int, text: str | None) -> int:
    try:
        return int(text or "")
    except ValueError:
        raise InputError(f"{path} line {line}: {text!r} is no whole number") from None
