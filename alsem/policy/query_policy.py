"""The query policy of a run: its head, its loss and the weights it starts from."""

import dataclasses
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from alsem.core.numerics import padded
from alsem.policy.head import PolicyHead
from alsem.policy.loss import Observations, PolicyLoss
from alsem.policy.targets import PolicyTargets
from alsem.policy.weights import SHIPPED, init_params, load_weights
from alsem.surface import SurfaceCache


@dataclasses.dataclass(frozen=True)
class LearnedPolicy:
    """A query policy.

    Attributes:
        loss: Its head and its loss.
        start: Weights trained in other scenes; None if it starts from nothing.
        prior: Observations that such a start counts for.
        least: Observations needed before it is used, without a start.
    """

    loss: PolicyLoss
    start: dict[str, np.ndarray] | None
    prior: float | int
    least: int

    @property
    def head(self) -> PolicyHead:
        """Its module."""
        return self.loss.head

    def init(self, key: jax.Array, feature_dim: int) -> Any:
        """Parameters before the first step, for geometry features of a length."""
        return init_params(self.head, key, feature_dim, self.start)


def load_policy(
    *,
    width: int,
    depth: int,
    weight: float,
    batch: int,
    start: str,
    prior: float | int,
    least: int,
) -> LearnedPolicy:
    """Makes the policy of a config's section ``train.policy``.

    Raises:
        InputError: The file that ``start`` names is missing, damaged, or of another
            head.
    """
    head = PolicyHead(width=width, depth=depth)
    weights = None
    if start:
        path = SHIPPED if start == "shipped" else Path(start)
        weights = load_weights(path, head)
    loss = PolicyLoss(head=head, weight=weight, batch=batch)
    return LearnedPolicy(loss=loss, start=weights, prior=prior, least=least)


def observations(targets: PolicyTargets, cache: SurfaceCache | None) -> Observations:
    """The policy's training data on the devices, padded so that few sizes compile.

    Args:
        targets: Of past queries.
        cache: Surface cache to take their rays from; None in joint training, which
            renders them.
    """
    pixel = padded(targets.pixel.astype(np.int32), 0)
    compact = None if cache is None else jax.tree.map(jnp.asarray, cache.take(pixel))
    return Observations(
        pixel=jnp.asarray(pixel),
        compact=compact,
        cues=jnp.asarray(padded(targets.cues, 0)),
        wrong=jnp.asarray(padded(targets.wrong, -1)),
        gain=jnp.asarray(padded(targets.gain, np.nan)),
        count=jnp.int32(max(len(targets), 1)),
    )
