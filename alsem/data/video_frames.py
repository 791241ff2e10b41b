"""Frames of a video as photographs, decoded when they are read."""

import collections
import dataclasses
import functools
import threading
from pathlib import Path

import cv2
import numpy as np

from alsem.core.errors import InputError
from alsem.data.image_io import ImageFile

_KEPT = 12  # decoded frames; as many as threads that read frames nearly in order
_SKIP = 60  # frames that are decoded sooner than sought


@dataclasses.dataclass(frozen=True)
class VideoFrame(ImageFile):
    """One frame of a video.

    Attributes:
        path: The video.
        index: Number of the frame, from 0.
    """

    path: Path
    index: int

    @property
    def where(self) -> str:
        """File and frame."""
        return f"{self.path}: frame {self.index}"

    def size(self) -> tuple[int, int]:
        """Width and height, pixels, from the video's header."""
        return _opened(self.path).size

    def read(self) -> np.ndarray:
        """``[h w 3]`` uint8, RGB."""
        return _opened(self.path).frame(self.index)


def frame_count(path: Path) -> int:
    """Number of frames of a video, from its header; raises `InputError`."""
    return _opened(path).count


class _Video:
    """A video that is read from several threads, mostly forwards."""

    def __init__(self, path: Path):
        self._path, self._lock = path, threading.Lock()
        if not path.is_file():
            raise InputError(f"{path}: missing; put the video there")
        self._capture = cv2.VideoCapture(str(path))
        self._capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0)  # poses are of it as stored
        self.size, self.count = (
            (self._number(cv2.CAP_PROP_FRAME_WIDTH), self._number(4)),
            self._number(cv2.CAP_PROP_FRAME_COUNT),
        )
        if not self._capture.isOpened() or min(*self.size, self.count) <= 0:
            raise InputError(f"{path}: no video that can be decoded; copy it again")
        self._next = 0
        self._kept: collections.OrderedDict[int, np.ndarray] = collections.OrderedDict()

    def _number(self, which: int) -> int:
        return int(self._capture.get(which))

    def frame(self, index: int) -> np.ndarray:
        """A frame, RGB; raises `InputError` if it is not there."""
        with self._lock:
            if index not in self._kept:
                self._decode_up_to(index)
            return self._kept[index]

    def _decode_up_to(self, index: int) -> None:
        if not self._next <= index < self._next + _SKIP:
            self._capture.set(cv2.CAP_PROP_POS_FRAMES, index)
            self._next = index
        while self._next <= index:
            is_wanted = index - self._next < _KEPT
            ok = self._capture.grab()
            ok, image = self._capture.retrieve() if ok and is_wanted else (ok, None)
            if not ok:
                self._next = -_SKIP  # seek the next one
                raise InputError(
                    f"{self._path}: frame {index} cannot be decoded; copy the video"
                    " again"
                )
            if image is not None:
                self._kept[self._next] = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
            self._next += 1
        while len(self._kept) > 2 * _KEPT:
            self._kept.popitem(last=False)


def _opened(path: Path) -> _Video:
    status = path.stat() if path.is_file() else None
    return _open(path, status and (status.st_mtime_ns, status.st_size))


@functools.lru_cache(maxsize=2)
def _open(path: Path, version: object) -> _Video:
    """A video, opened anew if its file changes."""
    del version
    return _Video(path)
