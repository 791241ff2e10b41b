"""The surface cache: of every ray, the few samples that carry its weight.

After geometry is fitted nearly all the weight of an indoor ray lies on one or two
surfaces. A cache keeps those in compact types on the host, so that semantic training
and scoring evaluate one small MLP a ray in place of a hundred.

Distances are kept, not points: 16 bits of a room's diagonal resolve 0.2 mm, half
precision of a coordinate only millimetres. It takes ``rays * samples * (9 + 2 f) +
rays * 7`` bytes for geometry features of length f: 85 of a ray with two samples and 15
features. Image evidence of a ray takes a byte a value.
"""

from alsem.surface.build import COMPLETE, Encoder, build, make_encoder, reduce_samples
from alsem.surface.cache import FAINT, CacheCameras, SurfaceCache, decode, end_points
from alsem.surface.evidence import add_evidence

__all__ = [
    "COMPLETE",
    "FAINT",
    "CacheCameras",
    "Encoder",
    "SurfaceCache",
    "add_evidence",
    "build",
    "decode",
    "end_points",
    "make_encoder",
    "reduce_samples",
]
