"""What all commands share: how bad input and a closed output pipe end them."""

import contextlib
import os
import select
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any

from absl import app, flags, logging

from alsem.core.errors import InputError

_HELP_FLAGS = {"help", "helpshort", "helpfull", "helpxml"}
CLOSED_PIPE_STATUS = 128 + signal.SIGPIPE  # as shells report a tool that it ended


def run(
    name: str,
    main: Callable[[list[str]], Any],
    *,
    takes_names: bool = False,
    parse: Callable[[list[str]], list[str]] = flags.FLAGS,
) -> None:
    """Runs a command and exits with the status that it returns.

    Bad flags and `InputError` end it with one line on standard error and status 2.

    Args:
        name: Name of the command, the first word of its errors.
        main: The command, called with the arguments that are not flags.
        takes_names: Whether the command takes arguments that are not flags.
        parse: Parses the flags of a command line and returns its other arguments.
    """

    def checked_main(argv: list[str]) -> Any:
        if len(argv) > 1 and not takes_names:
            raise InputError(
                f"unexpected argument {argv[1]!r}; all options are --flags"
            )
        return main(argv)

    logging.set_verbosity(logging.WARNING)
    with quiet_on_closed_pipe():
        try:
            app.run(checked_main, flags_parser=parse)
        except SystemExit:
            if any(arg.lstrip("-") in _HELP_FLAGS for arg in sys.argv[1:]):
                sys.exit(0)  # absl ends help with status 1
            raise
        except InputError as error:
            _fail(name, error.line)
        except flags.Error as error:
            _fail(name, " ".join(str(error).split()))


@contextlib.contextmanager
def quiet_on_closed_pipe() -> Iterator[None]:
    """Exits without a traceback when the output's reader is gone, as in ``| head``.

    Wrap everything that a command does, `app.run` included: buffered output is written
    at the end of the block, where a closed pipe can still be handled.
    """
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        closed = [stream for stream in (sys.stdout, sys.stderr) if _is_closed(stream)]
        if not closed:
            raise  # some other pipe, such as a worker's: an error of the program
        for stream in closed:  # else Python complains when it flushes them at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        sys.exit(CLOSED_PIPE_STATUS)


def _is_closed(stream: Any) -> bool:
    """Whether a stream is a pipe whose reader is gone."""
    poll = select.poll()
    poll.register(stream.fileno(), 0)  # errors are reported in any case
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def _fail(name: str, line: str) -> None:
    print(f"{name}: {line}", file=sys.stderr)
    sys.exit(2)
