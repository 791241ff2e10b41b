"""The user's errors: one line that says what, where and how to fix it."""

import contextlib
from collections.abc import Iterator


class InputError(ValueError):
    """Bad input from the user: one line that says what, where and how to mend it.

    Command lines print it on standard error and exit with status 2.

    Attributes:
        also: What else was found wrong in the same pass, a line each.
    """

    def __init__(self, message: str, also: tuple[str, ...] = ()):
        """Keeps both."""
        super().__init__(message)
        self.also = also

    @property
    def line(self) -> str:
        """All of it in one line, the rest as a number."""
        more = f" (and {len(self.also)} more troubles)" if self.also else ""
        return " ".join(str(self).split()) + more


class ErrorCollector:
    """Collects what is wrong with an input, so that one pass finds all of it."""

    def __init__(self):
        """Nothing is wrong yet."""
        self.found: list[str] = []

    @contextlib.contextmanager
    def caught(self) -> Iterator[None]:
        """Notes an `InputError` that ends the block, and goes on after it."""
        try:
            yield
        except InputError as error:
            self.found += [str(error), *error.also]

    def end(self) -> None:
        """Raises what was found as one `InputError`."""
        if self.found:
            raise InputError(self.found[0], tuple(self.found[1:]))
