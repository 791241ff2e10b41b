"""Captures from photographs without poses, by structure from motion (pycolmap)."""

from alsem.reconstruction.pipeline import Source, reconstruct

__all__ = ["Source", "reconstruct"]
