"""Policy files: what a query policy has learnt in other scenes, a few kilobytes.

A file holds the part of `models.PolicyHead` that means the same everywhere; its look
at the field's description belongs to one scene and is left behind.
"""

import os
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from alsem.core.arrays import PRNGKeyArray
from alsem.core.errors import InputError
from alsem.policy.features import policy_names
from alsem.policy.head import PolicyHead

SHIPPED = Path(__file__).resolve().parent / "weights.npz"
_LOCAL = "description"
_CUES = "cues"


def save(path: Path, params: Any) -> None:
    """Writes what of a policy's parameters means the same in every scene."""
    flat = traverse_util.flatten_dict(params, sep="/")
    arrays = {k: np.asarray(v) for k, v in flat.items() if f"/{_LOCAL}/" not in f"/{k}"}
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as file:
        arrays[_CUES] = np.array(policy_names())
        np.savez(file, **arrays)  # pyright: ignore[reportArgumentType]
    os.replace(temporary, path)


def load(path: Path, head: PolicyHead) -> dict[str, np.ndarray]:
    """Reads a policy file for a head.

    Raises:
        InputError: There is none, it is damaged, or it is of another head.
    """
    hint = "give another train.policy.start, or '' to learn from nothing"
    try:
        with path.open("rb") as file, np.load(file) as arrays:
            start = {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError, TypeError, AttributeError, BadZipFile) as error:
        reason = getattr(error, "strerror", None) or "no policy file"
        raise InputError(f"{path}: {reason}; {hint}") from error
    names = start.pop(_CUES, np.array([])).tolist()
    if names != list(policy_names()):
        raise InputError(f"{path}: learnt from other cues than today's; {hint}")
    wanted = jax.eval_shape(lambda: fresh(head, jax.random.key(0), 1, {}))
    flat: Any = traverse_util.flatten_dict(wanted, sep="/")
    shapes = {k: v.shape for k, v in flat.items() if f"/{_LOCAL}/" not in f"/{k}"}
    if {name: value.shape for name, value in start.items()} != shapes:
        raise InputError(f"{path}: is of another train.policy.width or depth; {hint}")
    return start


def fresh(
    head: PolicyHead, key: PRNGKeyArray, description: int, start: dict[str, np.ndarray]
) -> Any:
    """Parameters of a policy for descriptions of a length, begun from a file's."""
    cues = jnp.zeros((1, len(policy_names())))
    params = jax.jit(head.init)(key, cues, jnp.zeros((1, description)))
    flat = traverse_util.flatten_dict(params, sep="/")
    flat |= {name: jnp.asarray(value) for name, value in start.items()}
    return traverse_util.unflatten_dict(flat, sep="/")
