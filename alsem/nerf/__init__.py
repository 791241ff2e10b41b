"""Fields, renderers, semantic heads: the parts of a NeRF, as Linen modules."""

from alsem.nerf.fields import HashField, PaperField
from alsem.nerf.proposal_field import ProposalBoxes, ProposalField
from alsem.nerf.proposal_grid import ProposalGrid
from alsem.nerf.renderers.base import Nerf
from alsem.nerf.renderers.coarse_fine import PaperNerf
from alsem.nerf.renderers.grid import GridNerf
from alsem.nerf.renderers.proposal import ProposalNerf
from alsem.nerf.semantic_heads import SemanticHead, SemanticMembers

__all__ = [
    "GridNerf",
    "HashField",
    "Nerf",
    "PaperField",
    "PaperNerf",
    "ProposalBoxes",
    "ProposalField",
    "ProposalGrid",
    "ProposalNerf",
    "SemanticHead",
    "SemanticMembers",
]
