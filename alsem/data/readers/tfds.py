"""Reads captures that `alsem.prepare` wrote as TensorFlow Datasets."""

import collections
import dataclasses
import functools
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from alsem.core.errors import InputError
from alsem.core.types import Intrinsics
from alsem.data import classes as class_lists
from alsem.data.capture import Capture, FrameRecord
from alsem.data.image_io import ImageFile
from alsem.data.tfds_builders import KINDS

_CACHED_RECORDS = 16


def read_tfds(root: Path, scene: str, class_lines: Sequence[str] = ()) -> Capture:
    """Lists the frames of a prepared scene.

    Args:
        root: Folder of data sets, or of one data set, or of a scene in it.
        scene: The path from there, such as ``alsem_replica/room_0``.
        class_lines: Classes as `classes.from_lines` reads them; when empty
            the scene's own.

    Raises:
        InputError: There is no such scene, or it was not written by `prepare`.
    """
    folder = root / scene
    versions = sorted(p.parent for p in folder.glob("*/dataset_info.json"))
    if (folder / "dataset_info.json").exists():
        versions = [folder]
    if not versions:
        raise InputError(
            f"{folder}: holds no data set; write it with python -m alsem.prepare and"
            " give DATASET/SCENE as data.scene"
        )
    try:
        builder = tfds.builder_from_directory(str(versions[-1]))
        held: dict[str, Any] = dict(builder.info.metadata or {})
        names, ids = tuple(held["class_names"]), tuple(held["class_ids"])
        (fx, fy, cx, cy), (width, height) = held["camera"], held["size"]
        has, scale = dict(held["has"]), float(held["depth_scale"])
        if not scale > 0:
            raise ValueError(f"depth_scale is {scale:g}")
    except Exception as error:  # protobuf raises classes of its own
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{versions[-1]}: not written by alsem.prepare, or damaged ({reason})"
        ) from None
    camera = Intrinsics(int(width), int(height), fx, fy, cx, cy)

    @functools.cache  # reading poses reads the images too
    def frames(sequence: str) -> list[FrameRecord]:
        if sequence not in has:
            raise InputError(
                f"{versions[-1]}: has no split {sequence!r}; there are {', '.join(has)}"
            )
        records = _Records(versions[-1], sequence, (camera.width, camera.height))
        return [_record(records, i, has[sequence]) for i in range(len(records))]

    return Capture(
        name=Path(scene).name or versions[-1].parent.name,
        sequences=tuple(has),
        frames=frames,
        camera=lambda width, height: camera,
        depth_scale=scale,
        classes=class_lists.from_lines("data.classes", class_lines)
        if class_lines
        else (names, ids),
    ).with_union()


class _Records:
    """The frames of a split, decoded on access."""

    def __init__(self, folder: Path, split: str, size: tuple[int, int]):
        """Opens the split without reading frames."""
        self.where, self.size = f"{folder}: {split}", size
        builder = tfds.builder_from_directory(str(folder))
        self._source: Any = builder.as_data_source(split=split)  # pyright: ignore
        self._cache: collections.OrderedDict[int, dict] = collections.OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, i: int) -> dict[str, Any]:
        with self._lock:  # images of one frame are read one after the other
            if i not in self._cache:
                try:
                    self._cache[i] = self._source[i]
                except (OSError, ValueError, RuntimeError) as error:
                    reason = " ".join(str(error).split())[:200]
                    raise InputError(
                        f"{self.where} frame {i}: damaged ({reason}); prepare it again"
                    ) from None
                if len(self._cache) > _CACHED_RECORDS:
                    self._cache.popitem(last=False)
            return self._cache[i]


@dataclasses.dataclass(frozen=True, eq=False)
class _RecordImage(ImageFile):
    """One image of a frame of a split."""

    records: _Records
    frame: int
    key: str

    @property
    def where(self) -> str:
        """Data set, split and frame."""
        return f"{self.records.where} frame {self.frame}: {self.key}"

    def size(self) -> tuple[int, int]:
        """The size of all images of the data set."""
        return self.records.size

    def read(self) -> np.ndarray:
        """The pixels that TFDS decoded."""
        pixels = self.records[self.frame][self.key]
        return pixels if self.key == "image" else pixels[..., 0]


def _record(records: _Records, i: int, has: Sequence[str]) -> FrameRecord:
    frame = records[i]
    images = {KINDS[key]: _RecordImage(records, i, key) for key in has}
    name = frame["name"]
    return FrameRecord(
        name=name.decode() if isinstance(name, bytes) else str(name),
        world_from_cam=np.asarray(frame["world_from_camera"], np.float32),
        **images,
    )
