"""Parses flags with a ``--config``, with errors that name the key at fault."""

import re
from collections.abc import Sequence
from typing import Any

from absl import flags

from alsem.core.errors import InputError
from alsem.runs import config_files

# What Python says of a value of another type.
_PLAIN = {
    r"invalid literal for int\(\) with base 10: (.*)": r"\1 is not a whole number",
    r"could not convert string to float: (.*)": r"\1 is not a number",
}


def parse(argv: Sequence[str]) -> list[str]:
    """Parses all flags, and returns the arguments that are not flags.

    Raises:
        InputError: The config file cannot be loaded, has no such key, or an override
            is of another type; or a flag is unknown.
    """
    argv, name = _locate_config(argv)
    config = None if name is None else config_files.load(name)
    try:
        return flags.FLAGS(argv)
    except (flags.Error, AttributeError, KeyError, ValueError, TypeError) as error:
        if config is not None:
            _check_keys(argv, config)
        # config_flags may put a traceback before the message.
        line = str(error).strip().splitlines()[-1]
        for python, plain in _PLAIN.items():
            line = re.sub(python, plain, line)
        raise InputError(line) from None


def _locate_config(argv: Sequence[str]) -> tuple[list[str], str | None]:
    """The arguments with the config's path in place of its name, and that path."""
    located, path = list(argv), None
    for i, argument in enumerate(located):
        flag, equals, name = argument.partition("=")
        if flag not in ("--config", "-config"):
            continue
        if equals:
            path = config_files.locate(name)
            located[i] = f"{flag}={path}"
        elif i + 1 < len(located):
            path = located[i + 1] = config_files.locate(located[i + 1])
    return located, path


def _check_keys(argv: Sequence[str], config: Any) -> None:
    """Refuses the first override, by name, of a key that the config does not have."""
    given = {m[1] for a in argv if (m := re.match(r"--?config\.([^=]+)", a))}
    for key in sorted(given.difference(config_files.dotted_keys(config.to_dict()))):
        raise InputError(config_files.unknown_key(config, key, prefix="--config."))
