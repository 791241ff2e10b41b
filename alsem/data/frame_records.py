"""One frame of a capture before any of its images is decoded."""

import dataclasses

import numpy as np

from alsem.data.image_files import ImageFile


@dataclasses.dataclass(frozen=True, eq=False)
class FrameRecord:
    """The pictures of one frame, all of one size and camera.

    Attributes:
        name: Stable name, ``"Sequence_1/12"``.
        rgb: Colour.
        world_from_cam: ``[4 4]`` float32, metres.
        depth: Along the optical axis, None if the sequence has no depth.
        label: Class ids, None if the sequence has no labels.
        regions: The user's own regions, None if the sequence has none.
        mask: 0 where a pixel shows nothing of the scene; None if all do.
        instance: Ids of objects, None if the sequence has none; passed on, not used.
    """

    name: str
    rgb: ImageFile
    world_from_cam: np.ndarray
    depth: ImageFile | None = None
    label: ImageFile | None = None
    regions: ImageFile | None = None
    mask: ImageFile | None = None
    instance: ImageFile | None = None

    def scaled(self, scale: float) -> "FrameRecord":
        """The shot where a unit of its pose is so many metres."""
        pose = self.world_from_cam.copy()
        pose[:3, 3] *= scale
        return dataclasses.replace(self, world_from_cam=pose)

    @property
    def pictures(self) -> list[ImageFile]:
        """All that there are."""
        each = (
            *(self.rgb, self.depth, self.label),
            *(self.regions, self.mask, self.instance),
        )
        return [picture for picture in each if picture is not None]
