"""Conventions that the poses of a capture may follow instead of its layout's.

A convention maps the poses as they were read, all of a sequence at once, to what they
are if the files follow it. Only relative poses matter: a world that is turned or moved
as a whole is the same world.
"""

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from alsem.data.capture import PoseFormat
from alsem.data.turned import turned_axes

FLIP = np.diag([1.0, -1.0, -1.0, 1.0])  # OpenCV's camera axes to OpenGL's and back
_AXES = {
    False: "OpenCV's axes (y down, z forward)",
    True: "OpenGL's axes (y up, z backward)",
}
_DIRECTIONS = {False: "camera-to-world", True: "world-to-camera"}
_COLUMN = "column of every rotation"
_QUARTERS = {1: "90 degrees counterclockwise", 2: "180 degrees", 3: "90 degrees"}


@dataclasses.dataclass(frozen=True)
class PoseConvention:
    """A convention of poses.

    Attributes:
        remedy: What is in the files, and how to fix it.
        poses: World-from-camera ``[n 4 4]`` of it, from the poses as read; NaN for
            frames that it gives none.
    """

    remedy: str
    poses: Callable[[np.ndarray], np.ndarray] = lambda poses: poses


def of_matrices(documented: PoseFormat) -> list[PoseConvention]:
    """The other combinations of axes and direction, the likeliest first."""
    conventions = []
    for is_inverse, flip in ((False, True), (True, False), (True, True)):
        # An inverse turns camera axes into the world's, which are arbitrary: what is
        # left are those of the file.
        opengl = flip if is_inverse else documented.opengl != flip
        inverse = documented.inverse != is_inverse
        axes_differ = opengl != documented.opengl
        held, wanted, steps = [], [], []
        if is_inverse:
            held.append(f"are {_DIRECTIONS[inverse]}")
            wanted.append(_DIRECTIONS[documented.inverse])
            steps.append("invert every matrix")
        if axes_differ:
            held.append(f"have {_AXES[opengl]}")
            wanted.append(_AXES[documented.opengl])
            what = "row of every matrix" if documented.inverse else _COLUMN
            steps.append(f"negate the second and third {what}")
        conventions.append(
            PoseConvention(
                f"the poses in the file {' and '.join(held)} where its layout wants"
                f" {' and '.join(wanted)}: {', then '.join(steps)}",
                _matrices(is_inverse, FLIP if flip else np.eye(4)),
            )
        )
    return conventions


def of_parts() -> Iterator[PoseConvention]:
    """Rotation and translation of two conventions, as exporters mix them."""

    def transposed(poses: np.ndarray) -> np.ndarray:
        changed = poses.copy()
        changed[:, :3, :3] = np.swapaxes(poses[:, :3, :3], 1, 2)
        return changed

    def moved(poses: np.ndarray) -> np.ndarray:
        changed = poses.copy()
        changed[:, :3, 3:] = -poses[:, :3, :3] @ poses[:, :3, 3:]
        return changed

    yield PoseConvention(
        "rotations are transposed against the positions: transpose their 3x3 parts",
        transposed,
    )
    yield PoseConvention(
        "positions are those of world-to-camera matrices while rotations are"
        " camera-to-world: write -R t as the position",
        moved,
    )


def of_turned_pictures() -> Iterator[tuple[int, PoseConvention]]:
    """Photographs turned by 1 to 3 quarters (counterclockwise) against their poses."""
    for quarters, text in _QUARTERS.items():
        clockwise = " clockwise" if quarters == 3 else ""
        yield (
            quarters,
            PoseConvention(
                f"the photographs are turned by {text}{clockwise} against their poses"
                " (an orientation note that one program followed and another did not?):"
                " turn them back, and give the intrinsics of the turned-back size",
                _matrices(False, turned_axes(quarters)),
            ),
        )


def of_axes() -> Iterator[PoseConvention]:
    """Every other choice of camera axes: x, y and z along others, either way."""
    known = [np.eye(4), FLIP, *(turned_axes(quarters) for quarters in _QUARTERS)]
    for order in itertools.permutations(range(3)):
        for signs in itertools.product((1, -1), repeat=3):
            axes = np.eye(4)
            axes[:3, :3] = np.diag(signs)[:, order]
            is_known = any((axes == each).all() for each in known)
            if np.linalg.det(axes) > 0 and not is_known:
                columns = ", ".join(f"{signs[k]:+d}"[0] + str(k + 1) for k in order)
                yield PoseConvention(
                    "camera axes are neither OpenCV's nor OpenGL's: of every"
                    f" camera-to-world rotation in OpenCV's axes, take the columns"
                    f" {columns} (- negates)",
                    _matrices(False, axes),
                )


def of_order(sequences: Sequence[Sequence[str]]) -> Iterator[PoseConvention]:
    """Poses that belong to other frames of their sequence, given the frames' names."""

    def text_order(names: Sequence[str]) -> np.ndarray:
        return np.array(sorted(range(len(names)), key=names.__getitem__), int)

    def ordered(remedy: str, source: Callable[[Sequence[str]], np.ndarray]):
        """Takes the pose of every frame from place ``source``; none where outside."""
        order, start = [], 0
        for names in sequences:
            at = source(names)
            inside = (at >= 0) & (at < len(names))
            order.append(np.where(inside, at + start, -1))
            start += len(names)
        places = np.concatenate(order)
        if (places == np.arange(start)).all():
            return

        def poses(given: np.ndarray) -> np.ndarray:
            return np.where(places[:, None, None] < 0, np.nan, given[places])

        yield PoseConvention(remedy, poses)

    by_text = (
        "poses are in the order of the frames' names as text (1, 10, 11, 2): sort them"
        " by number"
    )
    yield from ordered(by_text, lambda names: np.argsort(text_order(names)))
    yield from ordered(by_text, text_order)
    for shift in (1, -1, 2, -2):
        yield from ordered(
            f"every pose belongs to the frame {abs(shift)} place(s)"
            f" {'before' if shift > 0 else 'after'} its own: shift them",
            lambda names, shift=shift: np.arange(len(names)) + shift,
        )
    yield from ordered(
        "poses are in reverse order: turn their order around",
        lambda names: np.arange(len(names))[::-1],
    )


def _matrices(is_inverse: bool, axes: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    def convert(poses: np.ndarray) -> np.ndarray:
        return (np.linalg.inv(poses) if is_inverse else poses) @ axes

    return convert
