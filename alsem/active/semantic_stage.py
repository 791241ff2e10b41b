"""The semantic stage: fits a round's model to the annotations so far.

Rounds are fitted by a trainer, staged (`StagedTrainer`: heads on the surface cache) or
joint (`active.joint_trainer`: everything in every round). A fit goes on where a kill
left it, and its model is on disk before the round counts as finished.
"""

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import optax

from alsem import training
from alsem.active.geometry_stage import SceneGeometry
from alsem.active.labelled_rays import LabelledRays, surface_labels
from alsem.active.model import Model
from alsem.core import progress, rng
from alsem.core.mesh import put
from alsem.nerf import SemanticMembers
from alsem.surface import SurfaceCache, decode
from alsem.training.checkpoint import Checkpoints, PeriodicSaver
from alsem.training.optimiser import Fit

MAX_STEPS = 10**7  # unfinished fits are saved as round * MAX_STEPS + step


@dataclasses.dataclass(frozen=True)
class SemanticOptions:
    """Fits of the semantic heads.

    Attributes:
        fit: Their length and optimiser.
        labels: Labels that this length is enough for; more lengthen a fit by the root
            of their number. 0 keeps its length.
        start: ``cold`` (new heads every round) or ``warm``.
    """

    fit: Fit
    labels: int = 0
    start: str = "cold"


@runtime_checkable
class Trainer(Protocol):
    """How one round is fitted: `StagedTrainer` or `JointTrainer`."""

    label_rays: int
    """Labelled rays of a step beside those of `SemanticOptions.fit`."""

    def init(self, key: jax.Array) -> tuple[dict[str, Any], Any]:
        """New parameters and the proposal grid, if there is one."""
        ...

    def step(self, tx: optax.GradientTransformation) -> training.Step:
        """The training step."""
        ...

    def refresh(self) -> Any:
        """What runs after every call; None for nothing."""
        ...

    def data(self, labelled: LabelledRays) -> tuple:
        """The step's data, without that of the extra losses."""
        ...

    def surfaces(
        self, state: training.TrainState, round_index: int
    ) -> tuple[Any, SurfaceCache, SurfaceCache]:
        """Parameters of the finest heads, and the caches they predict on."""
        ...


class StagedTrainer:
    """Trains the heads alone, on the surface cache of the fitted geometry."""

    label_rays = 0

    def __init__(
        self,
        heads: SemanticMembers,
        geometry: SceneGeometry,
        *,
        batch_rays: int,
        mesh: jax.sharding.Mesh,
        extra_losses: tuple[training.ExtraLoss, ...] = (),
    ):
        """Compiles nothing yet."""
        self._heads, self._geometry = heads, geometry
        self._batch_rays, self._mesh = batch_rays, mesh
        self._extra_losses = extra_losses
        self._init_heads = head_initializer(heads, geometry.train_cache)

    def init(self, key: jax.Array) -> tuple[dict[str, Any], Any]:
        """New heads; there is no proposal grid."""
        return {"heads": self._init_heads(rng.stream(key, "level", 0))}, None

    def step(self, tx: optax.GradientTransformation) -> training.Step:
        """The semantic step on the surface cache."""
        return training.make_semantic_step(
            self._heads,
            tx,
            decode=decode,
            batch_rays=self._batch_rays,
            mesh=self._mesh,
            extra_losses=self._extra_losses,
        )

    def refresh(self) -> None:
        """Nothing: geometry stays as it is."""

    def data(self, labelled: LabelledRays) -> tuple:
        """The labels with their rays' surface samples."""
        return (surface_labels(labelled, self._geometry.train_cache),)

    def surfaces(
        self, state: training.TrainState, round_index: int
    ) -> tuple[Any, SurfaceCache, SurfaceCache]:
        """The same caches in every round."""
        del round_index
        return (
            state.params["heads"],
            self._geometry.train_cache,
            self._geometry.test_cache,
        )


def head_initializer(heads: SemanticMembers, cache: SurfaceCache) -> Any:
    """Compiled function of a key to new parameters of heads; make it once."""

    def init(key: jax.Array) -> Any:
        one_ray = jax.tree.map(jnp.asarray, cache.take(slice(0, 1)))
        surface, _, _ = decode(cache.cameras, jnp.zeros(1, jnp.int32), one_ray)
        return heads.init(key, surface)

    return jax.jit(init)


