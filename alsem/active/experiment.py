"""What one run is made of: built once from its config, read by all above.

Why a layer of its own: the geometry fit and the loop share these, and siblings do
not import each other.
"""

import dataclasses
from pathlib import Path
from typing import Any

import jax

from alsem.acquisition import Strategy
from alsem.data import GroundTruth, Scene
from alsem.nerf import Nerf, SemanticMembers
from alsem.policy.loss import PolicyTerm
from alsem.training import GeometryLoss
from alsem.training.optimizer import Fit


@dataclasses.dataclass(frozen=True)
class Joint:
    """The joint stage: everything every round.

    Attributes:
        fit: The colour rays' fit.
        label_rays: Labelled rays of a step.
        semantic_weight: Weight of the cross entropy (0.04 as published).
        semantic_gradient: Whether it moves density and trunk.
    """

    fit: Fit
    label_rays: int
    semantic_weight: float
    semantic_gradient: bool


@dataclasses.dataclass(frozen=True)
class Policy:
    """The learned query policy.

    Attributes:
        term: Its head and its loss term.
        start: Parameters learnt in other scenes; None if it starts from nothing.
        prior: How many observations such a start counts for.
        least: Observations that are needed before it is used, without a start.
    """

    term: PolicyTerm
    start: Any
    prior: float | int
    least: int


@dataclasses.dataclass(frozen=True)
class SurfaceOptions:
    """The surface cache and the chunks it is worked through in.

    Attributes:
        samples: Places kept of a ray.
        gap: Metres within which samples are one place.
        render_chunk: Rays rendered in one call.
        score_chunk: Rays scored in one call.
        t_max: Metres the cache's distances reach.
    """

    samples: int
    gap: float
    render_chunk: int
    score_chunk: int
    t_max: float


@dataclasses.dataclass(frozen=True)
class ActiveOptions:
    """The loop.

    Attributes:
        strategy: Row of `acquisition.STRATEGIES`, a mixture of rows such as
            ``0.7*margin+0.3*coverage``, or ``full`` (every label at once).
        mix_by: How a mixture compares scores: ``rank`` or ``minmax``.
        diversity: Names of batch steps in place of the strategy's own; () keeps them.
        exact_views: Compare every view with every other in place of voxels.
        granularity: What one query covers.
        patch_size: Pixels along the side of a patch.
        superpixels: ``slic``, or ``files`` for the capture's own region images.
        superpixel_pixels: Pixels of a SLIC superpixel, about.
        volumes: ``supervoxels`` or ``voxels``.
        volume_size: Metres across either.
        rounds: Rounds in all, round 0 included.
        initial_clicks: Clicks of round 0.
        clicks_per_round: Clicks of round 1.
        growth: Each later round asks this many times what the one before asked.
        budget: Clicks allowed in all, 0 for no bound.
        stop_at_miou: No further round once the estimated mIoU is that high; 0: never.
        annotator: ``simulated`` or ``file``.
        answers: CSV of the ``file`` annotator.
        answer: How a unit is answered: ``dominant``, ``click`` or ``exact``.
        mixed_below: Units whose commonest class has a smaller share are "mixed".
        noise_rate: Share of wrong answers of the simulated annotator.
        label_set: A set of labels drawn beforehand, in place of all; '' for all.
        cost: What clicks here count: ``clicks``, ``pixels`` or ``seconds``.
        seconds: What an answer is said to take, by its kind.
        start: ``cold`` (fresh heads every round) or ``warm``.
        voxel_size: Metres; one candidate a voxel in spaced selection.
        min_purity: Rays with less of their weight on one surface are never asked.
    """

    strategy: str
    mix_by: str
    diversity: tuple[str, ...]
    exact_views: bool
    granularity: str
    patch_size: int
    superpixels: str
    superpixel_pixels: int
    volumes: str
    volume_size: float
    rounds: int
    initial_clicks: int
    clicks_per_round: int
    growth: float
    budget: int
    stop_at_miou: float
    annotator: str
    answers: str
    answer: str
    mixed_below: float
    noise_rate: float
    label_set: str
    cost: str
    seconds: dict[str, float]
    start: str
    voxel_size: float
    min_purity: float

    def clicks(self, round_index: int) -> int:
        """Clicks a round may ask for, before the budget."""
        if round_index == 0:
            return self.initial_clicks
        return round(self.clicks_per_round * self.growth ** (round_index - 1))


@dataclasses.dataclass(frozen=True)
class Experiment:
    """A run, ready to go.

    Attributes:
        scene: The capture.
        truth: Its ground truth: for the simulated annotator and the evaluator only.
        nerf: The field and its renderer.
        heads: Semantic members, one entry a level of the renderer.
        mesh: Devices.
        geometry: The geometry fit.
        geometry_seed: Its seed, apart from the run's so that runs share it.
        geometry_loss: Its loss.
        appearance: Whether every photograph has an exposure of its own.
        grid_fraction: Share of the proposal grid refreshed after each compiled call.
        policy: The learned policy, None if the strategy has none.
        strategy: How queries are chosen, None for full supervision.
        semantics: The semantic fit of a staged round.
        labels_per_fit: Labels that its steps are enough for; 0: any number.
        joint: The joint stage, None in staged training.
        surface: The surface cache.
        active: The loop.
        seed: The run's seed.
        config: The whole config as plain data.
        geometry_config: The part of it that decides the geometry.
        workdir: The run directory.
        cache_dir: Where fitted geometry of all runs lies.
    """

    scene: Scene
    truth: GroundTruth
    nerf: Nerf
    heads: tuple[SemanticMembers, ...]
    mesh: jax.sharding.Mesh
    geometry: Fit
    geometry_seed: int
    geometry_loss: GeometryLoss
    appearance: bool
    grid_fraction: float
    semantics: Fit
    labels_per_fit: int
    joint: Joint | None
    policy: Policy | None
    strategy: Strategy | None
    surface: SurfaceOptions
    active: ActiveOptions
    seed: int
    config: dict[str, Any]
    geometry_config: dict[str, Any]
    workdir: Path
    cache_dir: Path
