"""Immutable dataclasses that are pytrees, with fields whose shapes are checked.

``jax.tree_util.register_dataclass`` builds a tree anew through ``__init__``, which
checks its fields; JAX also stores shardings, axis numbers and ``None`` in trees, so
here only construction in code is checked and unflattening is not.
"""

import dataclasses
from collections.abc import Iterable
from typing import Any, TypeVar, dataclass_transform

import jax

T = TypeVar("T")


@dataclass_transform(frozen_default=True)
def pytree(cls: type[T]) -> type[T]:
    """Makes a class a frozen dataclass all of whose fields are subtrees.

    Change a field with `dataclasses.replace`. Annotate fields with their shapes, such
    as ``Float[Array, "*b 3"]``: the tests check them whenever one is constructed.
    """
    made: Any = dataclasses.dataclass(frozen=True)(cls)
    names = tuple(field.name for field in dataclasses.fields(made))
    keys = tuple(jax.tree_util.GetAttrKey(name) for name in names)

    def flatten(tree: Any) -> tuple[list[Any], None]:
        return [getattr(tree, name) for name in names], None

    def flatten_with_keys(tree: Any) -> tuple[list[tuple[Any, Any]], None]:
        return list(zip(keys, flatten(tree)[0], strict=True)), None

    def unflatten(_: None, leaves: Iterable[Any]) -> Any:
        tree = object.__new__(made)
        for name, leaf in zip(names, leaves, strict=True):
            object.__setattr__(tree, name, leaf)
        return tree

    jax.tree_util.register_pytree_with_keys(made, flatten_with_keys, unflatten, flatten)
    return made
