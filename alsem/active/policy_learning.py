"""What the query policy learns from in a run: its queries and their targets."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from alsem import acquisition
from alsem.acquisition import Candidates
from alsem.active.labelled_rays import RoundLabels
from alsem.core import rng
from alsem.policy import targets
from alsem.policy.features import policy_names
from alsem.policy.learned import LearnedPolicy, observations
from alsem.policy.targets import PolicyTargets, QueryLog, QuerySnapshot
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
        self._policy, self._log = policy, QueryLog(folder)
        self._candidates, self._cache = candidates, cache
        self._feature_dim, self._seed = feature_dim, seed

    def record(self, round_index: int, snapshot: QuerySnapshot) -> None:
        """Keeps what is known of a round's queries before they are answered."""
        self._log.write(round_index, snapshot)

    def is_ready(self, round_index: int) -> bool:
        """Whether the policy has learned enough to select the queries of a round."""
        return self._policy.is_ready(self._log.num_targets(round_index - 1))

    def data(self, round_index: int, labels: RoundLabels) -> dict[str, Any]:
        """The policy's training data after a round was annotated, for its loss."""
        self._append(round_index, labels)
        found = self._log.targets(round_index, num_cues=len(policy_names()))
        if self._policy.start is not None and len(found):
            key = rng.run_key(self._seed, "policy", 0)
            start = self._policy.init(key, self._feature_dim)
            expected = self._policy.expected_gain(start, found.cues, self._feature_dim)
            found = targets.shrunk(found, expected, self._policy.prior)
        return {"policy": observations(found, self._cache)}

    def _append(self, round_index: int, labels: RoundLabels) -> None:
        now = self._log.read(round_index)
        if now is None:
            return  # no model has selected the round's queries
        answered = now.only(np.isin(now.pixel, labels.queried_pixels))
        wrong = targets.mistakes(answered, labels.all.pixel, labels.all.label)
        gain = np.full(len(wrong), np.nan, np.float32)
        part = PolicyTargets(answered.pixel, answered.cues, wrong, gain)
        self._log.write_targets(round_index, part)
        before = self._log.read(round_index - 1)
        known = self._log.read_targets(round_index - 1)
        if before is None or known is None:
            return
        credit = targets.credit(
            acquisition.likeness(self._candidates, known.pixel),
            acquisition.likeness(self._candidates, labels.new.pixel),
            labels.new.label,
            before.predicted[labels.new.pixel],
            now.predicted[labels.new.pixel],
        )
        gain = targets.relative(credit).astype(np.float32)
        self._log.write_targets(round_index - 1, dataclasses.replace(known, gain=gain))
