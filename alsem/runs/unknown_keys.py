"""Overrides of keys that a config does not have: the nearest key is named."""

import difflib
import re

from absl import flags


def unknown_key(argv: list[str]) -> str:
    """The error line of the first override that the config does not have, or ''."""
    text = "\n".join(argv)
    named = re.search(r"^--?config[=\n](.+)$", text, re.MULTILINE)
    try:
        config = flags.FLAGS["config"].parser.parse(named[1] if named else "")
        known = _keys(config.to_dict())  # pyright: ignore[reportOptionalMemberAccess]
    except (ValueError, TypeError, OSError):
        return ""  # the config itself is at fault
    given = set(re.findall(r"^--?config\.([^=\n]+)", text, re.MULTILINE))
    for wrong in sorted(given.difference(known)):
        (near,) = difflib.get_close_matches(wrong, known, n=1, cutoff=0.0)
        return f"--config.{wrong}: no such key; did you mean --config.{near}?"
    return ""


def _keys(tree: dict, prefix: str = "") -> list[str]:
    here = {prefix + name: value for name, value in tree.items()}
    below = [_keys(v, f"{key}.") for key, v in here.items() if isinstance(v, dict)]
    return sum(below, list(here))
