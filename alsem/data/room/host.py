"""Runs work on the processor, on all its cores."""

import concurrent.futures
import os
from collections.abc import Callable, Iterable

import jax


def on_host(function: Callable) -> Callable:
    """Runs a function on the CPU: loops over short lists suit no accelerator."""

    def wrapped(*args, **kwargs):
        try:
            device = jax.local_devices(backend="cpu")[0]
        except RuntimeError:  # a platform list without the CPU
            return function(*args, **kwargs)
        with jax.default_device(device):
            return function(*args, **kwargs)

    return wrapped


def parallel(function: Callable, items: Iterable) -> list:
    """Maps in threads, because short loops leave a second core idle."""
    workers = min(os.cpu_count() or 1, 8)
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        return list(pool.map(on_host(function), items))
