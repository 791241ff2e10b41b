"""What the query policy learns from in a run: its queries and their targets."""

from functools import partial
from pathlib import Path
from typing import Any

from alsem import acquisition
from alsem.acquisition import Candidates
from alsem.active.labelled_rays import RoundLabels
from alsem.core import rng
from alsem.policy.features import policy_names
from alsem.policy.learned import LearnedPolicy, observations
from alsem.policy.query_log import QueryLog, QuerySnapshot
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
        self._feature_dim, self._seed = feature_dim, seed

    def record(self, round_index: int, snapshot: QuerySnapshot) -> None:
        """Keeps what is known of a round's queries before they are answered."""
        self._snapshots.write(round_index, snapshot)

    def is_ready(self, round_index: int) -> bool:
        """Whether the policy has learned enough to select the queries of a round."""
        return self._policy.is_ready(self._targets.count(round_index - 1))

    def data(self, round_index: int, labels: RoundLabels) -> dict[str, Any]:
        """The policy's training data after a round was annotated, for its loss."""
        found = self._targets.append(
            round_index,
            answered=labels.queried_pixels,
            labelled=(labels.all.pixel, labels.all.label),
            new=(labels.new.pixel, labels.new.label),
            place=partial(acquisition.surface_coordinates, self._candidates),
        )
        if self._policy.start is not None and len(found):
            key = rng.run_key(self._seed, "policy", 0)
            start = self._policy.init(key, self._feature_dim)
            expected = self._policy.expected_gain(start, found.cues, self._feature_dim)
            found = shrunk(found, expected, self._policy.prior)
        return {"policy": observations(found, self._cache)}
