"""The table of cues: what is known of a candidate beside the model's prediction.

A new cue is a function in one of the modules beside this one and a row of `CUES`.
Scores then read it as ``cues.NAME`` (`gather.Cues`); the query policy,
`alsem.plot_cues` and `documentation` read the table.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np

from alsem.acquisition.candidates import Candidates
from alsem.acquisition.cues import geometry, label, multiview
from alsem.core.arrays import Array
from alsem.core.numerics import safe_log

HALF_VIEWS = 2.0  # number of views of visibility 1/2


@dataclasses.dataclass(frozen=True)
class Plot:
    """How a cue is drawn over a frame; one per class is drawn for the predicted one.

    Attributes:
        label: Title.
        unit: Of the colour bar; empty for a pure number.
        low: Value at the lower end of the colours; None for the least drawn.
        high: Value at the upper end; None for the greatest.
    """

    label: str
    unit: str = ""
    low: float | None = None
    high: float | None = None


@dataclasses.dataclass(frozen=True)
class Cue:
    """One row of `CUES`.

    Attributes:
        doc: What it is, in one line, with its unit and range.
        per: What has one value of it: a ``ray``, a surface ``voxel``, or a ``class``
            (then candidates see the values of all classes).
        group: Entry of `Strategy.needs` that has it computed; empty if it always is.
        build: Its values from what its group is computed from: `Candidates` and ids
            (rays), `SurfaceVoxels` (always), `ViewMeans` (``views``), `ClassCounts`
            (``classes``), `QueriedPlaces` (``labels``).
        policy: What the query policy sees: a function of the value, elementwise, to a
            number of about [-1, 1] that means the same in any scene. Of a cue per
            class it sees the predicted class's. None if it does not see the cue.
        plot: How it is drawn; None if it is not.
    """

    doc: str
    per: Literal["ray", "voxel", "class"]
    group: str
    build: Callable[..., Any]
    policy: Callable[[Array], Array] | None = None
    plot: Plot | None = None


def _frame(candidates: Candidates, ids: np.ndarray) -> np.ndarray:
    return candidates.frame[ids]


def _purity(candidates: Candidates, ids: np.ndarray) -> np.ndarray:
    return candidates.purity[ids]


def _unchanged(value: Array) -> Array:
    return value


def views_seen(num_views: Array) -> Array:
    """``n / (n + HALF_VIEWS)``: 0 for no view, towards 1 for many."""
    num_views = num_views.astype(jnp.float32)
    return num_views / (num_views + HALF_VIEWS)


def bounded_distance(distance: Array) -> Array:
    """``d / (1 + d)``: 1/2 for one spacing, 1 for an infinite distance."""
    return 1.0 - 1.0 / (1.0 + jnp.maximum(distance, 0.0))


def log_fraction(fraction: Array) -> Array:
    """A fraction on a logarithmic scale in [-1, 0]; -1 for 1e-4 and less."""
    return safe_log(fraction, eps=1e-4) / jnp.log(1e4)


CUES: dict[str, Cue] = {
    "frame": Cue(
        doc="number of the training frame",
        per="ray",
        group="",
        build=_frame,
    ),
    "num_views": Cue(
        doc="number of frames that see the voxel",
        per="voxel",
        group="",
        build=geometry.num_views,
        policy=views_seen,
        plot=Plot("frames that see it", "frames", low=0.0),
    ),
    "coherence": Cue(
        doc="length of the voxel's mean normal, in [0, 1]: 1 on a flat surface, less at"
        " edges, creases and in clutter",
        per="voxel",
        group="",
        build=geometry.coherence,
        policy=_unchanged,
        plot=Plot("normal coherence", low=0.0, high=1.0),
    ),
    "purity": Cue(
        doc="fraction of the ray's weight on its surface, in [0, 1]: low on a"
        " silhouette",
        per="ray",
        group="",
        build=_purity,
        policy=_unchanged,
        plot=Plot("purity of the ray", low=0.0, high=1.0),
    ),
    "consistency": Cue(
        doc="of the conclusive views, the fraction whose depth agrees that there is a"
        " surface, in [0, 1]",
        per="voxel",
        group="",
        build=geometry.depth_agreement,
        policy=_unchanged,
        plot=Plot("depth consistency", low=0.0, high=1.0),
    ),
    "directions": Cue(
        doc="dispersion of the directions that the voxel is seen from, in [0, 1]: one"
        " minus the length of their mean",
        per="voxel",
        group="",
        build=geometry.directions,
        policy=_unchanged,
        plot=Plot("dispersion of viewing directions", low=0.0, high=1.0),
    ),
    "view_distance": Cue(
        doc="mean distance to the cameras that see the voxel, metres",
        per="voxel",
        group="",
        build=geometry.view_distance,
        plot=Plot("mean distance to cameras", "m", low=0.0),
    ),
    "variation": Cue(
        doc="surface variation, in [0, 1/3]: 0 on a plane, 1/3 where points fill space"
        " (Pauly et al. 2002)",
        per="voxel",
        group="",
        build=geometry.variation,
        policy=lambda value: 3.0 * value,
        plot=Plot("surface variation", low=0.0),
    ),
    "gradient": Cue(
        doc="mean absolute difference of the voxel's colours to the mean colour of its"
        " neighbourhood, in [0, 1]",
        per="voxel",
        group="",
        build=geometry.gradient,
        policy=jnp.sqrt,
        plot=Plot("colour gradient", low=0.0),
    ),
    "view_entropy": Cue(
        doc="entropy of the mean prediction over views, nats (ViewAL, eq. 2)",
        per="voxel",
        group="views",
        build=multiview.view_entropy,
        plot=Plot("view entropy", "nats", low=0.0),
    ),
    "view_mean_log": Cue(
        doc="mean over views of the log of the predicted probability of each class",
        per="voxel",
        group="views",
        build=multiview.view_mean_log,
    ),
    "label_distance": Cue(
        doc="distance to the nearest queried candidate, in mean spacings of as many"
        " labels on the surface",
        per="voxel",
        group="labels",
        build=label.label_distance,
        policy=bounded_distance,
        plot=Plot("distance to the nearest label", "spacings", low=0.0),
    ),
    "label_feature_distance": Cue(
        doc="the same where normal and colour are distances too",
        per="voxel",
        group="labels",
        build=label.label_feature_distance,
        policy=bounded_distance,
        plot=Plot("feature distance to the nearest label", "spacings", low=0.0),
    ),
    "class_fraction": Cue(
        doc="fraction of the pool that is predicted as each class",
        per="class",
        group="classes",
        build=label.class_fraction,
        policy=log_fraction,
        plot=Plot("fraction of the predicted class", low=0.0, high=1.0),
    ),
    "class_weight": Cue(
        doc="weight of a label of each class, in (0, 1]: greater for rare classes",
        per="class",
        group="classes",
        build=label.class_weight,
        plot=Plot("weight of the predicted class", low=0.0, high=1.0),
    ),
    "label_fraction": Cue(
        doc="fraction of the labels that are of each class",
        per="class",
        group="labels",
        build=label.label_fraction,
        policy=log_fraction,
        plot=Plot("labels of the predicted class", low=0.0, high=1.0),
    ),
}


def build_cues(group: str, *inputs: Any) -> dict[str, Any]:
    """The cues of a group by name, per voxel or class, as their functions make them."""
    return {
        name: cue.build(*inputs)
        for name, cue in CUES.items()
        if cue.group == group and cue.per != "ray"
    }


def documentation() -> str:
    """The table as Markdown: name, needs, what it is, whether the policy sees it."""
    lines = ["| cue | per | needs | | policy |", "|---|---|---|---|---|"]
    lines += [
        f"| `{name}` | {cue.per} | {cue.group or '-'} | {cue.doc} |"
        f" {'yes' if cue.policy else 'no'} |"
        for name, cue in CUES.items()
    ]
    return "\n".join(lines)
