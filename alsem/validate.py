"""Says what is in a capture and all that is wrong with it.

Run: python -m alsem.validate DIR [--out=DIR2] [--classes='1 wall,2 chair'] [--scale=2]
     python -m alsem.validate DIR --convert=DIR2 --to=replica|nerfstudio

Exit status 0, or 2 if it cannot be trained on.
"""

import math
import sys
from pathlib import Path

from absl import flags
from tqdm import tqdm

from alsem.core.errors import InputError
from alsem.data import checks
from alsem.data.writers import check_target, convert
from alsem.runs import cli_errors

_OUT = flags.DEFINE_string("out", ".", "Folder for the picture, validate_NAME.png.")
_CONVERT = flags.DEFINE_string("convert", None, "Folder for it in another layout.")
_TO = flags.DEFINE_string("to", "replica", "That layout: replica or nerfstudio.")
_SPACE = flags.DEFINE_string("label_space", "", "Of ScanNet: nyu40, nyu13, scannet20.")
_SCALE = flags.DEFINE_float("scale", 1.0, "Metres of the capture's unit.")
_CLASSES = flags.DEFINE_list("classes", [], "Classes in place of the capture's list.")


def main(argv: list[str]) -> int:
    """Examines the captures that the arguments name."""
    if len(argv) < 2:
        raise InputError("no folder given; write python -m alsem.validate DIR")
    if _CONVERT.value and len(argv) > 2:
        raise InputError("--convert writes one capture; name one folder")
    if _CONVERT.value:
        check_target(Path(_CONVERT.value).expanduser(), _TO.value)
    elif flags.FLAGS["to"].present:
        raise InputError(f"--to={_TO.value}: give a folder too, --convert=DIR")
    if not 0 < _SCALE.value < math.inf:
        raise InputError(f"--scale={_SCALE.value}: give the metres of a unit, above 0")
    status, pictures = 0, []
    for name in argv[1:]:
        folder = Path(name).expanduser()
        found = checks.examine(
            folder,
            classes=_CLASSES.value,
            label_space=_SPACE.value,
            scale=_SCALE.value,
            track=_track,
        )
        for line in checks.describe(found):
            print(line, flush=True)
        if any(found.glances.values()):
            path = checks.place(Path(_OUT.value), folder, pictures)
            checks.draw(found, path)
            pictures.append(path)
            print(f"picture: {path}")
        status = 2 if found.fatal else status
        if _CONVERT.value and found.capture is not None and not found.fatal:
            out = Path(_CONVERT.value).expanduser()
            convert(found.capture, out, to=_TO.value, track=_track)
            print(f"converted: {out}")
        elif _CONVERT.value:
            print("not converted")
    return status


def _track(records, each):
    return tqdm(each, total=len(records), unit="frame", disable=not sys.stderr.isatty())


if __name__ == "__main__":
    cli_errors.run("alsem.validate", main, takes_names=True)
