"""Scores of the whole pool: the cues a strategy needs, then one score a candidate.

A round passes over the pool once for the multi-view statistics, if a strategy needs
them, over a subsample for the predicted class frequencies, and then scores all. Every
pass goes through `core.mesh` in chunks of one size, so memory does not grow with the
pool.
"""

import dataclasses
from collections.abc import Iterator, Set
from typing import Any

import jax
import numpy as np

from alsem import acquisition
from alsem.acquisition import Cues, Strategy
from alsem.active.labelled_rays import RoundLabels
from alsem.active.model import Model
from alsem.active.pool import Pool
from alsem.active.predict import Predictor
from alsem.core.arrays import Array
from alsem.core.mesh import fetch, fold_rays, map_rays, put
from alsem.core.numerics import padded
from alsem.core.types import Posterior
from alsem.nerf import volume_rendering
from alsem.policy.features import policy_cues
from alsem.policy.head import PolicyHead
from alsem.surface import decode

CueTables = dict[str, Array]
"""Cues of a round by name: values per voxel ``[v+1 ...]`` or per class ``[c]``."""


@dataclasses.dataclass(frozen=True)
class Scores:
    """Results of a pass over the pool.

    Attributes:
        values: float32 ``[n]`` score of every ray; ``[n parts]`` for a mixture.
        predicted: uint16 ``[n]`` predicted label of every ray; None if not wanted.
    """

    values: np.ndarray
    predicted: np.ndarray | None = None


