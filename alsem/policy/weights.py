"""Weights of query policies: initial parameters, and files to start other scenes from.

A file, a few kilobytes, holds the part of `PolicyHead` that means the same in every
scene, and the names of the cues that it sees; the layer over the field's geometry
features belongs to one scene and is left out.
"""

from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from alsem.core.arrays import PRNGKeyArray
from alsem.core.errors import InputError
from alsem.core.files import replace_arrays
from alsem.policy.features import policy_names
from alsem.policy.head import PolicyHead

SHIPPED = Path(__file__).resolve().parent / "weights.npz"
_OF_ONE_SCENE = "features"
_CUES = "cues"
_HINT = "give another train.policy.start, or '' to learn from nothing"


def save_weights(path: Path, params: Any) -> None:
    """Writes the parameters that mean the same in every scene."""
    flat = traverse_util.flatten_dict(params, sep="/")
    arrays = {name: np.asarray(flat[name]) for name in flat if _is_general(name)}
    replace_arrays(path, arrays | {_CUES: np.array(policy_names())})


def load_weights(path: Path, head: PolicyHead) -> dict[str, np.ndarray]:
    """Reads a file for a head.

    Cues that are new since the file was written have no effect at first: their weights
    are zero.

    Raises:
        InputError: The file is missing, damaged, or of another head or other cues.
    """
    try:
        with path.open("rb") as file, np.load(file) as arrays:
            weights = {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError, TypeError, AttributeError, BadZipFile) as error:
        reason = getattr(error, "strerror", None) or "no policy weights"
        raise InputError(f"{path}: {reason}; {_HINT}") from error
    names = weights.pop(_CUES, np.array([])).tolist()
    unknown = sorted({*names} - {*policy_names()})
    if unknown or not names:
        cues = ", ".join(unknown) or "none"
        raise InputError(f"{path}: was trained on cues unknown here ({cues}); {_HINT}")
    first = f"params/{'hidden_0' if head.depth else 'forecast'}/kernel"
    if first in weights and len(weights[first]) == len(names):
        rows = dict(zip(names, weights[first], strict=True))
        no_weight = np.zeros_like(weights[first][0])
        weights[first] = np.stack([rows.get(n, no_weight) for n in policy_names()])
    wanted = jax.eval_shape(lambda: init_params(head, jax.random.key(0), 1))
    flat: Any = traverse_util.flatten_dict(wanted, sep="/")
    shapes = {name: flat[name].shape for name in flat if _is_general(name)}
    if {name: value.shape for name, value in weights.items()} != shapes:
        raise InputError(
            f"{path}: is of another train.policy.width or train.policy.depth; {_HINT}"
        )
    return weights


def init_params(
    head: PolicyHead,
    key: PRNGKeyArray,
    feature_dim: int,
    start: dict[str, np.ndarray] | None = None,
) -> Any:
    """Initial parameters of a policy, those of a file in the place of random ones.

    Args:
        head: The policy's head.
        key: Of the random parameters.
        feature_dim: Length of the field's geometry features.
        start: From `load_weights`; None to start from nothing.
    """
    cues = jnp.zeros((1, len(policy_names())))
    params = jax.jit(head.init)(key, cues, jnp.zeros((1, feature_dim)))
    flat = traverse_util.flatten_dict(params, sep="/")
    flat |= {name: jnp.asarray(value) for name, value in (start or {}).items()}
    return traverse_util.unflatten_dict(flat, sep="/")


def _is_general(name: str) -> bool:
    """Whether a parameter means the same in every scene."""
    return f"/{_OF_ONE_SCENE}/" not in f"/{name}"
