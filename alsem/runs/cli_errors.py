"""What all command lines but `alsem.main` share: bad input is one line and status 2."""

import sys
from collections.abc import Callable
from typing import Any

from absl import app, flags, logging

from alsem.core.errors import InputError


def run(name: str, main: Callable[[list[str]], Any], *, takes_names: bool = False):
    """Runs a command; what it returns is the exit status.

    Args:
        name: What its errors begin with.
        main: The command, called with what is left of the arguments.
        takes_names: Whether arguments that are no flags mean something.
    """

    def only_flags(argv: list[str]) -> Any:
        if len(argv) > 1 and not takes_names:
            raise InputError(
                f"unexpected argument {argv[1]!r}; all options are --flags"
            )
        return main(argv)

    logging.set_verbosity(logging.WARNING)
    try:
        app.run(only_flags, flags_parser=flags.FLAGS)
    except (InputError, flags.Error) as error:
        line = (
            error.line
            if isinstance(error, InputError)
            else " ".join(str(error).split())
        )
        print(f"{name}: {line}", file=sys.stderr)
        sys.exit(2)
