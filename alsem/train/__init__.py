"""Fitting: geometry and colour, semantics on the surface cache, and both jointly.

One step is one function of (state, data, key); `lax.scan` runs ``steps_per_call`` of
them without coming back to the host. Keys come from the step number, so a resumed fit
draws what the uninterrupted one would have drawn.

Two ray streams of fixed size: any training pixel for colour and geometry, labelled
pixels for semantics. In ``staged`` training the second never renders: its rays are
samples of the surface cache.
"""

from alsem.train.appearance import as_photographed, fresh_appearance
from alsem.train.geometry import GeometryLoss, geometry_loss, make_geometry_step
from alsem.train.joint import make_joint_step
from alsem.train.policy import Observations, PolicyTerm, policy_loss
from alsem.train.runner import fit, make_runner
from alsem.train.semantics import make_semantic_step, semantic_loss
from alsem.train.state import (
    LabelledPixels,
    LabelledSurface,
    PixelData,
    Step,
    TrainState,
    fresh_state,
    update,
)

__all__ = [
    "GeometryLoss",
    "LabelledPixels",
    "LabelledSurface",
    "Observations",
    "PixelData",
    "PolicyTerm",
    "Step",
    "TrainState",
    "as_photographed",
    "fit",
    "fresh_appearance",
    "fresh_state",
    "geometry_loss",
    "make_geometry_step",
    "make_joint_step",
    "make_runner",
    "make_semantic_step",
    "policy_loss",
    "semantic_loss",
    "update",
]
