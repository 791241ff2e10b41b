"""Cues from geometry alone: how often a place is seen and how clean it is.

One pass over the pool through its voxels, never a comparison of views with views.
"""

from typing import Any

import flax.struct
import numpy as np

from alsem.acquisition.candidates import BYTE_SCALE, NORMAL_SCALE, Candidates
from alsem.typing import Leaf


@flax.struct.dataclass
class Cues:
    """What geometry says of candidates, leading axes ``*b`` (none for one).

    Attributes:
        num_views: int32 ``[*b]`` how many frames see the candidate's voxel.
        coherence: float32 ``[*b]`` length of the voxel's mean normal: 1 on a flat
            surface, lower at edges, creases and in clutter.
        purity: float32 ``[*b]`` share of the ray's weight on its surface; low on a
            silhouette.
    """

    num_views: Leaf
    coherence: Leaf
    purity: Leaf


def voxel_cues(candidates: Candidates) -> Cues:
    """Cues ``[n]`` (NumPy) of all candidates; zero views where one is not valid."""
    is_valid = candidates.is_valid
    voxel = candidates.voxel[is_valid]
    num_views = _frames_per_voxel(candidates, voxel)
    coherence = _normal_coherence(candidates, voxel)
    purity = candidates.purity * np.float32(1 / BYTE_SCALE)

    def spread(per_voxel: np.ndarray) -> np.ndarray:
        values = np.zeros(len(candidates), per_voxel.dtype)
        values[is_valid] = per_voxel[voxel]
        return values

    leaves: dict[str, Any] = {
        "num_views": spread(num_views),
        "coherence": spread(coherence),
        "purity": purity,
    }
    return Cues(**leaves)


def _frames_per_voxel(candidates: Candidates, voxel: np.ndarray) -> np.ndarray:
    """How many distinct frames have a candidate in each voxel, int32 ``[v]``."""
    num_frames = int(candidates.frame.max(initial=0)) + 1
    pair = voxel.astype(np.int64) * num_frames + candidates.frame[candidates.is_valid]
    # Sorting integers is vectorised; np.unique of millions is several times slower.
    pair.sort()
    is_first = np.diff(pair, prepend=-1) > 0
    counts = np.bincount(pair[is_first] // num_frames, minlength=candidates.num_voxels)
    return counts.astype(np.int32)


def _normal_coherence(candidates: Candidates, voxel: np.ndarray) -> np.ndarray:
    """Length of each voxel's mean normal, float32 ``[v]``; zero without normals."""
    normal = candidates.normal[candidates.is_valid]
    num_voxels = candidates.num_voxels
    count = np.bincount(voxel, minlength=num_voxels)
    square = np.zeros(num_voxels)
    for axis in range(3):
        square += np.bincount(voxel, normal[:, axis], minlength=num_voxels) ** 2
    length = np.sqrt(square) / (NORMAL_SCALE * np.maximum(count, 1))
    # Rounding to int8 can leave a unit normal a little too long.
    return np.minimum(length, 1.0).astype(np.float32)
