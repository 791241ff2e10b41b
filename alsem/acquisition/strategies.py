"""Strategies: a score and a batch-selection rule, by name.

A new strategy is a score and a row of `STRATEGIES`; the contract tests run over the
table.
"""

import dataclasses
import difflib
import functools
from collections.abc import Iterable, Mapping

import numpy as np

from alsem.acquisition import scores
from alsem.acquisition.batch import select, steps
from alsem.acquisition.batch.context import PredictFn, Step
from alsem.acquisition.batch.select import NEED_PREDICTIONS, STEPS
from alsem.acquisition.candidates import Candidates
from alsem.acquisition.mixture import SCALES, Mixture, mix
from alsem.acquisition.scores import ScoreFn
from alsem.core.arrays import PRNGKeyArray
from alsem.core.errors import InputError
from alsem.core.renamed import RENAMED_VALUES

MODEL = frozenset({"model"})


@dataclasses.dataclass(frozen=True)
class Strategy:
    """How a round's queries are chosen.

    Attributes:
        score: Score of one candidate; several values if there is a mixture.
        rule: Steps that select a batch by the scores.
        needs: What must be computed first: ``model``, a model's predictions; ``views``,
            ``classes``, ``labels``, those groups of `CUES`.
        coverage_until: Queries cover the surface (row ``poisson_disk``) until the model
            predicts this fraction of a round's labels before it learns them; 0 for no
            such phase. It does not come back: later queries are chosen to be hard, and
            the model may be wrong about most of them.
        mixture: How several scores are combined; None for one score.
    """

    score: ScoreFn
    rule: tuple[Step, ...] = (steps.top_k,)
    needs: frozenset[str] = MODEL
    coverage_until: float = 0.0
    mixture: Mixture | None = None

    def select(
        self,
        key: PRNGKeyArray,
        scores: np.ndarray,
        candidates: Candidates,
        queried: np.ndarray,
        *,
        num: int,
        allowed: np.ndarray | None = None,
        predict: PredictFn | None = None,
    ) -> np.ndarray:
        """`select.choose` by this strategy's rule, of scores as its scorer made them.

        ``scores`` are float32 ``[n]``, or ``[n parts]`` if there is a mixture.
        """
        return select.choose(
            key,
            self.combined(scores, candidates),
            candidates,
            queried,
            num=num,
            rule=self.rule,
            allowed=allowed,
            predict=predict,
        )

    def combined(self, scores: np.ndarray, candidates: Candidates) -> np.ndarray:
        """One score per candidate, float32 ``[n]``; scores ``[n]`` are unchanged."""
        if self.mixture is None or scores.ndim == 1:
            return scores
        return mix(scores, self.mixture, candidates.is_valid)


_explore_and_exploit = functools.partial(
    select.mixed, explore=(steps.k_centre,), exploit=(steps.spaced,), fraction=0.25
)

STRATEGIES: dict[str, Strategy] = {
    "random": Strategy(scores.uniform, needs=frozenset()),
    "poisson_disk": Strategy(scores.uniform, (steps.spaced,), needs=frozenset()),
    "coverage": Strategy(scores.coverage, (steps.k_centre,), needs=frozenset()),
    "voxel_coverage": Strategy(
        scores.coverage, (steps.least_labelled,), needs=frozenset()
    ),
    "entropy": Strategy(scores.entropy),
    "margin": Strategy(scores.margin),
    "least_confidence": Strategy(scores.least_confidence),
    "bvsb": Strategy(scores.bvsb),
    "bald": Strategy(scores.bald),
    "vote_entropy": Strategy(scores.vote_entropy),
    # Spaced, for one label per place suffices for all its views (ViewAL).
    "view_entropy": Strategy(
        scores.view_entropy, (steps.spaced,), needs=MODEL | {"views"}
    ),
    "view_divergence": Strategy(
        scores.view_divergence, (steps.spaced,), needs=MODEL | {"views"}
    ),
    "coreset": Strategy(scores.coverage, (STEPS["coreset"],)),
    "badge": Strategy(scores.coverage, (STEPS["badge"],)),
    "fisher": Strategy(scores.coverage, (STEPS["fisher"],)),
    "balanced": Strategy(scores.balanced, needs=MODEL | {"classes"}),
    "redal": Strategy(scores.redal, (steps.cluster_decay,)),
    "geometry": Strategy(
        scores.geometry,
        (_explore_and_exploit,),
        needs=MODEL | {"classes"},
        coverage_until=0.5,
    ),
    "policy": Strategy(
        scores.policy,
        (_explore_and_exploit,),
        needs=MODEL | {"classes", "labels"},
        coverage_until=0.5,
    ),
}

