"""Joint training: field and heads learn in every round, as published."""

import dataclasses
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import optax

from alsem import training
from alsem.active import geometry_stage, grid_refresh
from alsem.active.geometry_stage import SceneGeometry
from alsem.active.labelled_rays import LabelledRays, pixel_labels
from alsem.active.pixel_data import pixel_data
from alsem.active.semantic_stage import head_initializer
from alsem.core import rng
from alsem.core.files import remove
from alsem.data import Scene
from alsem.nerf import Nerf, SemanticMembers
from alsem.surface import SurfaceCache


@dataclasses.dataclass(frozen=True)
class JointOptions:
    """One joint step.

    Attributes:
        batch_rays: Rays of the colour and geometry losses.
        label_rays: Labelled rays.
        semantic_weight: Weight of the cross entropy (0.04 as published).
        semantic_gradient: Whether it moves density and trunk.
    """

    batch_rays: int
    label_rays: int = 1024
    semantic_weight: float = 0.04
    semantic_gradient: bool = True


class JointTrainer:
    """Trains everything in every round and renders new surface caches after it."""

    def __init__(
        self,
        scene: Scene,
        nerf: Nerf,
        heads: tuple[SemanticMembers, ...],
        geometry: SceneGeometry,
        options: JointOptions,
        *,
        mesh: jax.sharding.Mesh,
        folder: Path,
        seed: int,
        extra_losses: tuple[training.ExtraLoss, ...] = (),
    ):
        """Compiles nothing yet; ``folder`` is where the rounds' caches are kept."""
        self.label_rays = options.label_rays
        self._scene, self._nerf, self._heads = scene, nerf, heads
        self._geometry, self._options = geometry, options
        self._mesh, self._folder, self._seed = mesh, folder, seed
        self._extra_losses = extra_losses
        self._pixels = pixel_data(scene.pool)
        self._init_heads = [
            head_initializer(head, geometry.train_cache) for head in heads
        ]

    def init(self, key: jax.Array) -> tuple[dict[str, Any], Any]:
        """New heads for every level, on the field as the geometry stage left it."""
        heads = [
            init(rng.stream(key, "level", level))
            for level, init in enumerate(self._init_heads)
        ]
        # Copies: the runner donates its state.
        field, grid = jax.tree.map(
            jnp.array, (self._geometry.params, self._geometry.grid)
        )
        return {"field": field, "heads": heads}, grid

    def step(self, tx: optax.GradientTransformation) -> training.Step:
        """The joint step."""
        return training.make_joint_step(
            self._nerf,
            self._heads,
            tx,
            weight=self._geometry.options.loss,
            semantic_weight=self._options.semantic_weight,
            semantic_gradient=self._options.semantic_gradient,
            batch_rays=self._options.batch_rays,
            label_rays=self._options.label_rays,
            mesh=self._mesh,
            extra_losses=self._extra_losses,
        )

    def refresh(self) -> Any:
        """Keeps the proposal grid up to date."""
        return grid_refresh.refresher(
            self._nerf, self._geometry.options.grid_fraction, field="field"
        )

    def data(self, labelled: LabelledRays) -> tuple:
        """All training pixels, and the labelled ones."""
        return self._pixels, pixel_labels(labelled)

    def surfaces(
        self, state: training.TrainState, round_index: int
    ) -> tuple[Any, SurfaceCache, SurfaceCache]:
        """Caches rendered from the round's field; those of earlier rounds go."""
        folder = self._folder / f"round_{round_index}"
        key = rng.run_key(self._seed, "grid", round_index)
        field = dataclasses.replace(state, params=state.params["field"])
        field = grid_refresh.refresh_whole_grid(self._nerf, field, key)
        train_cache, test_cache = geometry_stage.build_surfaces(
            self._scene,
            self._nerf,
            field,
            self._geometry.surfaces,
            folder,
            self._mesh,
        )
        for old in self._folder.iterdir():
            if old != folder:
                remove(old)
        return state.params["heads"][-1], train_cache, test_cache
