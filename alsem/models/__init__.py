"""Fields, renderers, semantic heads and the policy. The only home of Linen."""

from alsem.models.fields import HashField, PaperField
from alsem.models.grid_nerf import GridNerf
from alsem.models.heads import SemanticHead, SemanticMembers
from alsem.models.nerf import Nerf
from alsem.models.paper_nerf import PaperNerf
from alsem.models.policy import Forecast, PolicyHead

__all__ = [
    "Forecast",
    "GridNerf",
    "HashField",
    "Nerf",
    "PaperField",
    "PaperNerf",
    "PolicyHead",
    "SemanticHead",
    "SemanticMembers",
]
