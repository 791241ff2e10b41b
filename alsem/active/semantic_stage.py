"""Fitting one round's model: from the annotations so far to semantic beliefs.

Staged rounds fit heads on the surface cache; joint rounds train everything and look
at the scene anew. Both return a `Model`, and both go on where a kill left them.
"""

import math
import shutil
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from alsem import training
from alsem.active import geometry_stage, labelled_rays
from alsem.active.experiment import Experiment
from alsem.active.geometry_stage import FittedScene, Model
from alsem.active.labelled_rays import LabelledRays
from alsem.core import progress, rng, signals
from alsem.core.mesh import replicated
from alsem.core.numerics import padded
from alsem.policy import loss, weight_files
from alsem.policy.targets import PolicyTargets
from alsem.surface import decoder
from alsem.training.checkpoint import Checkpoints
from alsem.training.optimizer import Fit

MAX_STEPS = 10**7  # unfinished fits are saved as round * MAX_STEPS + step


class RoundFitter:
    """Fits rounds of one run; compiled functions live as long as it does."""

    def __init__(self, experiment: Experiment, scene: FittedScene):
        """Compiles nothing yet; keeps what the rounds share."""
        self._experiment = experiment
        self._scene = scene
        self._head = experiment.heads[-1]
        joint = experiment.joint
        self._fit: Fit = experiment.semantics if joint is None else joint.fit
        self._tx = self._fit.optimiser.build(self._fit.steps)  # for its state's shape
        self._runners: dict[int, training.Step] = {}
        self._steps = self._fit.steps  # of the last fit
        folder = experiment.workdir / "checkpoints"
        self._rounds = Checkpoints(folder / "rounds", keep=2)
        self._unfinished = Checkpoints(folder / "unfinished", keep=1)
        self._born = jax.jit(self._init_heads)
        self._forecast = jax.jit(self._expect)
        self._decode = decoder(scene.pool)  # cameras only: the same for every pool
        if joint is not None:
            self._pixels = labelled_rays.pixel_data(experiment.scene)
            self._encode = geometry_stage.make_encoder(experiment)

    @property
    def rays_per_fit(self) -> int:
        """Rays that the last round's fit has drawn."""
        joint = self._experiment.joint
        extra = 0 if joint is None else joint.label_rays
        return self._steps * (self._fit.batch_rays + extra)

    def expected_gain(self, cues: np.ndarray) -> np.ndarray | None:
        """What the policy's start expects of candidates ``[m d]``; None without one."""
        policy = self._experiment.policy
        if policy is None or policy.start is None or not len(cues):
            return None
        forecast = self._forecast(self._init_policy(0), padded(cues))
        return np.asarray(forecast.gain)[: len(cues)]

    def restore(self, round_index: int, watch: progress.Stopwatch) -> Model:
        """The model a finished round ended with."""
        state = self._rounds.restore(round_index, self._fresh(round_index))
        # As a state that was just fitted: on every device.
        state = jax.device_put(state, replicated(self._experiment.mesh))
        return self._look(state, round_index, watch)

    def fit(
        self,
        round_index: int,
        before: Model | None,
        labelled: LabelledRays,
        policy_targets: PolicyTargets,
        watch: progress.Stopwatch,
    ) -> Model:
        """Fits a round's model to the labels, its policy to outcomes, and saves it."""
        seen = len(labelled.label) if labelled.seen is None else labelled.seen
        self._steps = self._steps_for(seen)
        if self._rounds.latest() == round_index:
            return self.restore(round_index, watch)
        with watch.measure("fit_semantics"):
            state = self._start(round_index, before)
            state = self._train(round_index, state, labelled, policy_targets)
            jax.block_until_ready(state.params)
        model = self._look(state, round_index, watch)
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
        """Steps of a fit: as many times more as the root of the labels tells.

        Many labels hold detail that a short fit does not reach; few are learnt by heart
        in a long one, and so are the errors of units that were answered as a whole.
        """
        enough = self._experiment.labels_per_fit
        if self._experiment.joint is not None or not enough:
            return self._fit.steps
        steps = self._fit.steps
        while steps < self._fit.steps * math.sqrt(num_labels / enough):
            steps *= 2  # few numbers of steps, for each is compiled by itself
        return steps

    def _runner(self, steps: int) -> training.Step:
        """Compiled calls of a fit of so many steps."""
        if steps not in self._runners:
            is_joint = self._experiment.joint is not None
            self._runners[steps] = training.make_runner(
                self._make_step(self._fit.optimiser.build(steps)),
                steps_per_call=self._fit.steps_per_call,
                mesh=self._experiment.mesh,
                refresh=geometry_stage.refresher(self._experiment)
                if is_joint
                else None,
            )
        return self._runners[steps]

    def _make_step(self, tx: optax.GradientTransformation) -> training.Step:
        experiment = self._experiment
        policy = None if experiment.policy is None else experiment.policy.term
        if experiment.joint is None:
            camera = experiment.scene.intrinsics
            return training.make_semantic_step(
                self._head,
                tx,
                decode=self._decode,
                batch_rays=self._fit.batch_rays,
                rays_per_frame=camera.width * camera.height,
                mesh=experiment.mesh,
                policy=policy,
            )
        return training.make_joint_step(
            experiment.nerf,
            experiment.heads,
            tx,
            weight=experiment.geometry_loss,
            semantic_weight=experiment.joint.semantic_weight,
            semantic_gradient=experiment.joint.semantic_gradient,
            batch_rays=self._fit.batch_rays,
            label_rays=experiment.joint.label_rays,
            intrinsics=experiment.scene.intrinsics,
            pixel_offset=experiment.scene.pixel_offset,
            mesh=experiment.mesh,
            policy=policy,
        )

    def _initial_heads(self, round_index: int) -> list[Any]:
        """Parameters of heads as they are born, one entry a level."""
        key = rng.run_key(self._experiment.seed, "heads", round_index)
        return self._born(key)

    def _init_heads(self, key: jax.Array) -> list[Any]:
        one_ray = jax.tree.map(jnp.asarray, self._scene.pool.take(slice(0, 1)))
        surface, _, _ = self._decode(jnp.zeros(1, jnp.int32), one_ray)
        return [
            head.init(rng.stream(key, "level", level), surface)
            for level, head in enumerate(self._experiment.heads)
        ]

    def _expect(self, params: Any, cues: jax.Array) -> Any:
        """Forecasts of a policy that has seen nothing of this scene."""
        assert self._experiment.policy is not None
        description = jnp.zeros((len(cues), self._description))
        return self._experiment.policy.term.head.apply(params, cues, description)

    @property
    def _description(self) -> int:
        """Length of the field's description of a point."""
        return self._scene.pool.arrays["feature"].shape[-1]

    def _init_policy(self, round_index: int) -> Any:
        policy = self._experiment.policy
        assert policy is not None
        key = rng.run_key(self._experiment.seed, "policy", round_index)
        start = policy.start or {}
        return weight_files.fresh(policy.term.head, key, self._description, start)

    def _fresh(self, round_index: int) -> training.TrainState:
        """Heads as they are born; in joint training with the field as fitted."""
        heads = self._initial_heads(round_index)
        params: dict[str, Any] = {}
        if self._experiment.policy is not None:
            params["policy"] = self._init_policy(round_index)
        if self._experiment.joint is None:
            return training.init_state(params | {"heads": heads[-1]}, self._tx)
        params |= {"field": self._scene.params, "heads": heads}
        # Copies: the runner donates what it is given.
        params = jax.tree.map(jnp.array, params)
        grid = jax.tree.map(jnp.array, self._scene.grid)
        return training.init_state(params, self._tx, grid=grid)

    def _start(self, round_index: int, before: Model | None) -> training.TrainState:
        state = self._fresh(round_index)
        unfinished = self._unfinished.latest()
        if unfinished is not None and unfinished // MAX_STEPS == round_index:
            return self._unfinished.restore(unfinished, state)
        if before is None or self._experiment.active.start == "cold":
            return state
        # Warm: the weights go on; the optimiser and its schedule begin anew.
        params = jax.tree.map(jnp.array, before.state.params)
        grid = jax.tree.map(jnp.array, before.state.grid)
        return training.init_state(params, self._tx, grid=grid)

    def _train(
        self,
        round_index: int,
        state: training.TrainState,
        labelled: LabelledRays,
        policy_targets: PolicyTargets,
    ) -> training.TrainState:
        if not len(labelled.label):
            return state  # every answer was void: nothing to learn from yet
        key = rng.run_key(self._experiment.seed, "fit", round_index)
        data = (*self._labels(labelled), self._policy_targets(policy_targets))
        with progress.progress(self._steps, f"round {round_index} fit") as bar:
            bar.update(int(state.step))

            def after_call(state: training.TrainState, parts: dict) -> None:
                del parts
                bar.update(self._fit.steps_per_call)
                number = round_index * MAX_STEPS + int(state.step)
                if signals.requested():
                    if number != self._unfinished.latest():
                        self._unfinished.save(number, state, {"round": round_index})
                    self.close()
                    signals.check()
                self._unfinished.save_if_due(number, state, {"round": round_index})

            return training.fit(
                self._runner(self._steps),
                state,
                data,
                key,
                num_steps=self._steps,
                steps_per_call=self._fit.steps_per_call,
                after_call=after_call,
            )

    def _labels(self, labelled: LabelledRays) -> tuple:
        """The step's data up to the labels."""
        if self._experiment.joint is None:
            return (labelled_rays.surface_labels(labelled, self._scene.pool),)
        return self._pixels, labelled_rays.pixel_labels(labelled)

    def _policy_targets(
        self, policy_targets: PolicyTargets
    ) -> loss.Observations | None:
        if self._experiment.policy is None:
            return None
        is_staged = self._experiment.joint is None
        return labelled_rays.observed(
            policy_targets, self._scene.pool if is_staged else None
        )

    def _look(
        self, state: training.TrainState, round_index: int, watch: progress.Stopwatch
    ) -> Model:
        """The model with the caches it looks through; joint ones are made anew."""
        policy = state.params.get("policy")
        if self._experiment.joint is None:
            heads = state.params["heads"]
            return Model(state, heads, policy, self._scene.pool, self._scene.test)
        experiment = self._experiment
        root = experiment.workdir / "surface"
        folder = root / f"round_{round_index}"
        with watch.measure("cache"):
            key = rng.run_key(experiment.seed, "grid", round_index)
            seen = state.replace(params=state.params["field"])  # pyright: ignore
            seen = geometry_stage.refresh_whole_grid(experiment, seen, key)
            pool, test = geometry_stage.build_surfaces(
                experiment, self._encode, seen, folder
            )
            for old in root.iterdir():
                if old != folder:
                    shutil.rmtree(old)
        return Model(state, state.params["heads"][-1], policy, pool, test)
