"""Sharp frames of a video, evenly over its length."""

import os
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from alsem.core import signals
from alsem.core.errors import InputError
from alsem.core.progress import progress
from alsem.reconstruction.photographs import LEAST, comparable_sharpness

os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # errors are ours to tell


def sharp_frames(path: Path, count: int) -> Iterator[tuple[str, np.ndarray]]:
    """Yields the sharpest frame of each of ``count`` equal parts of a video.

    Frames are turned upright as the video's header says.

    Args:
        path: Any video that OpenCV's ffmpeg decodes.
        count: Number of frames; a shorter video gives all it has.

    Yields:
        Name (``frame_000012``, counted from 0) and uint8 ``[h w 3]``, sRGB.

    Raises:
        InputError: It is missing or no video, or has too few frames.
    """
    total = _count_frames(path)
    if total < LEAST:
        raise InputError(
            f"{path}: {total} frames can be decoded, at least {LEAST} are needed; give"
            " a video (.mp4, .mov), or photographs with --images"
        )
    part, best = 0, (-1.0, 0, None)
    video = cv2.VideoCapture(str(path))
    with progress(total, "reading the video") as bar:
        for index in range(total):
            signals.check()
            is_read, frame = video.read()
            if not is_read:
                break
            if index * count // total != part and best[2] is not None:
                yield f"frame_{best[1]:06d}", best[2]
                part, best = index * count // total, (-1.0, 0, None)
            mark = comparable_sharpness(frame)
            if mark > best[0]:
                best = (mark, index, cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
            bar.update(1)
    video.release()
    if best[2] is not None:
        yield f"frame_{best[1]:06d}", best[2]


def _count_frames(path: Path) -> int:
    """Frames that can be decoded: headers may lie, and a file may be cut short."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; give another --video")
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    video, total = cv2.VideoCapture(str(path)), 0
    stated = max(int(video.get(cv2.CAP_PROP_FRAME_COUNT)), 0)
    with progress(stated, "counting frames") as bar:
        while video.grab():
            signals.check()
            total += 1
            bar.update(1)
    video.release()
    return total
