"""Radiance fields, their renderers and the semantic heads. The only home of Linen."""

from alsem.models.fields import HashField, PaperField
from alsem.models.heads import SemanticHead, SemanticMembers
from alsem.models.nerf import GridNerf, Nerf, PaperNerf

__all__ = [
    "GridNerf",
    "HashField",
    "Nerf",
    "PaperField",
    "PaperNerf",
    "SemanticHead",
    "SemanticMembers",
]