class RoundFitter:
    """Fits the rounds of one run; compiled functions live as long as it does."""

    def __init__(
        self,
        trainer: Trainer,
        options: SemanticOptions,
        *,
        seed: int,
        mesh: jax.sharding.Mesh,
        folder: Path,
        policy_params: Callable[[jax.Array], Any] | None = None,
    ):
        """Compiles nothing yet.

        Args:
            trainer: Staged or joint.
            options: See there.
            seed: The run's.
            mesh: Devices.
            folder: Where checkpoints are kept.
            policy_params: Compiled function of a key to new parameters of the query
                policy; None without one.
        """
        self._trainer, self._options = trainer, options
        self._seed, self._mesh = seed, mesh
        self._policy_params = policy_params
        self._tx = options.fit.optimiser.build()
        self._steps = options.fit.steps  # of the last fit
        self._rounds = Checkpoints(folder / "rounds", keep=2)
        self._unfinished = Checkpoints(folder / "unfinished", keep=1)

    @property
    def rays_per_fit(self) -> int:
        """Rays that the last round's fit has drawn."""
        fit = self._options.fit
        return self._steps * (fit.batch_rays + self._trainer.label_rays)

    def restore(self, round_index: int, watch: progress.Stopwatch) -> Model:
        """The model that a finished round ended with."""
        state = self._rounds.restore(round_index, self._init(round_index))
        # On every device, like a state that was just fitted.
        return self._model(put(state, self._mesh), round_index, watch)

    def fit(
        self,
        round_index: int,
        before: Model | None,
        labelled: LabelledRays,
        extra_data: dict[str, Any],
        watch: progress.Stopwatch,
    ) -> Model:
        """Fits a round's model to the labels and saves it.

        Args:
            round_index: The round.
            before: Model of the round before.
            labelled: All labels so far.
            extra_data: Data of the extra losses, by their names.
            watch: Measures ``fit_semantics`` and, in joint training, ``cache``.
        """
        seen = len(labelled.label) if labelled.seen is None else labelled.seen
        self._steps = self._steps_for(seen)
        if self._rounds.latest() == round_index:
            return self.restore(round_index, watch)
        with watch.measure("fit_semantics"):
            state = self._start(round_index, before)
            if len(labelled.label):  # else every answer was void: nothing to learn from
                data = (*self._trainer.data(labelled), extra_data)
                state = self._train(round_index, state, data)
            jax.block_until_ready(state.params)
        model = self._model(state, round_index, watch)
        self._rounds.save(round_index, model.state, {"round": round_index})
        return model

    def settle(self) -> None:
        """Waits until the models of all rounds so far are safe from a kill."""
        self._rounds.wait()

    def close(self) -> None:
        """Waits for checkpoints in flight."""
        self._rounds.close()
        self._unfinished.close()

    def _steps_for(self, num_labels: int) -> int:
        """Steps of a fit, growing with the root of the number of labels.

        Many labels hold detail that a short fit does not reach; few are overfitted by a
        long one, and so are the errors of units that were answered as a whole.
        """
        steps, enough = self._options.fit.steps, self._options.labels
        while enough and steps < self._options.fit.steps * math.sqrt(
            num_labels / enough
        ):
            steps *= 2
        return steps

    def _runner(self) -> training.Runner:
        """Compiled calls, for fits of any length."""
        return training.make_runner(
            self._trainer.step(self._tx),
            steps_per_call=self._options.fit.steps_per_call,
            mesh=self._mesh,
            refresh=self._trainer.refresh(),
        )

    def _init(self, round_index: int) -> training.TrainState:
        """The state before the round's first step, of a cold start."""
        params, grid = self._trainer.init(rng.run_key(self._seed, "heads", round_index))
        if self._policy_params is not None:
            key = rng.run_key(self._seed, "policy", round_index)
            params["policy"] = self._policy_params(key)
        return training.init_state(params, self._tx, num_steps=self._steps, grid=grid)

    def _start(self, round_index: int, before: Model | None) -> training.TrainState:
        state = self._init(round_index)
        unfinished = self._unfinished.latest()
        if unfinished is not None and unfinished // MAX_STEPS == round_index:
            return self._unfinished.restore(unfinished, state)
        if before is None or self._options.start == "cold":
            return state
        # Warm: the weights go on; the optimiser and its schedule begin anew. Copies:
        # the runner donates its state.
        params, grid = jax.tree.map(jnp.array, (before.state.params, before.state.grid))
        return training.init_state(params, self._tx, num_steps=self._steps, grid=grid)

    def _train(
        self, round_index: int, state: training.TrainState, data: tuple
    ) -> training.TrainState:
        name, done = f"round {round_index} fit", int(state.step)
        with progress.progress(self._steps, name, initial=done) as bar:
            return training.fit(
                self._runner(),
                state,
                data,
                rng.run_key(self._seed, "fit", round_index),
                after_call=lambda step: bar.update(step - bar.n),
                saver=PeriodicSaver(
                    self._unfinished,
                    {"round": round_index},
                    first=round_index * MAX_STEPS,
                ),
            )

    def _model(
        self, state: training.TrainState, round_index: int, watch: progress.Stopwatch
    ) -> Model:
        with watch.measure("cache"):
            heads, train_cache, test_cache = self._trainer.surfaces(state, round_index)
        return Model(state, heads, state.params.get("policy"), train_cache, test_cache)
