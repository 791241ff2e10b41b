"""Files that are replaced whole, and errors of the disk as one line.

A process that is killed while it writes leaves the old content or the new, never a
part; a disk that refuses is bad input, not a traceback.
"""

import contextlib
import errno
import io
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from alsem.core.errors import InputError


@contextlib.contextmanager
def write_errors(path: Path) -> Iterator[None]:
    """Turns an OSError while writing a file into one line that names the file.

    Raises:
        InputError: The disk is full or the place cannot be written.
    """
    try:
        yield
    except OSError as error:
        hint = "choose a --workdir that can be written"
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            hint = "free some space and run the same command again"
        raise InputError(f"{path}: {error.strerror or error}; {hint}") from error


def replace_file(path: str | os.PathLike[str], content: bytes) -> None:
    """Replaces a file in one step: readers see the old content or the new.

    Raises:
        InputError: The disk is full or the place cannot be written.
    """
    path = Path(path)
    with write_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with open(temporary, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def remove(path: Path) -> None:
    """Removes a file, or a folder with all that is in it, if it is there.

    Raises:
        InputError: The place cannot be written.
    """
    with write_errors(path):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def replace_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Replaces a compressed file of arrays (.npz) in one step.

    Raises:
        InputError: The disk is full or the place cannot be written.
    """
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # pyright: ignore[reportArgumentType]
    replace_file(path, buffer.getvalue())
