"""Functions that are made once for equal arguments."""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def memoize(make: Callable[P, T]) -> Callable[P, T]:
    """Returns the same object when called again with equal, hashable arguments.

    For makers of compiled functions: JAX recognises a program by its function object,
    so that two scenes share one only if it is made once.
    """
    return functools.lru_cache(maxsize=64)(make)  # pyright: ignore[reportReturnType]
