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


def static(**options: Any) -> Any:
    """A field that is part of the tree's structure: hashable, never traced."""
    return dataclasses.field(metadata={"static": True}, **options)


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field, static))
def pytree(cls: type[T]) -> type[T]:
    """Makes a class a frozen dataclass whose fields are subtrees, unless `static`.

    Change a field with `dataclasses.replace`. Annotate fields with their shapes, such
    as ``Float[Array, "*b 3"]``: the tests check them whenever one is constructed.
    """
    made: Any = dataclasses.dataclass(frozen=True)(cls)
    fields = dataclasses.fields(made)
    names = [field.name for field in fields if not field.metadata.get("static")]
    fixed = [field.name for field in fields if field.metadata.get("static")]
    keys = [jax.tree_util.GetAttrKey(name) for name in names]

    def flatten(tree: Any) -> tuple[list[Any], tuple]:
        aux = tuple(getattr(tree, name) for name in fixed)
        return [getattr(tree, name) for name in names], aux

    def flatten_with_keys(tree: Any) -> tuple[list[tuple[Any, Any]], tuple]:
        leaves, aux = flatten(tree)
        return list(zip(keys, leaves, strict=True)), aux

    def unflatten(aux: tuple, leaves: Iterable[Any]) -> Any:
        tree = object.__new__(made)
        for name, value in zip((*names, *fixed), (*leaves, *aux), strict=True):
            object.__setattr__(tree, name, value)
        return tree

    jax.tree_util.register_pytree_with_keys(made, flatten_with_keys, unflatten, flatten)
    return made
