"""Names what a capture holds that is not read: folders of images, keys of files."""

import collections
import difflib
import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

_LOOKS_LIKE_DATA = re.compile(
    r"(mono_?)?(depths?|normals?)|features?|(?!images)\w*(masks?|semantics?|semantic_\w+"
    r"|labels?|segmentations?|segmentation(class|object)|confidence|instances?"
    r"|depth_\w+|\w+_depth|\w+_normals?)",
    re.IGNORECASE,
)
_SHOWN = 3


def folders(folder: Path, read: Iterable[Path]) -> Iterator[str]:
    """Yields a line if there are folders that look like data but are not read.

    Args:
        folder: Whose folders to look at.
        read: Files, or folders, that are read.
    """
    used = {parent for path in read for parent in (path, *path.parents)}
    names = [
        f"{path.name}/"
        for path in (sorted(folder.iterdir()) if folder.is_dir() else ())
        if _LOOKS_LIKE_DATA.fullmatch(path.name)
        and path.is_dir()
        and path not in used
        and any(path.iterdir())
    ]
    if names:
        text = ", ".join(names)
        yield f"{folder}: {text} not read; the README says where images belong"


def keys(
    where: Path, found: Iterable[Iterable[str]], known: Collection[str]
) -> Iterator[str]:
    """Yields a line if objects of a JSON file have keys that are not read.

    Args:
        where: The file.
        found: The keys of every object.
        known: Those that are read, or do not matter.
    """
    counts = collections.Counter(
        key for each in found for key in each if key not in known
    )
    texts = []
    for key, count in counts.most_common():
        near = difflib.get_close_matches(key, known, n=1, cutoff=0.8)
        times = f" ({count} times)" if count > 1 else ""
        texts.append(f"{key!r}{times}" + (f", is it {near[0]!r}?" if near else ""))
    if texts:
        more = f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
        yield f"{where}: keys not read: {'; '.join(texts[:_SHOWN])}{more}"
