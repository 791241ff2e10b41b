"""Cue maps: every cue and score over one frame, as the next query sees them."""

from pathlib import Path
from typing import Any

import numpy as np

from alsem import acquisition
from alsem.acquisition import CUES, STRATEGIES, Candidates, Plot
from alsem.active.model import Model
from alsem.core import rng
from alsem.core.errors import InputError
from alsem.reporting.figures import draw_maps
from alsem.runs.stages import OpenRun


def write(run: OpenRun, model: Model, frame: int, folder: Path) -> list[Path]:
    """Draws them into a folder; returns the files, a sheet with all maps last.

    Raises:
        InputError: There is no such frame.
    """
    frames = run.scene.train
    if not 0 <= frame < len(frames.names):
        raise InputError(f"--frame={frame}: give 0 to {len(frames.names) - 1}")
    pool = run.stages.open_pool(model)
    labels = run.stages.read_labels(run.log.rounds()[-1]["round"])
    cache, candidates = pool.cache, pool.candidates
    shape = frames.rgb.shape[1:3]
    rays = np.arange(frame * cache.rays_per_frame, (frame + 1) * cache.rays_per_frame)
    key, valid = rng.run_key(0, "maps"), candidates.is_valid[rays]

    def image(values: np.ndarray) -> np.ndarray:
        return np.where(valid, values, np.nan).reshape(shape)

    normal = candidates.normal[rays].reshape(*shape, 3) / 127.0
    maps = {
        "photograph": frames.rgb[frame],
        "rendered": cache.arrays["rgb"][rays].reshape(*shape, 3),
        "depth": image(cache.arrays["depth_z"][rays]),
        "normal": np.round(127.5 * (normal + 1.0)).astype(np.uint8),
    }
    # Multi-view cues need heads that were fitted on groups of frames.
    groups = {"classes", "labels"} | (
        {"views"} if run.predictor.heads.view_groups else set()
    )
    tables = run.scorer.cues(groups, model, pool, labels)
    by_margin = STRATEGIES["margin"]
    scores = run.scorer.score(by_margin, key, model, pool, tables, predict=True)
    assert scores.predicted is not None
    exact_views = run.scorer.exact_views
    values = frame_cues(tables, candidates, rays, scores.predicted[rays], exact_views)
    maps |= {name: image(value) for name, value in values.items()}
    styles = {name: cue.plot for name, cue in CUES.items() if cue.plot is not None}
    styles |= {"depth": Plot("depth", "m", low=0.0)}
    for name, row in STRATEGIES.items():
        is_constant = row.score is acquisition.SCORES["coverage"]
        if "model" not in row.needs or is_constant:
            continue  # nothing to see: random draws and constants
        if not row.needs <= groups | {"model"} or (
            name == "policy" and model.policy is None
        ):
            continue
        scores = run.scorer.score(row, key, model, pool, tables)
        maps[f"score_{name}"] = image(row.combined(scores.values, candidates)[rays])
    return draw_maps(folder, maps, styles)


def frame_cues(
    tables: dict[str, Any],
    candidates: Candidates,
    rays: np.ndarray,
    predicted: np.ndarray,
    exact_views: bool,
) -> dict[str, np.ndarray]:
    """The plotted cues of some rays, ``[r]`` each.

    Args:
        tables: Cues per voxel and class, as `PoolScorer.cues` gives them.
        candidates: The pool.
        rays: Int ``[r]``.
        predicted: Int ``[r]``, their predicted classes: of a cue per class the value
            of these is drawn.
        exact_views: Whether multi-view cues have one row per ray.
    """
    cues = acquisition.gather_cues(
        tables,
        acquisition.ray_cues(candidates, rays),
        candidates.voxel[rays],
        view_row=rays if exact_views else None,
    )
    values = {}
    for name, cue in CUES.items():
        if cue.plot is None or name not in cues.values:
            continue
        value = np.asarray(cues.values[name])
        if cue.per == "class":
            value = np.take_along_axis(value, predicted[:, None].astype(int), 1)[:, 0]
        values[name] = value
    return values
