"""Runs or resumes one experiment.

    python -m alsem.main --config=configs/room.py --workdir=runs/demo

Exit status: 0 done, 2 bad arguments, config or input, 143 ended by SIGTERM with the
state saved, 1 anything else.
"""

import difflib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from absl import app, flags, logging
from ml_collections import config_flags

from alsem import interrupt
from alsem.types import InputError

_CONFIG = config_flags.DEFINE_config_file("config", lock_config=True)
_WORKDIR = flags.DEFINE_string("workdir", None, "Run directory, made or resumed.")


def _parse(argv: list[str]) -> list[str]:
    """Flags, or one line and exit status 2."""
    try:
        rest = flags.FLAGS(argv)
        if len(rest) > 1:
            raise InputError(f"{rest[1]!r} is no flag; write --name=value")
        if not _CONFIG.present or not _WORKDIR.value:
            raise InputError("--config=configs/NAME.py and --workdir=DIR are needed")
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
        known = list(_keys(config.to_dict()))
    except (ValueError, TypeError, OSError):
        return ""  # the config itself is at fault
    for wrong in re.findall(r"^--?config\.([^=\n]+)", text, re.MULTILINE):
        if wrong not in known:
            (near,) = difflib.get_close_matches(wrong, known, n=1, cutoff=0.0)
            return f"--config.{wrong}: no such key; did you mean --config.{near}?"
    return ""


def _keys(tree: dict, prefix: str = "") -> Iterator[str]:
    for name, value in tree.items():
        yield prefix + name
        yield from _keys(value, f"{prefix}{name}.") if isinstance(value, dict) else ()


def _last_line(error: Exception) -> str:
    """The error's own words: config_flags may put a traceback before them."""
    text = str(error.args[0] if isinstance(error, KeyError) else error).strip()
    is_last = "Traceback" in text or isinstance(error, OSError)
    return f"--config: {text.splitlines()[-1].strip()}" if is_last else text


def _fail(text: str) -> int:
    print("alsem: " + " ".join(text.split()), file=sys.stderr)
    return 2


def main(argv: list[str]) -> int:
    """Runs the experiment that the flags name."""
    del argv
    interrupt.install()
    workdir = Path(str(_WORKDIR.value))
    from alsem import program  # JAX is slow to import; wrong flags are told first

    try:
        if not program.run(_CONFIG.value, workdir):
            print("waiting for answers; give them and run the same command again")
    except InputError as error:
        return _fail(str(error))
    except interrupt.Interrupted:
        return interrupt.EXIT_STATUS
    print(f"report: {workdir / 'report' / 'index.html'}")
    return 0


if __name__ == "__main__":
    logging.set_verbosity(logging.WARNING)  # JAX tells of backends it did not find
    app.run(main, flags_parser=_parse)
