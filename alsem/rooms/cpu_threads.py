"""Runs JAX functions on the CPU, on all of its cores.

Why not on the accelerator: the renderer loops over short lists of solids, which suits
no accelerator, and its images then depend on no driver.
"""

import concurrent.futures
import functools
import os
from collections.abc import Callable, Iterable
from typing import ParamSpec, TypeVar

import jax

P = ParamSpec("P")
R = TypeVar("R")


def on_cpu(function: Callable[P, R]) -> Callable[P, R]:
    """Decorates a function so that its JAX computations run on the CPU."""

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            device = jax.local_devices(backend="cpu")[0]
        except RuntimeError:  # JAX_PLATFORMS leaves the CPU out
            return function(*args, **kwargs)
        with jax.default_device(device):
            return function(*args, **kwargs)

    return wrapped


def map_in_threads(function: Callable[..., R], items: Iterable) -> list[R]:
    """Maps a function over items in threads, results in the order of the items.

    One jitted loop over short arrays keeps only one core busy.
    """
    workers = min(os.cpu_count() or 1, 8)
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        return list(pool.map(on_cpu(function), items))
