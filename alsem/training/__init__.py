"""Fitting: geometry and colour, semantics on the surface cache, and both jointly.

One step is one function of (state, data, key); `lax.scan` runs ``steps_per_call`` of
them in one compiled call. Keys come from the step number, so a resumed fit draws what
the uninterrupted one would have drawn. All that differs between scenes and fits of one
shape (cameras, box, data, length) is an argument: they share one compiled program.

Two ray streams of fixed size: any training pixel for colour and geometry, labelled
pixels for semantics. In staged training the second is not rendered: its rays are
samples of the surface cache.
"""

from alsem.training.geometry_step import (
    GeometryLoss,
    geometry_loss,
    make_geometry_step,
)
from alsem.training.joint_step import make_joint_step
from alsem.training.loop import Runner, Saver, fit, make_runner
from alsem.training.semantic_step import make_semantic_step, semantic_loss
from alsem.training.state import (
    ExtraLoss,
    FeaturesOf,
    LabelledPixels,
    LabelledSurface,
    PixelData,
    Step,
    StereoPixels,
    TrainState,
    gradient_step,
    init_state,
    valid_pixels,
)

__all__ = [
    "ExtraLoss",
    "FeaturesOf",
    "GeometryLoss",
    "LabelledPixels",
    "LabelledSurface",
    "PixelData",
    "Runner",
    "Saver",
    "Step",
    "StereoPixels",
    "TrainState",
    "fit",
    "geometry_loss",
    "gradient_step",
    "init_state",
    "make_geometry_step",
    "make_joint_step",
    "make_runner",
    "make_semantic_step",
    "semantic_loss",
    "valid_pixels",
]
