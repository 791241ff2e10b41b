"""Connects the parts of a run: each stage of the loop with what it needs."""

import contextlib
import dataclasses
from functools import partial
from pathlib import Path
from typing import Any

import jax

from alsem.acquisition import Strategy
from alsem.active import query_selection, round_metrics
from alsem.active.geometry_check import GeometryVerdict
from alsem.active.geometry_stage import SceneGeometry
from alsem.active.joint_trainer import JointTrainer
from alsem.active.labelled_rays import RoundLabels, read_labels
from alsem.active.loop import Stages
from alsem.active.model import Model
from alsem.active.photo_evidence import add_photo_evidence
from alsem.active.policy_learning import PolicyLearning
from alsem.active.pool import Pool, PoolOptions, open_pool
from alsem.active.predict import Predictor
from alsem.active.score_pool import PoolScorer
from alsem.active.semantic_stage import RoundFitter, StagedTrainer, Trainer
from alsem.annotation import LabelStore
from alsem.core import mesh as devices
from alsem.core import progress, rng
from alsem.data import GroundTruth, Scene
from alsem.nerf import Nerf, SemanticMembers
from alsem.policy.query_policy import LearnedPolicy
from alsem.reporting.run_dir import RunLog
from alsem.runs import build
from alsem.runs.geometry import fit_geometry


@dataclasses.dataclass(frozen=True)
class OpenRun:
    """A run directory with its stages ready.

    Attributes:
        scene: The capture.
        geometry: The fitted field and its surface caches.
        pool: The pool of the geometry stage's caches.
        predictor: Prediction passes.
        scorer: Scoring passes.
        fitter: Fits and restores models.
        store: The label store.
        log: The records.
        stages: The stages of the loop.
    """

    scene: Scene
    geometry: SceneGeometry
    pool: Pool
    predictor: Predictor
    scorer: PoolScorer
    fitter: RoundFitter
    store: LabelStore
    log: RunLog
    stages: Stages


def open_run(
    config: Any,
    workdir: Path,
    scene: Scene,
    truth: GroundTruth,
    strategy: Strategy | None,
    policy: LearnedPolicy | None,
    stack: contextlib.ExitStack,
) -> OpenRun:
    """Fits geometry or opens it, and makes the stages of the loop.

    Args:
        config: The whole config.
        workdir: The run directory.
        scene: The capture.
        truth: Its ground truth; here only the evaluator sees it.
        strategy: How queries are selected; None for full supervision.
        policy: The learned query policy, if there is one.
        stack: Closes what is opened.
    """
    mesh = devices.make_mesh()
    nerf, geometry = fit_geometry(config, workdir, scene, mesh)
    num_classes = len(scene.class_names)
    geometry, vote = add_photo_evidence(geometry, scene, build.evidence(config))
    cache, chunk = geometry.train_cache, config.surface.score_chunk
    feature_dim = cache.arrays["feature"].shape[-1]
    heads = build.make_heads(
        config, strategy, num_classes, sees_evidence=cache.has_evidence
    )
    options = build.pool_options(config)
    pool = open_pool(cache, scene.train, options)
    predictor = Predictor(heads, cache=cache, mesh=mesh, chunk=chunk, vote=vote)
    scorer = PoolScorer(
        predictor,
        num_classes=num_classes,
        policy=None if policy is None else policy.head,
        exact_views=config.active.exact_views,
    )
    store = stack.enter_context(LabelStore(workdir / "labels.sqlite"))
    log = stack.enter_context(contextlib.closing(RunLog(workdir)))
    trainer = _trainer(config, workdir, scene, nerf, heads, geometry, policy, mesh)
    fitter = RoundFitter(
        trainer,
        build.semantic_options(config),
        seed=config.seed,
        mesh=mesh,
        folder=workdir / "checkpoints",
        policy_params=(
            None
            if policy is None
            else jax.jit(partial(policy.init, feature_dim=feature_dim))
        ),
    )
    stack.callback(fitter.close)  # waits: a save half done would be lost
    learning = None
    if policy is not None:
        learning = PolicyLearning(
            policy,
            workdir / "policy",
            pool.candidates,
            # Joint steps render the rays of past queries.
            cache=None if config.train.mode == "joint" else geometry.train_cache,
            feature_dim=feature_dim,
            seed=config.seed,
        )
    image_size = (scene.intrinsics.height, scene.intrinsics.width)
    stages = Stages(
        open_pool=_PoolOpener(pool, scene, options),
        read_labels=partial(
            read_labels,
            store,
            units=pool.units,
            image_size=image_size,
            num_classes=num_classes,
        ),
        strategy_of_round=partial(_strategy_of_round, config, strategy, learning),
        select=partial(_select, config, scorer, predictor, learning),
        prequential=partial(round_metrics.prequential, predictor),
        fit=partial(_fit, fitter, learning),
        evaluate=partial(
            _evaluate, config, scene, truth, predictor, log, geometry.verdict
        ),
    )
    return OpenRun(scene, geometry, pool, predictor, scorer, fitter, store, log, stages)


