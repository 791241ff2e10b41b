"""What came of a reconstruction, and what to do where photographs were left out."""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

FEW_FEATURES = 400  # of a photograph
_BLUR = 0.15  # ratio of a photograph's sharpness to the median of those placed
_FEW_PLACED = 0.8
_LISTED = 5  # names in a line
REMEDY = (
    "take more photographs, each sharing two thirds of its view with the next; step"
    " sideways between them instead of turning on the spot; hold still, in good light"
)


@dataclasses.dataclass(frozen=True)
class Evidence:
    """What is known of a photograph.

    Attributes:
        name: Its name.
        is_placed: Whether the model has it.
        features: Number of its features.
        partners: Number of photographs that it matches.
        sharpness: Of its working copy.
    """

    name: str
    is_placed: bool
    features: int
    partners: int
    sharpness: float


def advice_lines(
    photographs: Sequence[Evidence], model_sizes: Sequence[int]
) -> Iterator[str]:
    """Yields a line for each reason for which photographs were left out.

    Args:
        photographs: All of them.
        model_sizes: Photographs of every model that was found, the largest first.
    """
    left = [each for each in photographs if not each.is_placed]
    if not left:
        return
    placed = [each.sharpness for each in photographs if each.is_placed]
    blurred = _BLUR * float(np.median(placed or [0.0]))
    reasons: dict[str, list[str]] = {}
    for each in left:
        reasons.setdefault(_reason(each, blurred), []).append(each.name)
    yield f"{len(left)} of {len(photographs)} photographs were left out:"
    for reason, names in sorted(reasons.items(), key=lambda item: -len(item[1])):
        more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
        yield f"  {len(names)} {reason} ({', '.join(names[:_LISTED])}{more})"
    if len(model_sizes) > 1:
        sizes = " + ".join(map(str, model_sizes))
        yield (
            f"  they fall into parts of {sizes}, the first of which is kept:"
            " photograph the way between them"
        )
    if len(left) > (1 - _FEW_PLACED) * len(photographs):
        yield f"  {REMEDY}"


def _reason(each: Evidence, blurred: float) -> str:
    if each.features < FEW_FEATURES:
        return "show too little texture, or are blurred or dark"
    if each.sharpness < blurred:
        return "are blurred"
    if not each.partners:
        return "match no other photograph"
    return "match others too weakly to be placed"
