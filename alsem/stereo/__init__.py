"""Stereo: depth of photographs of known poses, by matching them with each other."""

from alsem.stereo.depth_maps import StereoDepth, StereoOptions, measure_depth
from alsem.stereo.scene_extent import SceneExtent, measure_extent

__all__ = [
    "SceneExtent",
    "StereoDepth",
    "StereoOptions",
    "measure_depth",
    "measure_extent",
]
