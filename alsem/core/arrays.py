"""Array aliases and the axis vocabulary.

Axis letters, one meaning each: ``*b`` leading axes, ``r`` rays, ``s`` samples,
``s+1`` sample edges, ``c`` classes, ``k`` posterior members, ``n`` candidates,
``p`` pixels of one view, ``e`` edges or encoded values, ``f`` features, ``v`` voxels.
Where several occur the slowest question comes first and the vector last:
``n k r s c``.

Why aliases of our own: jaxtyping checks shapes in the tests, and stays out of the
run-time requirements. Without it every alias is a plain ``Array``.
"""

from typing import TYPE_CHECKING, Any

from jax import Array

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int, PRNGKeyArray

    Leaf = Array
else:
    Leaf = Any  # a pytree field also holds shardings, specs and axis numbers
    try:
        from jaxtyping import Bool, Float, Int, PRNGKeyArray
    except ModuleNotFoundError:

        class _Alias:
            def __class_getitem__(cls, item):
                return item[0]

        Bool = Float = Int = _Alias
        PRNGKeyArray = Array

__all__ = ["Array", "Bool", "Float", "Int", "Leaf", "PRNGKeyArray"]
