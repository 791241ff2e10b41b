"""Scoring the pool: what a strategy needs to know of it, then a score a candidate.

A round looks at the pool once for what all views of a voxel say, if that is asked, at
some of its rays for how often each class is predicted, and then scores all. All go in
chunks of one size, so memory does not grow with the pool; scores and views are split
over the devices.
"""

import dataclasses
from collections.abc import Iterator, Set
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from alsem import acquisition
from alsem.acquisition import Cues, Strategy
from alsem.active.experiment import Experiment
from alsem.active.geometry_stage import Model
from alsem.active.pool import Labels, Pool
from alsem.active.predict import Predictor
from alsem.core.arrays import Array, Leaf
from alsem.core.mesh import batched, replicated
from alsem.core.numerics import padded
from alsem.core.types import Posterior
from alsem.nerf import volume_rendering
from alsem.policy import features


@flax.struct.dataclass
class RoundCues:
    """The cues of a round, per voxel ``[v+1]`` or per class ``[c]``; None if unasked.

    Attributes:
        geometry: Voxel tables that only geometry decides.
        views: What the views of every voxel believe together.
        class_fractions: ``[c]`` share of the pool that every class is predicted for.
        class_weight: ``[c]`` what a label of every class is worth.
        label_fractions: ``[c]`` share of the labels.
        label_distance: ``[v+1]``, see `acquisition.Cues`.
        label_feature_distance: ``[v+1]``.
    """

    geometry: Any
    views: Any = None
    class_fractions: Leaf | None = None
    class_weight: Leaf | None = None
    label_fractions: Leaf | None = None
    label_distance: Leaf | None = None
    label_feature_distance: Leaf | None = None


@dataclasses.dataclass(frozen=True)
class Scores:
    """What a pass over the pool has found.

    Attributes:
        values: float32 ``[n]`` score of every ray; ``[n parts]`` for a mixture.
        predicted: uint16 ``[n]`` predicted label of every ray; None if unasked.
    """

    values: np.ndarray
    predicted: np.ndarray | None = None


