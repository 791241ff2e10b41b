"""What a capture holds and all that is wrong with it, before anything is trained."""

from alsem.data.checks.contact_sheet import draw, place
from alsem.data.checks.examine import Examined, examine
from alsem.data.checks.summary import describe

__all__ = ["Examined", "describe", "draw", "examine", "place"]
