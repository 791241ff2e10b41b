"""Fitting one round's model: from the annotations so far to semantic beliefs.

Staged rounds fit heads on the surface cache; joint rounds train everything and look
at the scene anew. Both return a `Model`, and both go on where a kill left them.
"""

import dataclasses
import shutil
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from alsem import acquisition, evaluate, fitted, interrupt, logs, rng, train
from alsem.checkpoint import Checkpoints
from alsem.experiment import Experiment, Fit
from alsem.fitted import FittedScene
from alsem.posterior import make_posterior
from alsem.surface import SurfaceCache, decoder

MAX_STEPS = 10**7  # checkpoints are numbered round * MAX_STEPS + step


@dataclasses.dataclass(frozen=True)
class Model:
    """What a round has learnt, and the caches it looks through.

    Attributes:
        state: The train state; kept for warm starts and checkpoints.
        heads: Parameters of the semantic members of the finest level.
        pool: Surface cache of the training frames.
        test: Surface cache of the test frames.
    """

    state: train.TrainState
    heads: Any
    pool: SurfaceCache
    test: SurfaceCache


@dataclasses.dataclass(frozen=True)
class LabelledRays:
    """Labelled pool pixels: flat pixel numbers and labels, both int32 ``[n]``."""

    pixel: np.ndarray
    label: np.ndarray


