"""The joint step: which losses move which parameters."""

import dataclasses

import fits
import jax
import jax.numpy as jnp
import numpy as np
import pytest

LABELS = np.arange(72) % 6
VOID = np.full(72, -1)


@dataclasses.dataclass(frozen=True)
class FeatureLoss:
    """Features' distance from one times its parameter, and a random number."""

    name: str = "features"

    def __call__(self, params, data, key, features_of, mesh):
        size = jnp.mean(jnp.square(1.0 - features_of(None, data, key)))
        return params * size + jax.random.uniform(key)


@pytest.fixture(scope="module", params=[True, False])
def semantic_gradient(request):
    return request.param


@pytest.fixture(scope="module")
def take_step(experiment, data, semantic_gradient):
    """A step on labels, and on features times a factor."""
    step = jax.jit(
        fits.joint_step(
            experiment,
            extra_losses=(FeatureLoss(),),
            semantic_gradient=semantic_gradient,
        )
    )
    features = {"features": jnp.arange(16, dtype=jnp.int32)}

    def take(label, factor=0.0, number=0):
        before = fits.joint_state(experiment, features=jnp.float32(factor))
        before = dataclasses.replace(before, step=jnp.int32(number))
        batch = (data, fits.labelled_pixels(label), features)
        after, parts = step(before, batch, fits.KEY)
        moved = jax.tree.map(
            lambda a, b: float(jnp.max(jnp.abs(a - b))), after.params, before.params
        )
        return moved, parts

    return take


def test_labels_move_the_field_only_with_semantic_gradient(
    take_step, semantic_gradient
):
    moved, parts = take_step(LABELS)
    assert float(parts["semantic"]) > 0
    assert max(jax.tree.leaves(moved["heads"])) > 1e-4
    field = moved["field"]["params"]
    if semantic_gradient:
        # Density, the trunk below it and the hash table below that.
        assert field["head"]["kernel"] > 0 and field["trunk"]["kernel"] > 0
        assert field["table"] > 0
    else:
        assert max(jax.tree.leaves(field)) == 0.0


def test_an_extra_loss_moves_the_field_only_with_semantic_gradient(
    take_step, semantic_gradient
):
    moved, parts = take_step(VOID, factor=1.0)
    assert float(parts["semantic"]) == 0.0
    assert float(parts["loss"]) == float(parts["features"]) > 0
    assert moved["features"] > 0
    assert (max(jax.tree.leaves(moved["field"])) > 0) == semantic_gradient
    assert max(jax.tree.leaves(moved["heads"])) == 0


def test_every_step_gives_an_extra_loss_another_key(take_step):
    """So that a round does not train it on one fixed batch."""
    drawn = {float(take_step(VOID, number=i)[1]["features"]) for i in range(3)}
    assert len(drawn) == 3
