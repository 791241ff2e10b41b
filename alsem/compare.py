"""Compares finished runs: learning curves and label efficiency, with intervals.

Run: python -m alsem.compare DIR [DIR ...] --out=DIR2
"""

from pathlib import Path

from absl import flags

from alsem.core.errors import InputError
from alsem.reporting import comparison_table, finished_runs
from alsem.runs import cli_errors, compare

_OUT = flags.DEFINE_string("out", None, "Folder for the figure and the tables.")
_DRAWS = flags.DEFINE_integer(
    "draws", 1000, "Bootstrap samples of test frames and seeds."
)


def main(argv: list[str]) -> None:
    """Reads the runs, writes the comparison and prints its table."""
    if not _OUT.value or len(argv) < 2:
        raise InputError("give folders of runs, and --out=DIR2")
    if _DRAWS.value < 1:
        raise InputError(f"--draws is {_DRAWS.value}; give 1 or more")
    runs = finished_runs.find_runs([Path(folder) for folder in argv[1:]])
    scenes = compare.compare(runs, samples=_DRAWS.value)
    print(comparison_table.write(scenes, Path(_OUT.value)))


if __name__ == "__main__":
    cli_errors.run("alsem.compare", main, takes_names=True)
