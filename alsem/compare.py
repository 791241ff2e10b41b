"""Compares finished runs: learning curves and label efficiency, with intervals.

Run: python -m alsem.compare DIR [DIR ...] --out=DIR2
"""

import sys
from pathlib import Path

from absl import app, flags, logging

from alsem import comparison, comparison_page
from alsem.types import InputError

_OUT = flags.DEFINE_string("out", None, "Folder for the figure and the tables.")
_DRAWS = flags.DEFINE_integer("draws", 1000, "Draws of test frames and seeds.")


def main(argv: list[str]) -> None:
    """Reads the runs, writes what they say."""
    if not _OUT.value or len(argv) < 2:
        raise InputError("give folders of runs, and --out=DIR2")
    if _DRAWS.value < 1:
        raise InputError(f"--draws is {_DRAWS.value}; give 1 or more")
    runs = comparison.find_runs([Path(folder) for folder in argv[1:]])
    found = comparison.compare(runs, draws=_DRAWS.value)
    print(comparison_page.write(found, Path(_OUT.value)))


def run() -> None:
    """Runs `main`; bad input is one line on standard error and exit status 2."""
    logging.set_verbosity(logging.WARNING)
    try:
        app.run(main, flags_parser=flags.FLAGS)
    except (InputError, flags.Error) as error:
        print(f"alsem.compare: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    run()