class RoundFitter:
    """Fits rounds of one run; compiled functions live as long as it does."""

    def __init__(self, experiment: Experiment, scene: FittedScene):
        """Compiles nothing yet; keeps what the rounds share."""
        self._experiment = experiment
        self._scene = scene
        self._head = experiment.heads[-1]
        joint = experiment.joint
        self._fit: Fit = experiment.semantics if joint is None else joint.fit
        self._tx = self._fit.optimiser.build(self._fit.steps)
        folder = experiment.workdir / "checkpoints"
        self._rounds = Checkpoints(folder / "rounds", keep=2)
        self._unfinished = Checkpoints(folder / "unfinished", keep=1)
        self._decode = decoder(scene.pool)  # cameras only: the same for every pool
        self._posterior = make_posterior(self._head, self._decode)
        test_posterior = make_posterior(self._head, decoder(scene.test))
        self._predict_pool = evaluate.make_predictor(self._posterior)
        self._predict_test = evaluate.make_predictor(test_posterior)
        self._scorers: dict[Any, Any] = {}
        if joint is not None:
            self._pixels = fitted.pixel_data(experiment.scene)
            self._encode = fitted.make_encoder(experiment)
        self._run = train.make_runner(
            self._make_step(),
            steps_per_call=self._fit.steps_per_call,
            mesh=experiment.mesh,
            refresh=None if joint is None else fitted.refresher(experiment),
        )

    @property
    def rays_per_fit(self) -> int:
        """Rays that one round's fit draws."""
        joint = self._experiment.joint
        extra = 0 if joint is None else joint.label_rays
        return self._fit.steps * (self._fit.batch_rays + extra)

    def score(
        self,
        score: acquisition.ScoreFn,
        key: jax.Array,
        model: Model | None,
        cues: acquisition.Cues,
    ) -> np.ndarray:
        """Scores of the whole pool, float32, a chunk at a time."""
        if score not in self._scorers:
            self._scorers[score] = acquisition.make_scorer(
                score, lambda params, chunk: self._posterior(params, *chunk)
            )
        # Without a model only scores that look at no belief are asked for.
        heads = self._fresh_heads(0)[-1] if model is None else model.heads
        pool = self._scene.pool if model is None else model.pool
        last = pool.num_rays - 1
        scores = np.empty(pool.num_rays, np.float32)
        for ids, compact in pool.chunks(self._chunk(pool)):
            ids = ids.astype(np.int32)
            local = jax.tree.map(lambda leaf: leaf[np.minimum(ids, last)], cues)  # noqa: B023
            ids_there = jnp.asarray(ids)
            values = self._scorers[score](
                heads, key, ids_there, (ids_there, compact), local
            )
            real = ids <= last
            scores[ids[real]] = np.asarray(values)[real]
        return scores

    def predict_pool(self, model: Model, pixel: np.ndarray) -> np.ndarray:
        """Predicted labels int64 of some pool pixels."""
        size = 1 << max(len(pixel) - 1, 255).bit_length()
        padded = np.pad(pixel, (0, size - len(pixel)), mode="edge").astype(np.int32)
        compact = model.pool.take(padded)
        label, _, _ = self._predict_pool(model.heads, jnp.asarray(padded), compact)
        return np.asarray(label)[: len(pixel)].astype(np.int64)

    def predict_test(self, model: Model) -> evaluate.Prediction:
        """Predictions of every ray of the test frames."""
        chunks = model.test.chunks(self._chunk(model.test))
        return evaluate.predict(
            self._predict_test, model.heads, chunks, model.test.num_rays
        )

    def _chunk(self, cache: SurfaceCache) -> int:
        return min(self._experiment.surface.score_chunk, cache.num_rays)

    def restore(self, round_index: int, watch: logs.Stopwatch) -> Model:
        """The model a finished round ended with."""
        number = round_index * MAX_STEPS + self._fit.steps
        state = self._rounds.restore(number, self._fresh(round_index))
        return self._look(state, round_index, watch)

    def fit(
        self,
        round_index: int,
        before: Model | None,
        labelled: LabelledRays,
        watch: logs.Stopwatch,
    ) -> Model:
        """Fits a round's model to the labels and saves it."""
        number = round_index * MAX_STEPS + self._fit.steps
        if self._rounds.latest() == number:
            return self.restore(round_index, watch)
        with watch.measure("fit_semantics"):
            state = self._start(round_index, before)
            state = self._train(round_index, state, labelled)
            jax.block_until_ready(state.params)
        model = self._look(state, round_index, watch)
        self._rounds.save(number, model.state, {"round": round_index})
        return model

    def settle(self) -> None:
        """Waits until the models of all rounds so far are safe from a kill."""
        self._rounds.wait()

    def close(self) -> None:
        """Waits for checkpoints in flight."""
        self._rounds.close()
        self._unfinished.close()

    def _make_step(self) -> train.Step:
        experiment = self._experiment
        if experiment.joint is None:
            return train.make_semantic_step(
                self._head,
                self._tx,
                decode=self._decode,
                batch_rays=self._fit.batch_rays,
                mesh=experiment.mesh,
            )
        return train.make_joint_step(
            experiment.nerf,
            experiment.heads,
            self._tx,
            weight=experiment.geometry_loss,
            semantic_weight=experiment.joint.semantic_weight,
            semantic_gradient=experiment.joint.semantic_gradient,
            batch_rays=self._fit.batch_rays,
            label_rays=experiment.joint.label_rays,
            intrinsics=experiment.scene.intrinsics,
            pixel_offset=experiment.scene.pixel_offset,
            mesh=experiment.mesh,
        )

    def _fresh_heads(self, round_index: int) -> list[Any]:
        """Parameters of heads as they are born, one entry a level."""
        key = rng.run_key(self._experiment.seed, "heads", round_index)
        one_ray = jax.tree.map(jnp.asarray, self._scene.pool.take(slice(0, 1)))
        surface, _, _ = self._decode(jnp.zeros(1, jnp.int32), one_ray)
        return [
            head.init(rng.stream(key, "level", level), surface)
            for level, head in enumerate(self._experiment.heads)
        ]

    def _fresh(self, round_index: int) -> train.TrainState:
        """Heads as they are born; in joint training with the field as fitted."""
        heads = self._fresh_heads(round_index)
        if self._experiment.joint is None:
            return train.fresh_state(heads[-1], self._tx)
        # Copies: the runner donates what it is given.
        params = {"field": self._scene.params, "heads": heads}
        params = jax.tree.map(jnp.array, params)
        grid = jax.tree.map(jnp.array, self._scene.grid)
        return train.fresh_state(params, self._tx, grid=grid)

    def _start(self, round_index: int, before: Model | None) -> train.TrainState:
        state = self._fresh(round_index)
        unfinished = self._unfinished.latest()
        if unfinished is not None and unfinished // MAX_STEPS == round_index:
            return self._unfinished.restore(unfinished, state)
        if before is None or self._experiment.active.start == "cold":
            return state
        # Warm: the weights go on; the optimiser and its schedule begin anew.
        params = jax.tree.map(jnp.array, before.state.params)
        grid = jax.tree.map(jnp.array, before.state.grid)
        return train.fresh_state(params, self._tx, grid=grid)

    def _train(
        self, round_index: int, state: train.TrainState, labelled: LabelledRays
    ) -> train.TrainState:
        if not len(labelled.label):
            return state  # every answer was void: nothing to learn from yet
        key = rng.run_key(self._experiment.seed, "fit", round_index)
        with logs.progress(self._fit.steps, f"round {round_index} fit") as bar:
            bar.update(int(state.step))

            def after_call(state: train.TrainState, parts: dict) -> None:
                del parts
                bar.update(self._fit.steps_per_call)
                number = round_index * MAX_STEPS + int(state.step)
                if interrupt.requested():
                    if number != self._unfinished.latest():
                        self._unfinished.save(number, state, {"round": round_index})
                    self.close()
                    interrupt.check()
                self._unfinished.save_if_due(number, state, {"round": round_index})

            return train.fit(
                self._run,
                state,
                self._device_labels(labelled),
                key,
                num_steps=self._fit.steps,
                steps_per_call=self._fit.steps_per_call,
                after_call=after_call,
            )

    def _device_labels(self, labelled: LabelledRays) -> Any:
        """Labels padded to a power of two, so that few sizes are ever compiled."""
        count = len(labelled.label)
        padding = (0, (1 << max(count - 1, 255).bit_length()) - count)
        pixel = np.pad(labelled.pixel, padding)
        label = np.pad(labelled.label, padding, constant_values=-1)
        if self._experiment.joint is None:
            return train.LabelledSurface(
                pixel=jnp.asarray(pixel),
                compact=jax.tree.map(jnp.asarray, self._scene.pool.take(pixel)),
                label=jnp.asarray(label),
                count=jnp.int32(count),
            )
        labels = train.LabelledPixels(
            pixel=jnp.asarray(pixel), label=jnp.asarray(label), count=jnp.int32(count)
        )
        return self._pixels, labels

    def _look(
        self, state: train.TrainState, round_index: int, watch: logs.Stopwatch
    ) -> Model:
        """The model with the caches it looks through; joint ones are made anew."""
        if self._experiment.joint is None:
            return Model(state, state.params, self._scene.pool, self._scene.test)
        experiment = self._experiment
        root = experiment.workdir / "surface"
        folder = root / f"round_{round_index}"
        with watch.measure("cache"):
            key = rng.run_key(experiment.seed, "grid", round_index)
            seen = state.replace(params=state.params["field"])  # pyright: ignore
            seen = fitted.refresh_whole_grid(experiment, seen, key)
            pool, test = fitted.build_surfaces(experiment, self._encode, seen, folder)
            for old in root.iterdir():
                if old != folder:
                    shutil.rmtree(old)
        return Model(state, state.params["heads"][-1], pool, test)
