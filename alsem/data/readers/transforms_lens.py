"""Cameras of ``transforms.json``: nerfstudio's keys, and those of instant-ngp.

A frame's own values come before those of the whole file. Pixel centres are at halves.
"""

import math
from pathlib import Path
from typing import Any

from alsem.core.errors import InputError
from alsem.core.types import Intrinsics
from alsem.data.camera_models import Lens
from alsem.data.text_files import number, positive

_RADIAL = ("k1", "k2", "p1", "p2", "k3")
_FISHEYE = ("k1", "k2", "k3", "k4")
_RATIONAL = (*_RADIAL, "k4", "k5", "k6")
# Names of camera models -> their distortion, whether they are fisheyes.
_MODELS = {
    **dict.fromkeys(("PINHOLE", "SIMPLE_PINHOLE", "OPENCV"), (_RADIAL, False)),
    **dict.fromkeys(("SIMPLE_RADIAL", "RADIAL"), (_RADIAL, False)),
    "FULL_OPENCV": (_RATIONAL, False),
    **dict.fromkeys(("OPENCV_FISHEYE", "SIMPLE_RADIAL_FISHEYE"), (_FISHEYE, True)),
    "RADIAL_FISHEYE": (_FISHEYE, True),
}
_AMBIGUOUS = ("k4", "k5", "k6")  # programs disagree on their meaning
_PANORAMAS = ("EQUIRECTANGULAR", "equirectangular", "latlong", "is_equirectangular")
_FOCAL = tuple(
    f"{a}{axis}{b}"
    for axis in "xy"
    for a, b in (("fl_", ""), ("camera_angle_", ""), ("", "_fov"))
)
KEYS = (*_FOCAL, *_RATIONAL, *_PANORAMAS, "w", "h", "cx", "cy")
KEYS += ("camera_model", "is_fisheye")


def read_lens(
    info: dict[str, Any], frame: dict[str, Any], path: Path, index: int, size: tuple
) -> Lens:
    """The lens of a frame.

    Args:
        info: The file's object.
        frame: The frame's object in it.
        path: The file, for messages.
        index: The frame's, likewise.
        size: Width and height of the photograph, pixels.

    Raises:
        InputError: A value is missing or malformed, or the camera is not supported.
    """
    settings, (width, height) = info | frame, size

    def where(key: str) -> str:
        return f"{path}: frames[{index}]" if key in frame else f"{path}"

    model = settings.get("camera_model", "OPENCV")
    if model in _PANORAMAS or any(settings.get(key) for key in _PANORAMAS):
        raise InputError(
            f"{where('camera_model')}: a panorama; cut it into perspective views"
        )
    if model not in _MODELS:
        raise InputError(
            f"{where('camera_model')}: camera_model {model!r} is not known; undistort"
            f" the photographs, or use one of {', '.join(_MODELS)}"
        )
    for key, side in (("w", width), ("h", height)):
        if settings.get(key, side) != side:
            raise InputError(
                f"{where(key)}: {key} is {settings[key]!r} while {frame['file_path']}"
                f" has {side} pixels; give the intrinsics of the photographs"
            )
    fx, fy = (
        next(
            (
                focal
                for held, at in ((frame, f"{path}: frames[{index}]"), (info, f"{path}"))
                if (focal := _focal(held, at, axis, side))
            ),
            0.0,
        )
        for axis, side in (("x", width), ("y", height))
    )
    if not (fx or fy):
        raise InputError(f"{path}: has no fl_x; give the focal length in pixels")
    camera = Intrinsics(
        width=width,
        height=height,
        fx=fx or fy,
        fy=fy or fx,
        cx=number(settings, "cx", where("cx"), width / 2) - 0.5,
        cy=number(settings, "cy", where("cy"), height / 2) - 0.5,
    )
    names, is_fisheye = _MODELS[model]
    if settings.get("is_fisheye") is True:
        names, is_fisheye = _FISHEYE, True
    values = tuple(number(settings, name, where(name), 0.0) for name in names)
    if not is_fisheye:
        values = values if any(values) else ()
        for name in _AMBIGUOUS:
            if name not in names and number(settings, name, where(name), 0.0):
                raise InputError(
                    f"{where(name)}: {name} is {settings[name]!r}; of distortion only"
                    f" {', '.join(names)} are known, undistort the photographs or give"
                    " camera_model FULL_OPENCV or OPENCV_FISHEYE"
                )
    return Lens(camera, values, is_fisheye)


def _focal(held: dict[str, Any], where: str, axis: str, side: int) -> float:
    """Focal length along an axis, pixels; 0 if it is not given."""
    if f"fl_{axis}" in held:
        return positive(held, f"fl_{axis}", where, 0.0)
    for key, limit, unit in (
        (f"{axis}_fov", 180.0, "degrees below 180"),
        (f"camera_angle_{axis}", math.pi, "radians below pi"),
    ):
        if key in held:
            angle = number(held, key, where, 0.0)
            if not 0 < angle < limit:
                raise InputError(f"{where}: {key} is {angle:g}; give {unit}")
            return side / 2 / math.tan(angle / limit * (math.pi / 2))
    return 0.0
