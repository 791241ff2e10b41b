"""Files of policy weights."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alsem.core.errors import InputError
from alsem.policy.features import policy_names
from alsem.policy.head import PolicyHead
from alsem.policy.weights import SHIPPED, init_params, load_weights, save_weights

HEAD = PolicyHead(width=8, depth=2)
WIDTH = len(policy_names())


def params(feature_dim=5, start=None, seed=0):
    return init_params(HEAD, jax.random.key(seed), feature_dim, start)


def test_weights_carry_over_to_another_scene(tmp_path):
    path = tmp_path / "policy.npz"
    trained = jax.tree.map(lambda leaf: leaf + 0.1, params(seed=1))
    save_weights(path, trained)
    elsewhere = params(9, load_weights(path, HEAD), seed=2)
    cues = jnp.linspace(0, 1, WIDTH)[None]
    gain = HEAD.apply(elsewhere, cues, jnp.zeros((1, 9))).gain
    np.testing.assert_array_equal(
        gain, HEAD.apply(trained, cues, jnp.zeros((1, 5))).gain
    )
    # The layer over geometry features stays behind.
    np.testing.assert_array_equal(
        HEAD.apply(elsewhere, cues, jnp.ones((1, 9))).gain, gain
    )


def test_the_shipped_weights_are_of_todays_cues_in_order():
    assert load_weights(SHIPPED, PolicyHead())
    with np.load(SHIPPED) as arrays:
        assert tuple(arrays["cues"]) == policy_names()


@pytest.mark.parametrize(
    "what", ["missing", "garbage", "cut", "array", "width", "cues"]
)
def test_unusable_weights_are_a_one_line_error(tmp_path, what, monkeypatch):
    path, head = tmp_path / "policy.npz", HEAD
    save_weights(path, params())
    if what == "missing":
        path.unlink()
    elif what == "garbage":
        path.write_bytes(b"no archive")
    elif what == "cut":
        path.write_bytes(path.read_bytes()[:900])
    elif what == "array":
        with path.open("wb") as file:
            np.save(file, np.zeros(3))
    elif what == "width":
        head = PolicyHead(width=16, depth=2)
    else:
        with np.load(path) as arrays:
            changed = dict(arrays) | {"cues": np.array(["smell", *policy_names()[1:]])}
        np.savez(path, **changed)
    with pytest.raises(InputError, match=r"policy\.npz.*train\.policy\.start") as error:
        load_weights(path, head)
    assert "\n" not in str(error.value)
