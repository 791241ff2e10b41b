"""Class predictions of the pool and of the test frames, in sharded passes over rays."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from alsem.active.model import Model
from alsem.active.semantic_stage import head_initializer
from alsem.active.superpixel_vote import SuperpixelVote
from alsem.core.arrays import Array
from alsem.core.mesh import fetch, map_rays, padded_size, put
from alsem.core.numerics import padded, safe_log
from alsem.core.types import Posterior
from alsem.nerf import SemanticMembers
from alsem.surface import SurfaceCache
from alsem.surface.posterior import make_posterior


@dataclasses.dataclass(frozen=True)
class Prediction:
    """Class predictions of all rays of some frames, flat.

    Attributes:
        label: uint16 ``[n]``.
        confidence: float32 ``[n]``, probability of that label.
        uncertainty: float32 ``[n]``, entropy over its maximum, in [0, 1].
    """

    label: np.ndarray
    confidence: np.ndarray
    uncertainty: np.ndarray


class Predictor:
    """Compiled passes over surface caches; made once a run.

    Attributes:
        heads: The semantic members.
        mesh: The devices.
        chunk: Rays of one call.
        posterior: ``(head parameters, cameras, ids [r], compact) -> Posterior [r]``.
    """

    def __init__(
        self,
        heads: SemanticMembers,
        *,
        cache: SurfaceCache,
        mesh: jax.sharding.Mesh,
        chunk: int,
        vote: SuperpixelVote | None = None,
    ):
        """Compiles nothing yet.

        Args:
            heads: The semantic members.
            cache: Any surface cache with what the heads see.
            mesh: The devices.
            chunk: Rays of one call.
            vote: Of the superpixels of the test frames; None without one.
        """
        self.mesh, self.chunk = mesh, chunk
        self.heads = heads
        self._init_heads = head_initializer(heads, cache)
        self._vote = vote
        self.posterior = make_posterior(heads)
        self._posterior = jax.jit(self.posterior)
        self._expected = jax.jit(self._expected_chunk)
        self._predict = jax.jit(self._predict_chunk)
        self._summarise = jax.jit(_summary)
        self._mean_probs = jax.jit(self._mean_probs_chunk)

    def zero_heads(self) -> Any:
        """Head parameters of zeros, for scores that use no prediction."""
        shapes = jax.eval_shape(self._init_heads, jax.random.key(0))
        return jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)

    def posterior_at(self, model: Model, pixel: np.ndarray) -> Posterior:
        """Posterior of chosen pool pixels, NumPy leaves ``[m ...]``."""
        rays = padded(pixel.astype(np.int32))
        chunk = put((rays, model.train_cache.take(rays)), self.mesh)
        params = put((model.heads, model.train_cache.cameras), self.mesh)
        found = self._posterior(*params, *chunk)
        return jax.tree.map(lambda leaf: leaf[: len(pixel)], fetch(found))

    def labels_at(self, model: Model, pixel: np.ndarray) -> np.ndarray:
        """Predicted labels int32 of chosen pool pixels, in chunks of one size."""
        cache, count = model.train_cache, len(pixel)
        size = padded_size(min(self.chunk, count), self.mesh)

        def chunks() -> Iterator[Any]:
            for start in range(0, count, size):
                inside = np.minimum(np.arange(start, start + size), count - 1)
                ids = pixel[inside].astype(np.int32)
                yield ids, cache.take(ids)

        params = put((model.heads, cache.cameras), self.mesh)
        results = map_rays(self._predict, params, chunks(), self.mesh)
        labels = [label for _, label, *_ in results]
        return np.concatenate(labels)[:count].astype(np.int32)

    def expected_confusion(
        self,
        model: Model,
        counts: np.ndarray,
        *,
        stride: int = 1,
        temperature: float = 1.0,
    ) -> np.ndarray:
        """Confusion ``[c c]`` (row = true, column = predicted) that the model expects.

        The label of a ray is taken to be drawn from its predicted probabilities. A
        column's sum is how many rays are predicted as its class.

        Args:
            model: Whose predictions.
            counts: bool ``[n]``, which rays of the pool count.
            stride: Step between the rays of a subsample.
            temperature: Predicted probabilities are softened by it.
        """
        num_rays = model.train_cache.num_rays

        def chunks() -> Iterator[Any]:
            for ids, compact in self.chunks(model.train_cache, stride=stride):
                real = ids < num_rays
                real[real] = counts[ids[real]]
                yield ids, compact, real

        held = (model.heads, model.train_cache.cameras, np.float32(temperature))
        params = put(held, self.mesh)
        sums = map_rays(self._expected, params, chunks(), self.mesh)
        num_classes = self.heads.head.num_classes
        return sum(
            (found.astype(np.float64) for found in sums),
            start=np.zeros((num_classes, num_classes)),
        )

    def predict_test(self, model: Model) -> Prediction:
        """Predictions of every ray of the test frames, after the superpixels' vote."""
        cache = model.test_cache
        found = Prediction(
            label=np.zeros(cache.num_rays, np.uint16),
            confidence=np.zeros(cache.num_rays, np.float32),
            uncertainty=np.zeros(cache.num_rays, np.float32),
        )
        columns = (found.label, found.confidence, found.uncertainty)
        params = put((model.heads, cache.cameras), self.mesh)
        if self._vote is None:
            chunks = self.chunks(cache)
            results = map_rays(self._predict, params, chunks, self.mesh)
        else:
            results = self._voted(self._vote, params, cache)
        for ids, *parts in results:
            real = ids < cache.num_rays
            for column, part in zip(columns, parts, strict=True):
                column[ids[real]] = part[real]
        return found

    def _voted(
        self, vote: SuperpixelVote, params: Any, cache: SurfaceCache
    ) -> Iterator[tuple[np.ndarray, ...]]:
        """Results as of `_predict_chunk`, frame by frame, after the vote."""
        size, chunks = cache.rays_per_frame, cache.frame_chunks(self.mesh.size)
        for ids, probs in map_rays(self._mean_probs, params, chunks, self.mesh):
            for start in range(0, len(ids), size):
                own = ids[start : start + size]
                if own[0] < cache.num_rays:
                    frame = int(own[0]) // size
                    voted = vote(frame, probs[start : start + size])
                    yield own, *self._summarise(voted)

    def chunks(
        self, cache: SurfaceCache, *, stride: int = 1
    ) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
        """All rays of a cache in chunks of one size that the devices can share."""
        size = min(self.chunk, -(-cache.num_rays // stride))
        return cache.chunks(padded_size(size, self.mesh), stride=stride)

    def _expected_chunk(self, params: Any, chunk: Any) -> Array:
        heads, cameras, temperature = params
        ids, compact, counts = chunk
        probs = jnp.mean(self.posterior(heads, cameras, ids, compact).probs, axis=-2)
        predicted = jnp.argmax(probs, axis=-1)
        softened = jax.nn.softmax(safe_log(probs) / temperature, axis=-1)
        column = jax.nn.one_hot(predicted, probs.shape[-1]) * counts[:, None]
        return softened.T @ column

    def _predict_chunk(self, params: Any, chunk: Any) -> tuple[Array, ...]:
        ids, probs = self._mean_probs_chunk(params, chunk)
        return ids, *_summary(probs)

    def _mean_probs_chunk(self, params: Any, chunk: Any) -> tuple[Array, Array]:
        (heads, cameras), (ids, compact) = params, chunk
        probs = self.posterior(heads, cameras, ids, compact).probs
        return ids, jnp.mean(probs, axis=-2)


def _summary(probs: Any) -> tuple[Array, Array, Array]:
    """Label, its probability, and the normalised entropy of class probabilities."""
    entropy = -jnp.sum(probs * safe_log(probs), axis=-1)
    return (
        jnp.argmax(probs, axis=-1).astype(jnp.uint16),
        jnp.max(probs, axis=-1),
        entropy / np.log(max(2, probs.shape[-1])),
    )
