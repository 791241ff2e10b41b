"""Scoring the pool: what a strategy needs to know of it, then a score a candidate.

A round looks at the pool once for the cues that depend on beliefs (what all views of
a voxel say, which class is predicted where), and once more to score it. Both go in
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

from alsem import acquisition, render, sharding
from alsem.acquisition import Cues, Strategy
from alsem.beliefs import Beliefs
from alsem.experiment import Experiment
from alsem.fitted import Model
from alsem.numerics import padded
from alsem.pool import Labels, Pool
from alsem.types import Posterior
from alsem.typing import Array, Leaf


@flax.struct.dataclass
class RoundCues:
    """The cues of a round, per voxel ``[v+1]`` or per class ``[c]``; None if unasked.

    Attributes:
        geometry: Voxel tables that only geometry decides.
        views: What the views of every voxel believe together.
        class_shares: ``[c]`` share of the pool that every class is predicted for.
        label_shares: ``[c]`` share of the labels.
        label_distance: ``[v+1]``, see `acquisition.Cues`.
        label_feature_distance: ``[v+1]``.
    """

    geometry: Any
    views: Any = None
    class_shares: Leaf | None = None
    label_shares: Leaf | None = None
    label_distance: Leaf | None = None
    label_feature_distance: Leaf | None = None


@dataclasses.dataclass(frozen=True)
class Seen:
    """What a look at the pool has shown.

    Attributes:
        cues: See there.
        predicted: uint16 ``[n]`` predicted label of every ray; None if unasked.
    """

    cues: RoundCues
    predicted: np.ndarray | None = None


class PoolScorer:
    """Scores pools; compiled functions live as long as it does."""

    def __init__(self, experiment: Experiment, beliefs: Beliefs):
        """Compiles nothing yet."""
        self._experiment = experiment
        self._mesh = experiment.mesh
        self._beliefs = beliefs
        self._scorers: dict[Any, Any] = {}
        self._view_beliefs = jax.jit(self._own_view)
        self._policy_cues = jax.jit(self._vectors)

    def look(
        self, needs: Set[str], model: Model | None, pool: Pool, labels: Labels
    ) -> Seen:
        """Makes the cues that `Strategy.needs` names, beside those of geometry."""
        cues, predicted = RoundCues(geometry=pool.cues), None
        if model is not None and "views" in needs:
            exact = self._experiment.active.exact_views
            look = self._every_pair if exact else self._through_voxels
            cues = cues.replace(views=look(model, pool))  # pyright: ignore[reportAttributeAccessIssue]
        if model is not None and "classes" in needs:
            predicted = self._beliefs.pool(model).label
            there = predicted[pool.candidates.is_valid]
            count = np.bincount(there, minlength=len(labels.count))
            cues = cues.replace(class_shares=_shares(count))  # pyright: ignore[reportAttributeAccessIssue]
        if "labels" in needs:
            near, alike = acquisition.label_distances(pool.candidates, labels.pixel)
            cues = cues.replace(  # pyright: ignore[reportAttributeAccessIssue]
                label_shares=_shares(labels.count),
                label_distance=near,
                label_feature_distance=alike,
            )
        return Seen(jax.device_put(cues, sharding.replicated(self._mesh)), predicted)

    def score(
        self,
        strategy: Strategy,
        key: jax.Array,
        model: Model | None,
        pool: Pool,
        seen: Seen,
    ) -> np.ndarray:
        """Scores float32 of every ray ``[n]``; ``[n parts]`` for a mixture."""
        if strategy.score not in self._scorers:
            self._scorers[strategy.score] = acquisition.make_scorer(
                strategy.score, self._posterior, lambda held: self._cues(*held)
            )
        scorer = self._scorers[strategy.score]
        everywhere = sharding.replicated(self._mesh)
        params, key = jax.device_put((self._params(model), key), everywhere)
        scores: np.ndarray | None = None
        for ids, chunk in self._chunks(pool):
            held = (ids, chunk, seen.cues)
            values = scorer(params, key, ids, held, held)
            rays = np.asarray(ids)
            real = rays < pool.cache.num_rays
            if scores is None:
                shape = (pool.cache.num_rays, *values.shape[1:])
                scores = np.empty(shape, np.float32)
            scores[rays[real]] = np.asarray(values)[real]
        assert scores is not None
        return scores

    def policy_cues(
        self, model: Model, pool: Pool, seen: Seen, pixel: np.ndarray
    ) -> np.ndarray:
        """The policy's cue vectors of chosen rays, float32 ``[q d]``."""
        ids = padded(pixel.astype(np.int32))
        rows = self._rows(pool, ids)
        vectors = self._policy_cues(self._params(model), (ids, rows, seen.cues))
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
            class_shares=of_all(tables.class_shares),
            label_shares=of_all(tables.label_shares),
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
        description = render.composite(weights, surface.feature)
        cues = self._vectors(params, chunk)
        forecast: Any = policy.term.head.apply(params["policy"], cues, description)
        return posterior.replace(gain=forecast.gain)  # pyright: ignore[reportAttributeAccessIssue]

    def _vectors(self, params: Any, chunk: Any) -> Array:
        """What the policy is told of the rays of a chunk."""
        ids, rows, _ = chunk
        posterior = self._beliefs.posterior(params["heads"], ids, rows["compact"])
        return jax.vmap(acquisition.policy_cues)(posterior, self._cues(*chunk))

    def _own_view(self, heads: Any, ids: Array, rows: Any) -> Array:
        posterior = self._beliefs.posterior(heads, ids, rows["compact"])
        return acquisition.own_view_belief(posterior, rows["frame"])

    def _through_voxels(self, model: Model, pool: Pool) -> Any:
        """What views believe together, one frame per device at a time."""
        mesh, per_frame = self._mesh, pool.cache.rays_per_frame
        num_classes = len(self._experiment.scene.class_names)
        sums = acquisition.fresh_sums(
            pool.candidates.num_voxels, num_classes, mesh=mesh
        )
        for ids, rows in self._chunks(pool, size=per_frame * mesh.size):
            probs = self._view_beliefs(model.heads, ids, rows)
            sums = acquisition.accumulate(sums, probs, rows["voxel"], mesh=mesh)
        return acquisition.finish(sums, mesh=mesh)

    def _every_pair(self, model: Model, pool: Pool) -> Any:
        """The same by comparing every view with every other."""
        probs = [
            np.asarray(self._view_beliefs(model.heads, ids, rows))
            for ids, rows in self._chunks(pool)
        ]
        whole = np.concatenate(probs)[: pool.cache.num_rays]
        return acquisition.exact_views(pool.candidates, pool.cameras, whole).beliefs

    def _chunks(
        self, pool: Pool, size: int | None = None
    ) -> Iterator[tuple[Array, dict[str, Any]]]:
        """All rays in order and what is kept of them, split over the devices.

        The last chunk is padded: numbers from ``num_rays`` on, in no voxel.
        """
        devices, num_rays = self._mesh.size, pool.cache.num_rays
        if size is None:
            size = min(self._experiment.surface.score_chunk, num_rays)
            size += -size % devices
        split = sharding.batched(self._mesh)
        for start in range(0, num_rays, size):
            ids = np.arange(start, start + size, dtype=np.int32)
            rows = self._rows(pool, ids)
            yield jax.device_put((ids, rows), split)

    def _rows(self, pool: Pool, ids: np.ndarray) -> dict[str, Any]:
        last = pool.cache.num_rays - 1
        there = np.minimum(ids, last)
        whole = slice(ids[0], ids[-1] + 1)
        in_order = ids[-1] <= last and len(ids) == ids[-1] + 1 - ids[0]
        chosen = whole if in_order and (np.diff(ids) == 1).all() else there
        found = pool.candidates
        voxel = np.where(ids <= last, found.voxel[there], -1)
        return {
            "compact": pool.cache.take(chosen),
            "voxel": voxel.astype(np.int32),
            "frame": found.frame[there],
            "purity": found.purity[there],
        }


def _shares(count: np.ndarray) -> np.ndarray:
    return (count / max(int(count.sum()), 1)).astype(np.float32)