# Coverage as a score: the distance to all past queries.
IN_MIXTURES: dict[str, Strategy] = {
    "coverage": Strategy(scores.label_feature_distance, needs=frozenset({"labels"})),
}


def find_strategy(name: str) -> Strategy:
    """Row ``name`` of `STRATEGIES`.

    Raises:
        InputError: If there is none.
    """
    if name not in STRATEGIES:
        raise InputError(_unknown("active.strategy", name, STRATEGIES))
    return STRATEGIES[name]


def with_steps(strategy: Strategy, names: Iterable[str]) -> Strategy:
    """The strategy with the rule of a config; with its own if that names no step.

    Raises:
        InputError: If one of the names is no row of `STEPS`.
    """
    names = tuple(names)
    for name in names:
        if name not in STEPS:
            raise InputError(_unknown("active.diversity", name, STEPS))
    if not names:
        return strategy
    needs = strategy.needs | (MODEL if NEED_PREDICTIONS & set(names) else frozenset())
    return dataclasses.replace(
        strategy, rule=tuple(STEPS[name] for name in names), needs=needs
    )


def parse_strategy(text: str, *, mix_by: str = "rank") -> Strategy:
    """A row by its name, or a mixture of rows such as ``0.7*margin+0.3*coverage``.

    Raises:
        InputError: If it is neither, or a name is not known.
    """
    if "+" not in text and "*" not in text:
        return find_strategy(text)
    weights: dict[str, float] = {}
    for term in text.split("+"):
        weight, star, name = (part.strip() for part in term.rpartition("*"))
        try:
            value = float(weight) if star else 1.0
        except ValueError:
            raise InputError(
                f"active.strategy={text!r}: {weight!r} is no weight; write a mixture"
                " as '0.7*margin+0.3*coverage'"
            ) from None
        if name in weights:
            raise InputError(
                f"active.strategy={text!r} names {name!r} twice; give it one weight"
            )
        weights[name] = value
    return mixture_strategy(weights, mix_by)


def mixture_strategy(weights: Mapping[str, float], by: str = "rank") -> Strategy:
    """Strategy that mixes the scores of some rows and takes the best.

    Their rules and coverage phases do not apply; a rule is given with `with_steps`. In
    place of a row whose scores are all equal stands that of `IN_MIXTURES`.

    Args:
        weights: Name of a row to its weight, not negative.
        by: Scale on which scores are compared: ``rank`` or ``minmax``.

    Raises:
        InputError: If a name is not known, a row cannot be mixed, a weight is not a
            positive number, or the scale is none of the two.
    """
    rows = [IN_MIXTURES.get(name) or find_strategy(name) for name in weights]
    for name, row in zip(weights, rows, strict=True):
        if row.score is scores.coverage:
            raise InputError(f"{name!r} cannot be mixed: all its scores are equal")
        if row is STRATEGIES["policy"]:
            raise InputError(
                f"{name!r} cannot be mixed: it is trained on its own queries"
            )
    values = tuple(float(weight) for weight in weights.values())
    if not np.isfinite(values).all() or min(values, default=0.0) < 0 or not sum(values):
        raise InputError(f"weights {dict(weights)} of a mixture: use positive numbers")
    if by not in SCALES:
        raise InputError(_unknown("active.mix_by", by, SCALES))
    return Strategy(
        scores.stacked(tuple(row.score for row in rows)),
        needs=frozenset[str]().union(*(row.needs for row in rows)),
        mixture=Mixture(values, by),
    )


def for_round(strategy: Strategy, *, has_model: bool, was_trusted: bool) -> Strategy:
    """The strategy that selects a round's queries on another's behalf.

    Args:
        strategy: The run's.
        has_model: Whether a model has been fitted to labels; False in round 0.
        was_trusted: Whether in any round so far the model predicted at least the
            fraction ``coverage_until`` of the new labels before it learned them.
    """
    if "model" not in strategy.needs:
        return strategy
    if strategy.coverage_until > 0:
        return strategy if has_model and was_trusted else STRATEGIES["poisson_disk"]
    return strategy if has_model else STRATEGIES["random"]


def _unknown(what: str, name: str, known: Iterable[str]) -> str:
    """One line that names the successor, the nearest name, or all names."""
    if successor := RENAMED_VALUES.get(what, {}).get(name):
        return f"{what}={name!r} is now called {successor!r}; use that name"
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"use one of {', '.join(known)}"
    return f"{what}={name!r} is not known; {hint}"
