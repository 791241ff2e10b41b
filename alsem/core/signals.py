"""SIGTERM as a request: the program saves at the next safe place and leaves."""

import signal

EXIT_STATUS = 143  # 128 + SIGTERM, what a shell reports of a process so ended

_requested = False


class Interrupted(Exception):
    """The run was asked to end and has saved its state."""


def install() -> None:
    """Turns SIGTERM into a request from now on."""

    def remember(signum: int, frame: object) -> None:
        del signum, frame
        global _requested
        _requested = True

    signal.signal(signal.SIGTERM, remember)


def requested() -> bool:
    """Whether the program was asked to end."""
    return _requested


def check() -> None:
    """Leaves if asked to; call where nothing unsaved would be lost.

    Raises:
        Interrupted: The program was asked to end.
    """
    if _requested:
        raise Interrupted
