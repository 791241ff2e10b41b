"""Every cue and score over one training frame, as its next query would see them."""

from pathlib import Path

import numpy as np

from alsem.acquisition import STRATEGIES
from alsem.active.model import Model
from alsem.core import rng
from alsem.reporting.figures import draw_maps
from alsem.core.errors import InputError
from alsem.runs.stages import OpenRun

GEOMETRY = (
    *("num_views", "directions", "view_distance", "coherence", "variation"),
    *("gradient", "consistency"),
)


def write(run: OpenRun, model: Model, frame: int, folder: Path) -> list[Path]:
    """Draws them into a folder; the sheet is the last file.

    Raises:
        InputError: There is no such frame.
    """
    frames = run.scene.train
    if not 0 <= frame < len(frames.names):
        raise InputError(f"--frame={frame}: give 0 to {len(frames.names) - 1}")
    pool = run.stages.open_pool(model)
    rows = run.log.rounds()
    labels = run.stages.read_labels(rows[-1]["round"])
    cache, candidates = pool.cache, pool.candidates
    shape = frames.rgb.shape[1:3]
    here = slice(frame * cache.rays_per_frame, (frame + 1) * cache.rays_per_frame)
    valid, voxel = candidates.is_valid[here], candidates.voxel[here]

    def picture(values: np.ndarray) -> np.ndarray:
        return np.where(valid, values, np.nan).reshape(shape)

    normal = candidates.normal[here].reshape(*shape, 3) / 127.0
    pictures = {
        "photograph": frames.rgb[frame],
        "rendered": cache.arrays["rgb"][here].reshape(*shape, 3),
        "depth": picture(cache.arrays["depth_z"][here]),
        "normal": np.round(127.5 * (normal + 1.0)).astype(np.uint8),
        "purity": picture(candidates.purity[here] / 255.0),
    }
    for name in GEOMETRY:
        pictures[name] = picture(getattr(pool.cues, name)[voxel])
    for name, row in STRATEGIES.items():
        if "model" not in row.needs or row.score in {
            r.score for n, r in STRATEGIES.items() if n in ("random", "coverage")
        }:
            continue  # a constant or a draw: nothing to see
        if "views" in row.needs and not run.predictor.heads.view_groups:
            continue  # its members were not fitted: run with such a strategy
        if name == "policy" and model.policy is None:
            continue
        seen = run.scorer.cues(row.needs, model, pool, labels)
        key = rng.run_key(0, "maps")
        scores = run.scorer.score(row, key, model, pool, seen)
        pictures[f"score_{name}"] = picture(row.worth(scores.values, candidates)[here])
    return draw_maps(folder, pictures)
