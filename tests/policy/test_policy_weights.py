"""Files of policy weights."""

import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alsem.core.errors import InputError
from alsem.policy.features import policy_names
from alsem.policy.head import PolicyHead
from alsem.policy.weights import SHIPPED, init_params, load_weights, save_weights

HEAD = PolicyHead(width=8, depth=2)


def params(feature_dim=5, start=None, seed=0):
    return init_params(HEAD, jax.random.key(seed), feature_dim, start)


def test_weights_carry_over_to_another_scene(tmp_path):
    path, cues = tmp_path / "policy.npz", jnp.linspace(0, 1, len(policy_names()))[None]
    trained = jax.tree.map(lambda leaf: leaf + 0.1, params(seed=1))
    save_weights(path, trained)
    elsewhere = params(9, load_weights(path, HEAD), seed=2)
    expected = HEAD.apply(trained, cues, jnp.zeros((1, 5))).gain
    # The layer over geometry features stays behind.
    for features in (jnp.zeros((1, 9)), jnp.ones((1, 9))):
        gain = HEAD.apply(elsewhere, cues, features).gain
        np.testing.assert_array_equal(gain, expected)


def test_the_shipped_weights_are_of_todays_cues_in_order():
    assert load_weights(SHIPPED, PolicyHead())
    with np.load(SHIPPED) as arrays:
        assert tuple(arrays["cues"]) == policy_names()


def smells(path):
    with np.load(path) as arrays:
        cues = np.array(["smell", *policy_names()[1:]])
        np.savez(path, **dict(arrays) | {"cues": cues})


def holds_one_array(path):
    with path.open("wb") as file:
        np.save(file, np.zeros(3))


@pytest.mark.parametrize(
    ("damage", "width"),
    [
        pytest.param(lambda path: path.unlink(), 8, id="missing"),
        pytest.param(lambda path: path.write_bytes(b"no archive"), 8, id="garbage"),
        pytest.param(lambda path: os.truncate(path, 900), 8, id="cut"),
        pytest.param(holds_one_array, 8, id="array"),
        pytest.param(smells, 8, id="unknown cue"),
        pytest.param(lambda path: None, 16, id="other width"),
    ],
)
def test_unusable_weights_are_a_one_line_error(tmp_path, damage, width):
    path = tmp_path / "policy.npz"
    save_weights(path, params())
    damage(path)
    with pytest.raises(InputError, match=r"policy\.npz.*train\.policy\.start") as error:
        load_weights(path, PolicyHead(width=width, depth=2))
    assert "\n" not in str(error.value)