def _trainer(
    config: Any,
    workdir: Path,
    scene: Scene,
    nerf: Nerf,
    heads: SemanticMembers,
    geometry: SceneGeometry,
    policy: LearnedPolicy | None,
    mesh: jax.sharding.Mesh,
) -> Trainer:
    extra_losses = () if policy is None else (policy.loss,)
    if config.train.mode == "staged":
        return StagedTrainer(
            heads,
            geometry,
            batch_rays=config.train.semantics.fit.batch_rays,
            mesh=mesh,
            extra_losses=extra_losses,
        )
    return JointTrainer(
        scene,
        nerf,
        (heads,) * nerf.levels,
        geometry,
        build.joint_options(config),
        mesh=mesh,
        folder=workdir / "surface",
        seed=config.seed,
        extra_losses=extra_losses,
    )


class _PoolOpener:
    """The pool as a model sees it: the same one as long as the caches stay."""

    def __init__(self, pool: Pool, scene: Scene, options: PoolOptions):
        self._pool, self._scene, self._options = pool, scene, options

    def __call__(self, model: Model | None) -> Pool:
        if model is not None and model.train_cache is not self._pool.cache:
            # Joint training renders new caches in every round.
            self._pool = open_pool(
                model.train_cache,
                self._scene.train,
                self._options,
                units=self._pool.units,
            )
        return self._pool


def _strategy_of_round(
    config: Any,
    strategy: Strategy | None,
    learning: PolicyLearning | None,
    number: int,
    model: Model | None,
    rows: list[dict[str, Any]],
) -> tuple[str, Strategy] | None:
    if strategy is None:
        return None
    is_ready = learning is None or learning.is_ready(number)
    name, chosen = query_selection.strategy_of_round(
        strategy, has_model=model is not None, rows=rows, policy_is_ready=is_ready
    )
    return name or config.active.strategy, chosen


def _select(
    config: Any,
    scorer: PoolScorer,
    predictor: Predictor,
    learning: PolicyLearning | None,
    number: int,
    strategy: Strategy,
    model: Model | None,
    pool: Pool,
    labels: RoundLabels,
    limit: int | float,
    watch: progress.Stopwatch,
) -> query_selection.Selection:
    options = config.active
    selection = query_selection.select_queries(
        strategy,
        model,
        pool,
        labels,
        key=rng.run_key(config.seed, "acquire", number),
        most=query_selection.most_queries(
            pool,
            limit,
            cost=options.cost,
            answer=options.answer,
            seconds=options.seconds.to_dict(),
        ),
        scorer=scorer,
        predictor=predictor,
        with_snapshot=learning is not None,
        watch=watch,
    )
    if learning is not None and selection.snapshot is not None:
        learning.record(number, selection.snapshot)
    return selection


def _fit(
    fitter: RoundFitter,
    learning: PolicyLearning | None,
    number: int,
    before: Model | None,
    labels: RoundLabels,
    watch: progress.Stopwatch,
) -> Model:
    extra_data = {} if learning is None else learning.data(number, labels)
    return fitter.fit(number, before, labels.all, extra_data, watch)


def _evaluate(
    config: Any,
    scene: Scene,
    truth: GroundTruth,
    predictor: Predictor,
    log: RunLog,
    verdict: GeometryVerdict,
    number: int,
    model: Model,
    pool: Pool,
    labels: RoundLabels,
    temperature: float | None,
) -> dict[str, Any]:
    row, counts = round_metrics.test_metrics(predictor, model, scene, truth)
    if counts is not None:
        log.write_confusions(number, counts)
    estimate = None
    if verdict.trust is not None:
        estimate = verdict.trust * round_metrics.estimated_miou(
            predictor, model, pool, labels, temperature
        )
    return row | {
        "miou_estimate": estimate,
        "geometry": verdict.grade,
        "strategy": config.active.strategy,
        "granularity": pool.units.granularity,
    }
