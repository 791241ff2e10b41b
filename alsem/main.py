"""Runs or resumes one experiment.

    python -m alsem.main --config=configs/room.py --workdir=runs/demo

Exit status: 0 done, 2 bad arguments, config or input, 143 ended by SIGTERM with the
state saved, 1 anything else.
"""

import difflib
import re
import sys
from pathlib import Path

from absl import app, flags, logging
from ml_collections import config_flags

from alsem.core import signals
from alsem.core.errors import InputError

_CONFIG = config_flags.DEFINE_config_file("config", lock_config=True)
_WORKDIR = flags.DEFINE_string("workdir", None, "Run directory, made or resumed.")


def _parse(argv: list[str]) -> list[str]:
    """Flags, or one line and exit status 2."""
    try:
        rest = flags.FLAGS(argv)
        if len(rest) > 1:
            raise ValueError(f"{rest[1]!r} is no flag; write --name=value")
        if not _CONFIG.present or not _WORKDIR.value:
            raise ValueError("--config=configs/NAME.py and --workdir=DIR are needed")
        _CONFIG.value.lock()  # a file that could not be read says so only when used
    except (flags.Error, AttributeError, KeyError, ValueError, TypeError, OSError) as e:
        sys.exit(_fail(_unknown_key(argv) or _last_line(e)))
    return rest


def _unknown_key(argv: list[str]) -> str:
    """What to say of the first override that the config does not have."""
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


def _last_line(error: Exception) -> str:
    """The error's own words: config_flags may put a traceback before them."""
    return str(error).strip().splitlines()[-1]


def _fail(text: str) -> int:
    print("alsem: " + " ".join(text.split()), file=sys.stderr)
    return 2


def main(argv: list[str]) -> int:
    """Runs the experiment that the flags name."""
    signals.install()
    workdir = Path(str(_WORKDIR.value))
    from alsem.runs import runner  # JAX is slow to import; wrong flags are told first

    try:
        runner.start_run(_CONFIG.value, workdir)
    except InputError as error:
        return _fail(error.line)
    except signals.Interrupted:
        return signals.EXIT_STATUS
    return 0


if __name__ == "__main__":
    logging.set_verbosity(logging.WARNING)  # JAX tells of backends it did not find
    app.run(main, flags_parser=_parse)
