"""Reports the contents of captures and everything that is wrong with them.

Run: python -m alsem.validate DIR [--out=DIR2] [--classes='1 wall,2 chair'] [--scale=2]
     python -m alsem.validate DIR --length='FRAME:ROW,COL FRAME:ROW,COL METRES'
     python -m alsem.validate DIR --convert=DIR2 --to=replica|nerfstudio [--width=320]

Exit status 0, or 2 if a capture cannot be trained on.
"""

import math
from pathlib import Path

from absl import flags

from alsem.core.errors import InputError
from alsem.data import checks
from alsem.data.writers import check_target
from alsem.runs import cli_errors

_OUT = flags.DEFINE_string("out", ".", "Folder for the contact sheet.")
_CONVERT = flags.DEFINE_string("convert", None, "New folder for the converted capture.")
_TO = flags.DEFINE_string("to", "replica", "Its layout: replica or nerfstudio.")
_WIDTH = flags.DEFINE_integer("width", 0, "Of the converted images; 0 as they are.")
_SPACE = flags.DEFINE_string("label_space", "", "Of ScanNet: nyu40, nyu13, scannet20.")
_SCALE = flags.DEFINE_float("scale", 1.0, "Metres of the capture's unit.")
_LENGTH = flags.DEFINE_string("length", "", f"Known length: {checks.LENGTH_FORM}.")
_CLASSES = flags.DEFINE_list("classes", [], "Classes in place of the capture's list.")


def main(argv: list[str]) -> int:
    """Checks the captures in the folders that the arguments name."""
    folders = [Path(name).expanduser() for name in argv[1:]]
    converted = Path(_CONVERT.value).expanduser() if _CONVERT.value else None
    if not folders:
        raise InputError("no folder given; write python -m alsem.validate DIR")
    if converted and len(folders) > 1:
        raise InputError("--convert writes one capture; name one folder")
    if converted:
        check_target(converted, _TO.value)
    elif flags.FLAGS["to"].present or _WIDTH.value:
        raise InputError("--to and --width: give a folder too, --convert=DIR")
    if not 0 < _SCALE.value < math.inf:
        raise InputError(f"--scale={_SCALE.value}: give the metres of a unit, above 0")
    reports = checks.print_reports(
        folders,
        out=Path(_OUT.value).expanduser(),
        classes=_CLASSES.value,
        label_space=_SPACE.value,
        scale=_SCALE.value,
        length=_LENGTH.value,
    )
    if converted:
        checks.print_conversion(reports[0], converted, _TO.value, _WIDTH.value)
    return 2 if any(report.fatal for report in reports) else 0


if __name__ == "__main__":
    cli_errors.run("alsem.validate", main, takes_names=True)
