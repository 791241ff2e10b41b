"""Draws a contact sheet of a capture, with its cameras and points from above."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes

from alsem.core.errors import InputError
from alsem.data.checks.capture_report import CaptureReport

matplotlib.use("Agg")
from matplotlib import pyplot as plt

COLUMNS = 6


def sheet_path(out: Path, folder: Path, taken: Sequence[Path]) -> Path:
    """Path of a capture's contact sheet; captures of the same name are numbered."""
    stem = f"validate_{folder.resolve().name}"
    ends = ("", *(f"_{number}" for number in range(2, len(taken) + 2)))
    paths = (out.expanduser() / f"{stem}{end}.png" for end in ends)
    return next(path for path in paths if path not in taken)


def draw_contact_sheet(report: CaptureReport, path: Path) -> None:
    """Writes a PNG of thumbnails, and of cameras and points from above.

    Raises:
        InputError: The file cannot be written.
    """
    every = report.all_statistics
    chosen = [(s.name, s.thumbnail) for s in every if s.thumbnail is not None]
    rows = -(-len(chosen) // COLUMNS)
    figure = plt.figure(figsize=(12, 2 * rows + 6.5), layout="constrained")
    grid = figure.add_gridspec(rows + 1, COLUMNS, height_ratios=[*[2] * rows, 6.5])
    for i, (name, thumbnail) in enumerate(chosen):
        axes = figure.add_subplot(grid[i // COLUMNS, i % COLUMNS])
        axes.imshow(thumbnail)
        axes.set_title(name, fontsize=7)
        axes.set_axis_off()
    _draw_from_above(report, figure.add_subplot(grid[rows, :]))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=80)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; give another --out") from None
    finally:
        plt.close(figure)


def _draw_from_above(report: CaptureReport, axes: Axes) -> None:
    """Draws points of depth in grey, cameras in one colour for each sequence."""
    every = [record for records in report.sequences.values() for record in records]
    up = _vertical_axis(np.stack([record.world_from_cam for record in every]))
    across = [axis for axis in range(3) if axis != up]
    clouds = [each.points for each in report.all_statistics]
    points = np.concatenate([*clouds, np.zeros((0, 3))])
    if len(points):
        height = points[:, up]
        low, high = np.quantile(height, (0.05, 0.95))
        inside = points[(height >= low) & (height <= high)]
        axes.scatter(*inside[:, across].T, s=0.3, c="0.7", linewidths=0)
    for name, records in report.sequences.items():
        poses = np.stack([record.world_from_cam for record in records])
        at, ahead = poses[:, across, 3], poses[:, across, 2]
        (line,) = axes.plot(*at.T, lw=0.8, label=f"{name} ({len(records)})")
        axes.quiver(
            *at.T, *ahead.T, color=line.get_color(), width=0.0015, scale=40, alpha=0.7
        )
    axes.set_aspect("equal")
    axes.set_xlabel(f"{'xyz'[across[0]]}, metres")
    axes.set_ylabel(f"{'xyz'[across[1]]}, metres")
    axes.set_title(f"from above (along {'xyz'[up]})")
    axes.legend(loc="upper right", fontsize=8)


def _vertical_axis(poses: np.ndarray) -> int:
    """The world axis that is closest to the cameras' mean vertical axis."""
    return int(np.abs(poses[:, :3, 1].mean(axis=0)).argmax())
