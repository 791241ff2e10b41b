"""What a capture holds and all that is wrong with it, before anything is trained."""

from alsem.validation.examine import Examined, examine
from alsem.validation.picture import draw, place
from alsem.validation.table import describe

__all__ = ["Examined", "describe", "draw", "examine", "place"]
