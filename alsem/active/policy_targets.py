"""Looking back: what the answers say of the pool, and what past queries were worth."""

import numpy as np

from alsem import acquisition
from alsem.acquisition import Units
from alsem.active.experiment import Experiment
from alsem.active.labelled_rays import LabelledRays
from alsem.active.pool import Labels, Pool
from alsem.active.semantic_stage import RoundFitter
from alsem.annotation import Annotations, LabelStore, expand_annotations
from alsem.policy import features, targets
from alsem.policy.targets import PolicyTargets, QueryLog, QuerySnapshot

MOST_JUDGED = 1 << 14  # labelled pixels that a model is compared with, at most


class Answers:
    """The answers in a run's label store, as pixels of its pool."""

    def __init__(self, experiment: Experiment, units: Units, store: LabelStore):
        """Reads nothing yet."""
        camera = experiment.scene.intrinsics
        self._image_size = (camera.height, camera.width)
        self._num_classes = len(experiment.scene.class_names)
        self._units = units
        self._store = store

    def labelled(self, round_index: int | None) -> LabelledRays:
        """All labelled pixels up to a round; void answers teach nothing."""
        return self._expand(self._store.annotations(round_index))

    def of_round(self, round_index: int) -> LabelledRays:
        """Pixels that one round has labelled, an even choice if they are many."""
        answers = self._store.annotations(round_index)
        found = self._expand(answers.take(answers.round == round_index))
        stride = 1 + len(found.pixel) // MOST_JUDGED
        return LabelledRays(found.pixel[::stride], found.label[::stride])

    def summary(self) -> Labels:
        """Where was asked so far, and how much of each class was found."""
        asked = self._units.anchor[self._store.queried_units()]
        annotations = self._store.annotations(None)
        label, answer = self._expand(annotations).label, annotations.label
        # Runs of one segment share a click; a void answer is of no class.
        answer = answer[(answer >= 0) & (annotations.clicks > 0)]
        return Labels(
            pixel=asked[asked >= 0],
            count=np.bincount(label, minlength=self._num_classes),
            answers=np.bincount(answer, minlength=self._num_classes),
        )

    def _expand(self, answers: Annotations) -> LabelledRays:
        unit_pixels, image_size = self._units.members, self._image_size
        pixel, label = expand_annotations(
            answers, unit_pixels=unit_pixels, image_size=image_size
        )
        each = np.isin(answers.kind, ("point", "exact"))
        seen = np.where(each, answers.pixels, 1)[answers.label >= 0].sum()
        return LabelledRays(pixel.astype(np.int32), label, int(seen))


class Hindsight:
    """What became of past queries: the policy's training data."""

    def __init__(
        self, experiment: Experiment, pool: Pool, answers: Answers, fitter: RoundFitter
    ):
        """Reads nothing yet; ``pool`` is the one that places are compared in."""
        self.query_log = QueryLog(experiment.workdir / "policy")
        self._policy = experiment.policy
        self._candidates = pool.candidates
        self._answers = answers
        self._fitter = fitter

    def policy_targets(self, round_index: int) -> PolicyTargets:
        """What became of the queries up to a round; nothing without a policy."""
        none = targets.nothing(len(features.policy_names()))
        if self._policy is None:
            return none
        labelled = self._answers.labelled(round_index)
        answered = self._answers.summary().pixel
        parts = [none]
        for number in range(1, round_index + 1):
            asked = self.query_log.read(number)
            if asked is None:
                continue
            asked = asked.only(np.isin(asked.pixel, answered))  # the rest: withdrawn
            gain = np.full(len(asked.pixel), np.nan, np.float32)
            after = self.query_log.read(number + 1) if number < round_index else None
            if after is not None:
                gain = self._gain(asked, after, self._answers.of_round(number + 1))
            wrong = targets.mistakes(asked, labelled.pixel, labelled.label)
            parts.append(PolicyTargets(asked.pixel, asked.cues, wrong, gain))
        policy_targets = targets.joined(parts)
        expected = self._fitter.expected_gain(policy_targets.cues)
        if expected is None:
            return policy_targets
        return targets.shrunk(policy_targets, expected, self._policy.prior)

    def _gain(
        self, asked: QuerySnapshot, after: QuerySnapshot, judges: LabelledRays
    ) -> np.ndarray:
        credit = targets.credit(
            acquisition.likeness(self._candidates, asked.pixel),
            acquisition.likeness(self._candidates, judges.pixel),
            judges.label,
            asked.predicted[judges.pixel],
            after.predicted[judges.pixel],
        )
        return targets.relative(credit)