class PoolScorer:
    """Scores pools; compiled functions live as long as it does."""

    def __init__(self, experiment: Experiment, beliefs: Predictor):
        """Compiles nothing yet."""
        self._experiment = experiment
        self._mesh = experiment.mesh
        self._beliefs = beliefs
        self._scorers: dict[Any, Any] = {}
        self._view_beliefs = jax.jit(self._own_view)
        self._policy_cues = jax.jit(self._vectors)

    def look(
        self, needs: Set[str], model: Model | None, pool: Pool, labels: Labels
    ) -> RoundCues:
        """Makes the cues that `Strategy.needs` names, beside those of geometry."""
        cues = RoundCues(geometry=pool.cues)
        if model is not None and "views" in needs:
            exact = self._experiment.active.exact_views
            look = self._every_pair if exact else self._through_voxels
            cues = cues.replace(views=look(model, pool))  # pyright: ignore[reportAttributeAccessIssue]
        if model is not None and "classes" in needs:
            confusion = self._beliefs.expected_confusion(
                model, pool.candidates.is_valid, stride=pool.stride
            )
            predicted = confusion.sum(axis=0)
            cues = cues.replace(  # pyright: ignore[reportAttributeAccessIssue]
                class_fractions=_fractions(predicted),
                class_weight=acquisition.class_weight(
                    predicted, int(labels.answers.sum())
                ),
            )
        if "labels" in needs:
            near, alike = acquisition.label_distances(pool.candidates, labels.pixel)
            cues = cues.replace(  # pyright: ignore[reportAttributeAccessIssue]
                label_fractions=_fractions(labels.count),
                label_distance=near,
                label_feature_distance=alike,
            )
        return jax.device_put(cues, replicated(self._mesh))

    def score(
        self,
        strategy: Strategy,
        key: jax.Array,
        model: Model | None,
        pool: Pool,
        seen: RoundCues,
        *,
        predict: bool = False,
    ) -> Scores:
        """Scores every ray, and predicts its label if that is wanted too."""
        predict = predict and model is not None
        scorer = self._scorer(strategy, predict=predict)
        everywhere = replicated(self._mesh)
        params, key = jax.device_put((self._params(model), key), everywhere)
        num_rays = pool.cache.num_rays
        values: np.ndarray | None = None
        predicted = np.zeros(num_rays, np.uint16) if predict else None
        for ids, chunk in self._chunks(pool):
            held = (ids, chunk, seen)
            found = scorer(params, key, ids, held, held)
            rays = np.asarray(ids)
            real = rays < num_rays
            if predicted is not None:
                found, label = found
                predicted[rays[real]] = np.asarray(label)[real]
            if values is None:
                values = np.empty((num_rays, *found.shape[1:]), np.float32)
            values[rays[real]] = np.asarray(found)[real]
        assert values is not None
        return Scores(values, predicted)

    def _scorer(self, strategy: Strategy, *, predict: bool) -> Any:
        which = strategy.score, predict
        if which not in self._scorers:
            self._scorers[which] = acquisition.make_scorer(
                strategy.score,
                self._posterior,
                lambda held: self._cues(*held),
                predict=predict,
            )
        return self._scorers[which]

    def policy_cues(
        self, model: Model, pool: Pool, seen: RoundCues, pixel: np.ndarray
    ) -> np.ndarray:
        """The policy's cue vectors of chosen rays, float32 ``[q d]``."""
        ids = padded(pixel.astype(np.int32))
        rows = self._rows(pool, ids, pool.cache.take(ids))
        vectors = self._policy_cues(self._params(model), (ids, rows, seen))
        return np.asarray(vectors)[: len(pixel)]

    def _params(self, model: Model | None) -> dict[str, Any]:
        # Without a model only scores that look at no belief are asked for.
        if model is None:
            return {"heads": self._beliefs.no_heads(), "policy": None}
        return {"heads": model.heads, "policy": model.policy}

    def _cues(self, ids: Array, rows: Any, tables: RoundCues) -> Cues:
        """Cues of the rays of a chunk; what a score does not use is never gathered."""
        voxel = rows["voxel"]

        def of_voxel(table: Any) -> Any:
            return None if table is None else table[voxel]

        def of_all(row: Any) -> Any:
            return None if row is None else jnp.broadcast_to(row, (len(ids), len(row)))

        return acquisition.cues_at(
            tables.geometry,
            voxel,
            rows["frame"],
            rows["purity"],
            views=tables.views,
            view_row=ids if self._experiment.active.exact_views else None,
            class_fractions=of_all(tables.class_fractions),
            class_weight=of_all(tables.class_weight),
            label_fractions=of_all(tables.label_fractions),
            label_distance=of_voxel(tables.label_distance),
            label_feature_distance=of_voxel(tables.label_feature_distance),
        )

    def _posterior(self, params: Any, chunk: Any) -> Posterior:
        """Beliefs of the rays of a chunk, and what the policy expects of them."""
        ids, rows, _ = chunk
        posterior = self._beliefs.posterior(params["heads"], ids, rows["compact"])
        policy = self._experiment.policy
        if policy is None or params["policy"] is None:
            return posterior
        surface, weights, _ = self._beliefs.decode(ids, rows["compact"])
        description = volume_rendering.composite(weights, surface.feature)
        cues = self._vectors(params, chunk)
        forecast: Any = policy.term.head.apply(params["policy"], cues, description)
        return posterior.replace(gain=forecast.gain)  # pyright: ignore[reportAttributeAccessIssue]

    def _vectors(self, params: Any, chunk: Any) -> Array:
        """What the policy is told of the rays of a chunk."""
        ids, rows, _ = chunk
        posterior = self._beliefs.posterior(params["heads"], ids, rows["compact"])
        return jax.vmap(features.policy_cues)(posterior, self._cues(*chunk))

    def _own_view(self, heads: Any, ids: Array, rows: Any) -> Array:
        posterior = self._beliefs.posterior(heads, ids, rows["compact"])
        return acquisition.own_view_belief(posterior, rows["frame"])

    def _through_voxels(self, model: Model, pool: Pool) -> Any:
        """What views believe together, one frame per device at a time."""
        mesh = self._mesh
        num_classes = len(self._experiment.scene.class_names)
        sums = acquisition.init_sums(pool.candidates.num_voxels, num_classes, mesh=mesh)
        for ids, rows in self._frames(pool):
            probs = self._view_beliefs(model.heads, ids, rows)
            sums = acquisition.accumulate(sums, probs, rows["voxel"], mesh=mesh)
        return acquisition.finish(sums, mesh=mesh)

    def _every_pair(self, model: Model, pool: Pool) -> Any:
        """The same by comparing every view with every other."""
        probs = [
            np.asarray(self._view_beliefs(model.heads, ids, rows))
            for ids, rows in self._frames(pool)
        ]
        whole = np.concatenate(probs)[: pool.cache.num_rays]
        return acquisition.exact_views(pool.candidates, pool.cameras, whole).beliefs

    def _chunks(self, pool: Pool) -> Iterator[tuple[Array, dict[str, Any]]]:
        """All rays and what is kept of them, split over the devices.

        The last chunks are padded: numbers from ``num_rays`` on, in no voxel.
        """
        size = min(self._experiment.surface.score_chunk, pool.cache.num_rays)
        size += -size % self._mesh.size
        split = batched(self._mesh)
        for ids, compact in pool.cache.chunks(size):
            yield jax.device_put((ids, self._rows(pool, ids, compact)), split)

    def _frames(self, pool: Pool) -> Iterator[tuple[Array, dict[str, Any]]]:
        """The same frame by frame, one for each device, all rays in order."""
        cache, split = pool.cache, batched(self._mesh)
        size = cache.rays_per_frame * self._mesh.size
        for start in range(0, cache.num_rays, size):
            ids = np.arange(start, start + size, dtype=np.int32)
            whole = start + size <= cache.num_rays
            inside = np.minimum(ids, cache.num_rays - 1)
            compact = cache.take(slice(start, start + size) if whole else inside)
            yield jax.device_put((ids, self._rows(pool, ids, compact)), split)

    @staticmethod
    def _rows(pool: Pool, ids: np.ndarray, compact: Any) -> dict[str, Any]:
        found, there = pool.candidates, np.minimum(ids, pool.cache.num_rays - 1)
        voxel = np.where(ids < pool.cache.num_rays, found.voxel[there], -1)
        return {
            "compact": compact,
            "voxel": voxel.astype(np.int32),
            "frame": found.frame[there],
            "purity": found.purity[there],
        }


def _fractions(count: np.ndarray) -> np.ndarray:
    return (count / max(int(count.sum()), 1)).astype(np.float32)
