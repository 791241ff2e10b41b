"""What one round has learned, and the surface caches it predicts on."""

import dataclasses
from typing import Any

from alsem.surface import SurfaceCache
from alsem.training import TrainState


@dataclasses.dataclass(frozen=True)
class Model:
    """A round's model.

    Attributes:
        state: The train state; kept for warm starts and checkpoints.
        heads: Parameters of the semantic members of the finest level.
        policy: Parameters of the query policy, None where there is none.
        train_cache: Surface cache of the training frames.
        test_cache: Surface cache of the test frames.
    """

    state: TrainState
    heads: Any
    policy: Any
    train_cache: SurfaceCache
    test_cache: SurfaceCache
