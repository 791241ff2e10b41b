"""The surface cache: of every ray, the few samples that carry its weight.

After geometry is fitted nearly all the weight of an indoor ray sits in one or two
places. A cache keeps those in compact types on the host, so that semantic training
and scoring cost one small MLP a ray in place of a hundred.

Distances are kept, not points: 16 bits of a room's diagonal resolve 0.2 mm, half
precision of a coordinate only millimetres. ``rays * samples * (9 + 2 f) + rays * 7``
bytes in all, for descriptions of length f.
"""

from alsem.surface.build import COMPLETE, build, make_encoder, reduce_samples
from alsem.surface.cache import FAINT, SurfaceCache, decode, decoder, end_points

__all__ = [
    "COMPLETE",
    "FAINT",
    "SurfaceCache",
    "build",
    "decode",
    "decoder",
    "end_points",
    "make_encoder",
    "reduce_samples",
]
