"""The joint step: which losses move which parameters."""

import dataclasses

import fits
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

LABELS = np.arange(72) % 6
VOID = np.full(72, -1)


@dataclasses.dataclass(frozen=True)
class FeatureLoss:
    """Squared distance of composited features from its parameter."""

    name: str = "features"

    def __call__(self, params, data, key, features_of, mesh):
        feature = features_of(None, data, key)
        return jnp.mean(jnp.square(feature - params[None]))


@dataclasses.dataclass(frozen=True)
class KeyLoss:
    """A number drawn by its key."""

    name: str = "number"

    def __call__(self, params, data, key, features_of, mesh):
        return jax.random.uniform(key) + 0.0 * params


def one_step(experiment, data, label, extra_data=None, extra_params=None, **options):
    """How far one step moves every parameter, and the parts of its loss."""
    before = fits.joint_state(experiment, **(extra_params or {}))
    step = jax.jit(fits.joint_step(experiment, **options))
    batch = (data, fits.labelled_pixels(label), extra_data or {})
    after, parts = step(before, batch, fits.KEY)
    return fits.largest_changes(after.params, before.params), parts


@pytest.mark.parametrize("semantic_gradient", [True, False])
def test_labels_move_the_field_only_with_semantic_gradient(
    experiment, data, semantic_gradient
):
    moved, parts = one_step(
        experiment, data, LABELS, semantic_gradient=semantic_gradient
    )
    assert float(parts["semantic"]) > 0
    assert max(jax.tree.leaves(moved["heads"])) > 1e-4
    field = moved["field"]["params"]
    if semantic_gradient:
        # Density, the trunk below it and the hash table below that.
        assert field["head"]["kernel"] > 0 and field["trunk"]["kernel"] > 0
        assert field["table"] > 0
    else:
        assert max(jax.tree.leaves(field)) == 0.0


def test_void_labels_move_nothing(experiment, data):
    moved, parts = one_step(experiment, data, VOID)
    assert float(parts["semantic"]) == 0.0
    assert max(jax.tree.leaves(moved)) == 0.0


@pytest.mark.parametrize("semantic_gradient", [True, False])
def test_an_extra_loss_moves_the_field_only_with_semantic_gradient(
    experiment, data, semantic_gradient
):
    moved, parts = one_step(
        experiment,
        data,
        VOID,
        {"features": jnp.arange(16, dtype=jnp.int32)},
        {"features": jnp.ones(fits.FEATURES)},
        extra_losses=(FeatureLoss(),),
        semantic_gradient=semantic_gradient,
    )
    assert float(parts["loss"]) == float(parts["features"]) > 0
    assert moved["features"] > 0
    assert (max(jax.tree.leaves(moved["field"])) > 0) == semantic_gradient
    assert max(jax.tree.leaves(moved["heads"])) == 0


def test_every_step_gives_an_extra_loss_another_key(experiment, data):
    """So that a round does not train it on one fixed batch."""
    tx = optax.sgd(0.0)
    step = jax.jit(fits.joint_step(experiment, tx=tx, extra_losses=(KeyLoss(),)))
    state = fits.joint_state(experiment, tx=tx, number=jnp.zeros(()))
    drawn = []
    for _ in range(3):
        batch = (data, fits.labelled_pixels(VOID), {"number": None})
        state, parts = step(state, batch, fits.KEY)
        drawn.append(float(parts["number"]))
    assert len(set(drawn)) == 3
