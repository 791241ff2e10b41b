"""What the query policy learns from in a run: its queries and their targets."""

from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from alsem import acquisition
from alsem.acquisition import Candidates
from alsem.active.labelled_rays import RoundLabels
from alsem.core import rng
from alsem.core.numerics import padded
from alsem.policy.features import policy_names
from alsem.policy.query_log import QueryLog, QuerySnapshot
from alsem.policy.query_policy import LearnedPolicy, observations
from alsem.policy.target_log import TargetLog
from alsem.policy.targets import shrunk
from alsem.surface import SurfaceCache


class PolicyLearning:
    """Turns a run's queries into training data of the policy, round by round.

    A round's labels say where the model that selected its queries was wrong, and, since
    neither that model nor the one before has learned them, what the queries of the
    round before gained. Every round appends its own part; earlier ones are kept.
    """

    def __init__(
        self,
        policy: LearnedPolicy,
        folder: Path,
        candidates: Candidates,
        *,
        cache: SurfaceCache | None,
        feature_dim: int,
        seed: int,
    ):
        """Reads nothing yet.

        Args:
            policy: The policy.
            folder: Where snapshots and targets are kept.
            candidates: Where distances between queries are measured.
            cache: Surface cache of past queries' rays; None in joint training.
            feature_dim: Length of the field's geometry features.
            seed: The run's.
        """
        self._policy, self._snapshots = policy, QueryLog(folder)
        self._targets = TargetLog(folder, len(policy_names()))
        self._candidates, self._cache = candidates, cache
        self._feature_dim = feature_dim
        self._start: Any = None  # parameters that know nothing of this scene
        if policy.start is not None:
            self._start = policy.init(rng.run_key(seed, "policy", 0), feature_dim)
        self._forecast = jax.jit(policy.head.apply)

    def record(self, round_index: int, snapshot: QuerySnapshot) -> None:
        """Keeps what is known of a round's queries before they are answered."""
        self._snapshots.write(round_index, snapshot)

    def is_ready(self, round_index: int) -> bool:
        """Whether the policy has learned enough to select the queries of a round."""
        if self._policy.start is not None:
            return True
        return self._targets.count(round_index - 1) >= self._policy.least

    def data(self, round_index: int, labels: RoundLabels) -> dict[str, Any]:
        """The policy's training data after a round was annotated, for its loss."""
        found = self._targets.append(
            round_index,
            answered=labels.queried_pixels,
            labelled=(labels.all.pixel, labels.all.label),
            new=(labels.new.pixel, labels.new.label),
            place=partial(acquisition.surface_coordinates, self._candidates),
        )
        if self._start is not None and len(found):
            found = shrunk(found, self._expected_gain(found.cues), self._policy.prior)
        return {"policy": observations(found, self._cache)}

    def _expected_gain(self, cues: np.ndarray) -> np.ndarray:
        """Gains that the start expects of candidates ``[m d]``, by their cues alone."""
        rows = padded(cues)
        no_features = jnp.zeros((len(rows), self._feature_dim))
        forecast: Any = self._forecast(self._start, rows, no_features)
        return np.asarray(forecast.gain)[: len(cues)]
