"""What a round's model says of the pool and of the test frames, a chunk at a time."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from alsem.active.experiment import Experiment
from alsem.active.geometry_stage import FittedScene, Model
from alsem.core.arrays import Array
from alsem.core.numerics import padded, safe_log
from alsem.core.types import Posterior, SurfacePoints
from alsem.evaluation import test_metrics
from alsem.surface import SurfaceCache, decoder
from alsem.surface.posterior import make_posterior


class Predictor:
    """Compiled looks at models; made once a run."""

    def __init__(self, experiment: Experiment, scene: FittedScene):
        """Compiles nothing yet."""
        head = experiment.heads[-1]
        feature = scene.pool.arrays["feature"]
        self._description = jnp.zeros((1, 1, feature.shape[-1]))
        self._chunk = experiment.surface.score_chunk
        self._head = head
        # Decoders hold cameras only: the same for the caches of every round.
        self.decode = decoder(scene.pool)
        self.posterior = make_posterior(head, self.decode)
        self._of = jax.jit(self.posterior)
        self._expect = jax.jit(self._expected)
        self._predict_test = test_metrics.make_predictor(
            make_posterior(head, decoder(scene.test))
        )

    def no_heads(self) -> Any:
        """Parameters for scores that look at no belief: zeros."""
        zeros = jnp.zeros((1, 1, 3))
        points = SurfacePoints(zeros, zeros, zeros, self._description)
        shapes = jax.eval_shape(self._head.init, jax.random.key(0), points)
        return jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)

    def of(self, model: Model, pixel: np.ndarray) -> Posterior:
        """The posterior of chosen pool pixels, NumPy leaves ``[m ...]``."""
        rays = padded(pixel.astype(np.int32))
        found = self._of(model.heads, jnp.asarray(rays), model.pool.take(rays))
        return jax.tree.map(lambda leaf: np.asarray(leaf)[: len(pixel)], found)

    def labels(self, model: Model, pixel: np.ndarray) -> np.ndarray:
        """Predicted labels int64 of chosen pool pixels."""
        return np.mean(self.of(model, pixel).probs, axis=1).argmax(axis=-1)

    def expected_confusion(
        self,
        model: Model,
        counts: np.ndarray,
        *,
        stride: int = 1,
        temperature: float = 1.0,
    ) -> np.ndarray:
        """Confusion ``[c c]`` (row = true, column = predicted) as beliefs expect it.

        A column's sum is how many rays are predicted as its class.

        Args:
            model: Who believes.
            counts: bool ``[n]``, which rays of the pool count.
            stride: Every so many rays are looked at.
            temperature: Beliefs are softened by it.
        """
        pool = model.pool
        total = np.zeros((self._head.head.num_classes,) * 2)
        size = min(self._chunk, -(-pool.num_rays // stride))
        for ids, compact in pool.chunks(size, stride=stride):
            real = ids < pool.num_rays
            real[real] = counts[ids[real]]
            found = self._expect(model.heads, ids, compact, real, temperature)
            total += np.asarray(found, np.float64)
        return total

    def _expected(
        self, heads: Any, ids: Array, compact: Any, counts: Array, temperature: Any
    ) -> Array:
        probs = jnp.mean(self.posterior(heads, ids, compact).probs, axis=-2)
        predicted = jnp.argmax(probs, axis=-1)
        believed = jax.nn.softmax(safe_log(probs) / temperature, axis=-1)
        column = jax.nn.one_hot(predicted, probs.shape[-1]) * counts[:, None]
        return believed.T @ column

    def test(self, model: Model) -> test_metrics.Prediction:
        """Predictions of every ray of the test frames."""
        return self._all(self._predict_test, model.heads, model.test)

    def _all(
        self, predict: Callable[..., Any], heads: Any, cache: SurfaceCache
    ) -> test_metrics.Prediction:
        chunks = cache.chunks(min(self._chunk, cache.num_rays))
        return test_metrics.predict(predict, heads, chunks, cache.num_rays)
