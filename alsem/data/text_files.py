"""Text that others wrote: read with one-line errors."""

from pathlib import Path

from alsem.core.errors import InputError


def read_text(path: Path, what: str) -> str:
    """The text of a file, with or without a byte order mark.

    Args:
        path: The file.
        what: What it holds, for the message if it is missing.

    Raises:
        InputError: It is missing, or cannot be read as text.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{path}: missing; {what}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as text ({error})") from None
