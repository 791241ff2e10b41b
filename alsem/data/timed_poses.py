"""Poses recorded over time, and the pose at the time of a photograph."""

import dataclasses

import numpy as np
from scipy.spatial.transform import Rotation, Slerp


@dataclasses.dataclass(frozen=True, eq=False)
class TimedPoses:
    """A camera's trajectory.

    Attributes:
        times: ``[n]`` float64, seconds, increasing.
        quaternions: ``[n 4]``, camera to world, w last.
        positions: ``[n 3]`` float64, metres.
        max_gap: Seconds up to which poses are interpolated between two of them.
    """

    times: np.ndarray
    quaternions: np.ndarray
    positions: np.ndarray
    max_gap: float

    @classmethod
    def of(
        cls,
        times: np.ndarray,
        quaternions: np.ndarray,
        positions: np.ndarray,
        *,
        max_gap: float,
    ) -> "TimedPoses":
        """Puts poses into the order of their times; of equal times the first."""
        times, order = np.unique(times, return_index=True)
        return cls(times, quaternions[order], positions[order], max_gap)

    def at(self, time: float) -> np.ndarray | None:
        """The pose ``[4 4]`` float64 at a time; None if no pose is near enough.

        Positions are interpolated linearly, rotations on the shortest arc.
        """
        after = int(np.searchsorted(self.times, time))
        around = [i for i in (after - 1, after) if 0 <= i < len(self.times)]
        gaps = np.abs(self.times[around] - time)
        if gaps.min() > self.max_gap / 2:
            return None
        pose = np.eye(4)
        if len(around) == 1 or self.times[after] - self.times[after - 1] > self.max_gap:
            nearest = around[int(gaps.argmin())]
            pose[:3, :3] = Rotation.from_quat(self.quaternions[nearest]).as_matrix()
            pose[:3, 3] = self.positions[nearest]
            return pose
        part, turns = self.times[around], Rotation.from_quat(self.quaternions[around])
        pose[:3, :3] = Slerp(part, turns)(time).as_matrix()
        weight = (time - part[0]) / (part[1] - part[0])
        pose[:3, 3] = (1 - weight) * self.positions[around[0]]
        pose[:3, 3] += weight * self.positions[around[1]]
        return pose
