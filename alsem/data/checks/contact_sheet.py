"""A contact sheet of a capture, and its cameras and points from above."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np

from alsem.core.errors import InputError
from alsem.data.checks.examine import Examined

matplotlib.use("Agg")
from matplotlib import pyplot as plt

COLUMNS = 6


def place(out: Path, folder: Path, taken: Sequence[Path]) -> Path:
    """Where the picture of a capture goes; captures of one name are numbered."""
    stem = f"validate_{folder.resolve().name}"
    ends = ("", *(f"_{number}" for number in range(2, len(taken) + 2)))
    paths = (out.expanduser() / f"{stem}{end}.png" for end in ends)
    return next(path for path in paths if path not in taken)


def draw(found: Examined, path: Path) -> None:
    """Writes the picture of what was found as a PNG.

    Raises:
        InputError: It cannot be written.
    """
    each = [glance for looked in found.glances.values() for glance in looked]
    chosen = [(g.name, g.thumbnail) for g in each if g.thumbnail is not None]
    rows = -(-len(chosen) // COLUMNS)
    figure = plt.figure(figsize=(12, 2 * rows + 6.5), layout="constrained")
    grid = figure.add_gridspec(rows + 1, COLUMNS, height_ratios=[*[2] * rows, 6.5])
    for i, (name, thumbnail) in enumerate(chosen):
        place = figure.add_subplot(grid[i // COLUMNS, i % COLUMNS])
        place.imshow(thumbnail)
        place.set_title(name, fontsize=7)
        place.set_axis_off()
    _from_above(found, figure.add_subplot(grid[rows, :]))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=80)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; give another --out") from None
    finally:
        plt.close(figure)


def _from_above(found: Examined, place) -> None:
    """Points of depth grey, cameras and where they look in colour, one a sequence."""
    every = [record for records in found.sequences.values() for record in records]
    up = _upright(np.stack([record.world_from_cam for record in every]))
    across = [axis for axis in range(3) if axis != up]
    clouds = [g.cloud for looked in found.glances.values() for g in looked]
    points = np.concatenate([*clouds, np.zeros((0, 3))])
    if len(points):
        height = points[:, up]
        low, high = np.quantile(height, (0.05, 0.95))
        inside = points[(height >= low) & (height <= high)]
        place.scatter(*inside[:, across].T, s=0.3, c="0.7", linewidths=0)
    for name, records in found.sequences.items():
        poses = np.stack([record.world_from_cam for record in records])
        at, ahead = poses[:, across, 3], poses[:, across, 2]
        (line,) = place.plot(*at.T, lw=0.8, label=f"{name} ({len(records)})")
        place.quiver(
            *at.T, *ahead.T, color=line.get_color(), width=0.0015, scale=40, alpha=0.7
        )
    place.set_aspect("equal")
    place.set_xlabel(f"{'xyz'[across[0]]}, metres")
    place.set_ylabel(f"{'xyz'[across[1]]}, metres")
    place.set_title(f"from above (along {'xyz'[up]})")
    place.legend(loc="upper right", fontsize=8)


def _upright(poses: np.ndarray) -> int:
    """The axis of the world that cameras hold upright, by and large."""
    return int(np.abs(poses[:, :3, 1].mean(axis=0)).argmax())
