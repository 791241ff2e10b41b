"""Variants of a config: a tiny model, full supervision, the published model."""

from typing import Any

VARIANTS = ("smoke", "full", "paper")


def apply_variant(config: Any, variant: str) -> Any:
    """Changes a config to a variant and returns it.

    Args:
        config: From `get_defaults`, with what the data needs.
        variant: ``""`` (as it is), ``smoke`` (a tiny model and few steps: seconds),
            ``full`` (full supervision: every label of every training frame) or
            ``paper`` (the published MLP and hyper-parameters, trained jointly).

    Raises:
        ValueError: There is no such variant.
    """
    if variant == "smoke":
        _smoke(config)
    elif variant == "full":
        config.active.strategy = "full"
        config.active.annotator = "simulated"
        config.active.rounds = 1
    elif variant == "paper":
        _paper(config)
    elif variant:
        raise ValueError(f"unknown variant {variant!r}; use smoke, full or paper")
    return config


def _smoke(config: Any) -> None:
    if "room" in config.data:
        config.data.room.width, config.data.room.height = 32, 24
        config.data.room.train_frames, config.data.room.test_frames = 8, 4
    config.model.hash.grid.levels = 3
    config.model.hash.grid.finest_cell = 0.06
    config.model.hash.grid.log2_rows = 14
    config.model.hash.render.cell = 0.2
    config.train.geometry.fit.steps = config.train.geometry.colour_only.steps = 40
    config.train.geometry.fit.batch_rays = 512
    config.train.semantics.fit.steps = 40
    config.train.joint.fit.steps = 20
    config.train.joint.fit.batch_rays = 256
    config.active.rounds = 3
    config.active.min_purity = 0.0  # so short a fit leaves no ray on one surface
    config.train.geometry.accept_failed = True
    config.active.initial_clicks = 20
    config.active.clicks_per_round = 20


def _paper(config: Any) -> None:
    """Semantic-NeRF (arXiv 2103.15875): colour and labels only, 200,000 steps."""
    config.model.field = "paper"
    config.data.geometry_split = "pool"
    config.model.members = 1
    config.model.head.inputs = ("feature",)
    config.model.head.width, config.model.head.depth = 128, 1
    config.model.head.feature_scale = 1.0
    config.train.mode = "joint"
    config.active.start = "warm"
    decay_steps = 250_000  # in which the published learning rate falls to a tenth
    # Rounds start from the geometry fit and the round before: 20,000 steps each.
    for fit, steps in (
        (config.train.geometry.fit, 200_000),
        (config.train.joint.fit, 20_000),
    ):
        fit.steps, fit.batch_rays = steps, 1024
        fit.optimiser.learning_rate = 5e-4
        fit.optimiser.schedule = "exponential"
        fit.optimiser.final_fraction = 0.1 ** (steps / decay_steps)
        fit.optimiser.b2, fit.optimiser.eps = 0.999, 1e-8
    config.train.joint.label_rays = 1024
    loss = config.train.geometry.loss
    loss.occupancy = loss.depth = loss.distortion = 0.0
    loss.normal = loss.shading = 0.0
    config.surface.render_chunk = 2048  # its MLP takes more memory a ray