class PoolScorer:
    """Compiled scoring passes over pools; made once a run."""

    def __init__(
        self,
        predictor: Predictor,
        *,
        num_classes: int,
        policy: PolicyHead | None = None,
        exact_views: bool = False,
    ):
        """Compiles nothing yet.

        Args:
            predictor: Its posterior is what scores see.
            num_classes: Of the capture.
            policy: Head of the learned query policy, if there is one.
            exact_views: Compare every view with every other in place of voxels.
        """
        self._predictor, self._mesh = predictor, predictor.mesh
        self._num_classes = num_classes
        self._policy = policy
        self.exact_views = exact_views
        self._scorers: dict[Any, Any] = {}
        self._view_probs = jax.jit(self._own_view)
        self._add_views = jax.jit(self._accumulate, donate_argnums=0)
        self._policy_cues = jax.jit(self._cue_vectors)

    def cues(
        self, needs: Set[str], model: Model | None, pool: Pool, labels: RoundLabels
    ) -> CueTables:
        """Computes the cues that `Strategy.needs` names, beside those of geometry."""
        found: dict[str, Any] = dict(pool.cues)
        if model is not None and "views" in needs:
            views = self._exact if self.exact_views else self._multiview
            found |= views(model, pool)
        if model is not None and "classes" in needs:
            confusion = self._predictor.expected_confusion(
                model, pool.candidates.is_valid, stride=pool.stride
            )
            found |= acquisition.class_cues(
                confusion.sum(axis=0), int(labels.answers_per_class.sum())
            )
        if "labels" in needs:
            found |= acquisition.label_cues(
                pool.candidates, labels.queried_pixels, labels.pixels_per_class
            )
        return put(found, self._mesh)

    def score(
        self,
        strategy: Strategy,
        key: jax.Array,
        model: Model | None,
        pool: Pool,
        cues: CueTables,
        *,
        predict: bool = False,
    ) -> Scores:
        """Scores every ray, and predicts its label if that is wanted too."""
        predict = predict and model is not None
        params = put((self._params(model, pool), key, cues), self._mesh)
        scorer = self._scorer(strategy, predict=predict)
        num_rays = pool.cache.num_rays
        values: np.ndarray | None = None
        predicted = np.zeros(num_rays, np.uint16) if predict else None
        for ids, found, label in map_rays(
            scorer, params, self._chunks(pool), self._mesh
        ):
            real = ids < num_rays
            if values is None:
                values = np.empty((num_rays, *found.shape[1:]), np.float32)
            values[ids[real]] = found[real]
            if predicted is not None:
                predicted[ids[real]] = label[real]
        assert values is not None
        return Scores(values, predicted)

    def policy_cues(
        self, model: Model, pool: Pool, cues: CueTables, pixel: np.ndarray
    ) -> np.ndarray:
        """The policy's cue vectors of chosen rays, float32 ``[q d]``."""
        ids = padded(pixel.astype(np.int32))
        rows = _rows(pool, ids, pool.cache.take(ids))
        params, chunk, cues = put(
            (self._params(model, pool), (ids, rows), cues), self._mesh
        )
        return fetch(self._policy_cues(params, chunk, cues))[: len(pixel)]

    def _scorer(self, strategy: Strategy, *, predict: bool) -> Any:
        which = strategy.score, predict
        if which not in self._scorers:
            score = acquisition.make_scorer(
                strategy.score,
                self._posterior,
                lambda held: self._cues(*held),
                predict=predict,
            )

            def score_chunk(params: Any, chunk: Any) -> Any:
                (model, key, cues), (ids, rows) = params, chunk
                held = (ids, rows, cues)
                found = score(model, key, ids, held, held)
                return (ids, *found) if predict else (ids, found, None)

            self._scorers[which] = jax.jit(score_chunk)
        return self._scorers[which]

    def _params(self, model: Model | None, pool: Pool) -> dict[str, Any]:
        cameras = pool.cache.cameras
        # Without a model only scores that use no prediction are computed.
        if model is None:
            heads = self._predictor.zero_heads()
            return {"heads": heads, "policy": None, "cameras": cameras}
        return {"heads": model.heads, "policy": model.policy, "cameras": cameras}

    def _cues(self, ids: Array, rows: Any, tables: CueTables) -> Cues:
        """Cues of the rays of a chunk; what a score does not use is never gathered."""
        view_row = ids if self.exact_views else None
        return acquisition.gather_cues(
            tables, rows["rays"], rows["voxel"], view_row=view_row
        )

    def _posterior(self, params: Any, held: Any) -> Posterior:
        """Posterior of the rays of a chunk, and the gain the policy expects."""
        ids, rows, cues = held
        posterior = self._predictor.posterior(
            params["heads"], params["cameras"], ids, rows["compact"]
        )
        if self._policy is None or params["policy"] is None:
            return posterior
        surface, weights, _ = decode(params["cameras"], ids, rows["compact"])
        feature = volume_rendering.composite(weights, surface.feature)
        vectors = self._cue_vectors(params, (ids, rows), cues)
        forecast: Any = self._policy.apply(params["policy"], vectors, feature)
        return dataclasses.replace(posterior, gain=forecast.gain)

    def _cue_vectors(self, params: Any, chunk: Any, cues: CueTables) -> Array:
        """What the policy sees of the rays of a chunk."""
        ids, rows = chunk
        posterior = self._predictor.posterior(
            params["heads"], params["cameras"], ids, rows["compact"]
        )
        return jax.vmap(policy_cues)(posterior, self._cues(ids, rows, cues))

    def _own_view(self, params: Any, chunk: Any) -> Array:
        (heads, cameras), (ids, rows) = params, chunk
        posterior = self._predictor.posterior(heads, cameras, ids, rows["compact"])
        return acquisition.own_view_probs(posterior, rows["rays"]["frame"])

    def _accumulate(self, sums: Any, params: Any, chunk: Any) -> Any:
        probs = self._own_view(params, chunk)
        return acquisition.accumulate(sums, probs, chunk[1]["voxel"], mesh=self._mesh)

    def _multiview(self, model: Model, pool: Pool) -> Any:
        """Multi-view statistics of every voxel, one frame per device at a time."""
        sums = acquisition.init_sums(
            pool.candidates.num_voxels, self._num_classes, mesh=self._mesh
        )
        params = put((model.heads, pool.cache.cameras), self._mesh)
        sums = fold_rays(self._add_views, params, sums, self._frames(pool), self._mesh)
        return acquisition.view_cues(sums, mesh=self._mesh)

    def _exact(self, model: Model, pool: Pool) -> Any:
        """The same by comparing every view with every other."""
        params = put((model.heads, pool.cache.cameras), self._mesh)
        probs = list(map_rays(self._view_probs, params, self._frames(pool), self._mesh))
        whole = np.concatenate(probs)[: pool.cache.num_rays]
        return acquisition.exact_views(pool.candidates, pool.cameras, whole).cues

    def _chunks(self, pool: Pool) -> Iterator[Any]:
        """All rays with what is known of them; padded ones are in no voxel."""
        for ids, compact in self._predictor.chunks(pool.cache):
            yield ids, _rows(pool, ids, compact)

    def _frames(self, pool: Pool) -> Iterator[Any]:
        """The same frame by frame, one for each device, all rays in order."""
        for ids, compact in pool.cache.frame_chunks(self._mesh.size):
            yield ids, _rows(pool, ids, compact)


def _rows(pool: Pool, ids: np.ndarray, compact: Any) -> dict[str, Any]:
    found, inside = pool.candidates, np.minimum(ids, pool.cache.num_rays - 1)
    voxel = np.where(ids < pool.cache.num_rays, found.voxel[inside], -1)
    return {
        "compact": compact,
        "voxel": voxel.astype(np.int32),
        "rays": acquisition.ray_cues(found, inside),
    }
