"""Makes a capture of photographs or a video: poses and points by structure from motion.

Run: python -m alsem.reconstruct --images=DIR | --video=FILE --out=CAPTURE
         [--masks=DIR] [--frames=N] [--width=640] [--lens=radial|opencv|fisheye]

Needs pycolmap. Exit status 0, 2 if no capture can be made, 143 ended by SIGTERM.
"""

import importlib.util
import sys
from pathlib import Path

from absl import flags

from alsem.core import signals
from alsem.core.errors import InputError
from alsem.runs import cli_errors

_IMAGES = flags.DEFINE_string("images", None, "Folder of photographs.")
_VIDEO = flags.DEFINE_string("video", None, "A video, in place of photographs.")
_OUT = flags.DEFINE_string("out", None, "New folder for the capture.")
_MASKS = flags.DEFINE_string("masks", None, "Folder of masks, 0 where nothing counts.")
_FRAMES = flags.DEFINE_integer("frames", 0, "At most so many, sharp ones; 0: no limit.")
_WIDTH = flags.DEFINE_integer("width", 640, "Width of the capture's images, pixels.")
_LENSES = ["radial", "opencv", "fisheye"]
_LENS = flags.DEFINE_enum("lens", "radial", _LENSES, "Lens model.")


def main(argv: list[str]) -> int:
    """Reconstructs what the flags name."""
    del argv
    images, video, masks, out = map(_path, (_IMAGES, _VIDEO, _MASKS, _OUT))
    if (images is None) == (video is None) or out is None:
        raise InputError("give --images=DIR or --video=FILE, and --out=CAPTURE")
    if masks and video:
        raise InputError("--masks are of photographs; leave them out with --video")
    if (_FRAMES.value and _FRAMES.value < 3) or not 16 <= _WIDTH.value <= 8192:
        raise InputError("give --frames of 3 or more and a --width of 16 to 8192")
    if importlib.util.find_spec("pycolmap") is None:
        raise InputError("needs pycolmap; pip install -e '.[reconstruct]'")
    from alsem.reconstruction import Source, reconstruct

    signals.install()  # after the import of pycolmap, which handles signals itself
    try:
        source = Source(images, video, masks, _FRAMES.value)
        for line in reconstruct(source, out, width=_WIDTH.value, lens=_LENS.value):
            print(line, flush=True)
    except signals.Interrupted:
        print("alsem.reconstruct: ended, nothing is written", file=sys.stderr)
        return signals.EXIT_STATUS
    print(f"capture: {out}\ncheck it: python -m alsem.validate {out}")
    return 0


def _path(flag: flags.FlagHolder) -> Path | None:
    return Path(flag.value).expanduser() if flag.value else None


if __name__ == "__main__":
    cli_errors.run("alsem.reconstruct", main)
