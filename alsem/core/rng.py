"""Named key streams.

Every random draw of a run has a name and a step: adding a stream changes no other,
and a resumed run draws what the uninterrupted one would have drawn. The names are
folded in through crc32 because Python's own ``hash`` differs between processes.
"""

import zlib

import jax

from alsem.core.arrays import PRNGKeyArray


def stream(key: PRNGKeyArray, name: str, step: int | jax.Array = 0) -> PRNGKeyArray:
    """Key of the stream ``name`` at ``step``."""
    named = jax.random.fold_in(key, zlib.crc32(name.encode()))
    return jax.random.fold_in(named, step)


def run_key(seed: int, purpose: str, round_index: int = 0) -> PRNGKeyArray:
    """Key of (seed, purpose, round), the only way a run makes keys."""
    return stream(jax.random.key(seed), purpose, round_index)
