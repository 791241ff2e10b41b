"""What a round's model says of the pool and of the test frames, a chunk at a time."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from alsem import evaluate
from alsem.experiment import Experiment
from alsem.fitted import FittedScene, Model
from alsem.numerics import padded
from alsem.posterior import make_posterior
from alsem.surface import SurfaceCache, decoder
from alsem.types import Posterior, SurfacePoints


class Beliefs:
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
        self._predict_pool = evaluate.make_predictor(self.posterior)
        self._predict_test = evaluate.make_predictor(
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
        rays = padded(pixel.astype(np.int32))
        compact = model.pool.take(rays)
        label, _, _ = self._predict_pool(model.heads, jnp.asarray(rays), compact)
        return np.asarray(label)[: len(pixel)].astype(np.int64)

    def count(self, model: Model, counts: np.ndarray, *, stride: int) -> np.ndarray:
        """How many rays of the pool are predicted as each class, int64 ``[c]``.

        Args:
            model: Who predicts.
            counts: bool ``[n]``, which rays count.
            stride: Every so many rays are looked at.
        """
        total = np.zeros(self._head.head.num_classes, np.int64)
        size = min(self._chunk, -(-model.pool.num_rays // stride))
        for ids, compact in model.pool.chunks(size, stride=stride):
            label, _, _ = self._predict_pool(model.heads, jnp.asarray(ids), compact)
            real = ids < model.pool.num_rays
            real[real] = counts[ids[real]]
            total += np.bincount(np.asarray(label)[real], minlength=len(total))
        return total

    def test(self, model: Model) -> evaluate.Prediction:
        """Predictions of every ray of the test frames."""
        return self._all(self._predict_test, model.heads, model.test)

    def _all(
        self, predict: Callable[..., Any], heads: Any, cache: SurfaceCache
    ) -> evaluate.Prediction:
        chunks = cache.chunks(min(self._chunk, cache.num_rays))
        return evaluate.predict(predict, heads, chunks, cache.num_rays)
