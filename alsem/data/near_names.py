"""Finds files whose names differ from the listed ones as programs vary them.

Names differ in case (IMG_1.JPG), ending (.jpeg, mask.jpg.png), separator and padding
(frame.0001 for frame_1), Unicode form (as macOS writes accents), path separator
(Windows' backslash), or a word that says the kind (1_mask.png).
"""

import os
import re
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path

_ENDING = re.compile(r"\.(png|jpe?g|tiff?|webp|bmp|npy|npz|exr|heic)$")
_KINDS = "masks?|depth|semantic|labels?|seg(?:mentation)?|rgb|color|colour"
_KIND = re.compile(rf"(?<![a-z])(?:{_KINDS})(?![a-z])")


def _same_letters(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _without_endings(name: str) -> str:
    name = _same_letters(name)
    while _ENDING.search(name):
        name = _ENDING.sub("", name)
    return name


def _plain(name: str) -> str:
    parts = re.split(r"[^0-9a-z]+", _without_endings(name))
    return "_".join(re.sub(r"(?<!\d)0+(?=\d)", "", part) for part in parts)


def _without_kind(name: str) -> str:
    return _plain(_KIND.sub("", _without_endings(name))).strip("_")


_FORMS: tuple[Callable[[str], str], ...] = (
    *(_same_letters, _without_endings, _plain, _without_kind),
)


class NearNames:
    """Finds files under nearly their names; lists every folder once."""

    def __init__(self):
        """Starts with no folder listed."""
        self._listed: dict[tuple[Path, Callable], dict[str, list[str]]] = {}

    def find(self, path: Path) -> Path | None:
        """The file that is named nearly like an absent one.

        Args:
            path: The absent file. Its folders may be named nearly so too.

        Returns:
            The file that is there, by the strictest comparison that any passes; None
            if there is none or several pass it alike.
        """
        parts = [p for p in path.as_posix().replace("\\", "/").split("/") if p != "."]
        found = Path(parts[0] or "/")
        for i, part in enumerate(parts[1:], start=1):
            if os.path.lexists(found / part):
                found = found / part
                continue
            forms = _FORMS if i == len(parts) - 1 else _FORMS[:1]
            names = next((n for f in forms if (n := self._alike(found, part, f))), ())
            if len(names) != 1:
                return None
            found = found / names[0]
        return found if found.is_file() else None

    def _alike(
        self, folder: Path, name: str, form: Callable[[str], str]
    ) -> Sequence[str]:
        """Names in a folder that are the same as ``name`` in one form."""
        if (folder, form) not in self._listed:
            by_form = self._listed[folder, form] = {}
            try:
                names = sorted(os.listdir(folder))
            except OSError:
                names = []
            for each in names:
                by_form.setdefault(form(each), []).append(each)
        return self._listed[folder, form].get(form(name), ()) if form(name) else ()
