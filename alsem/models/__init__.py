"""Radiance fields, their renderers and the semantic heads. The only home of Linen."""

from alsem.models.fields import HashField, PaperField
from alsem.models.grid_nerf import GridNerf
from alsem.models.heads import SemanticHead, SemanticMembers
from alsem.models.nerf import Nerf
from alsem.models.paper_nerf import PaperNerf

__all__ = [
    "GridNerf",
    "HashField",
    "Nerf",
    "PaperField",
    "PaperNerf",
    "SemanticHead",
    "SemanticMembers",
]
