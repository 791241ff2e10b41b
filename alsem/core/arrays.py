"""Array aliases and the axis vocabulary.

Axis letters, one meaning each: ``*b`` leading axes, ``r`` rays, ``s`` samples,
``s+1`` sample edges, ``c`` classes, ``k`` ensemble members, ``n`` candidates,
``p`` pixels of one view, ``e`` edges or encoded values, ``f`` features, ``v`` voxels.
Where several occur, the axis that varies slowest comes first and the vector axis last:
``n k r s c``.

Why aliases: jaxtyping checks shapes in the tests and is not needed to run. Without it
every alias is a plain ``Array``.
"""

from typing import TYPE_CHECKING, Any

from jax import Array

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int, PRNGKeyArray, UInt8

    Leaf = Array
else:
    Leaf = Any  # a pytree field also holds shardings, specs and axis numbers
    try:
        from jaxtyping import Bool, Float, Int, PRNGKeyArray, UInt8
    except ModuleNotFoundError:

        class _Alias:
            def __class_getitem__(cls, item):
                return item[0]

        Bool = Float = Int = UInt8 = _Alias
        PRNGKeyArray = Array

__all__ = ["Array", "Bool", "Float", "Int", "Leaf", "PRNGKeyArray", "UInt8"]
