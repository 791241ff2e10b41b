"""Runs work on the processor, on all its cores."""

import concurrent.futures
import functools
import os
from collections.abc import Callable, Iterable
from typing import ParamSpec, TypeVar

import jax

P = ParamSpec("P")
R = TypeVar("R")


def on_cpu(function: Callable[P, R]) -> Callable[P, R]:
    """Runs a function on the CPU: loops over short lists suit no accelerator."""

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            device = jax.local_devices(backend="cpu")[0]
        except RuntimeError:  # a list of platforms without the CPU
            return function(*args, **kwargs)
        with jax.default_device(device):
            return function(*args, **kwargs)

    return wrapped


def map_in_threads(function: Callable[..., R], items: Iterable) -> list[R]:
    """Maps in threads, because short loops leave a second core idle."""
    workers = min(os.cpu_count() or 1, 8)
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        return list(pool.map(on_cpu(function), items))
