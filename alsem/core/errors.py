"""Errors in the user's input: one line that says what, where and how to fix it."""

import contextlib
from collections.abc import Iterator


class InputError(ValueError):
    """Bad input from the user: one line that says what, where and how to fix it.

    Commands print it on standard error and exit with status 2.

    Attributes:
        also: Further errors that were found in the same pass, a line each.
    """

    def __init__(self, message: str, also: tuple[str, ...] = ()):
        """Stores the message and the further errors."""
        super().__init__(message)
        self.also = also

    @property
    def line(self) -> str:
        """The message on one line, with the number of further errors."""
        more = f" (and {len(self.also)} more errors)" if self.also else ""
        return " ".join(str(self).split()) + more


class ErrorCollector:
    """Collects errors in an input, so that one pass reports all of them.

    Attributes:
        found: The messages, in the order of their occurrence.
    """

    def __init__(self):
        """Starts without errors."""
        self.found: list[str] = []

    @contextlib.contextmanager
    def catch(self) -> Iterator[None]:
        """Records an `InputError` that ends the block, and continues after it."""
        try:
            yield
        except InputError as error:
            self.found += [str(error), *error.also]

    def raise_any(self) -> None:
        """Raises the errors found, if any, as one `InputError`."""
        if self.found:
            raise InputError(self.found[0], tuple(self.found[1:]))
