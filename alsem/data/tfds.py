"""Captures as TensorFlow Datasets: written and read without TensorFlow.

A data set holds a scene a config and a split a sequence, in the order of its frames, as
ArrayRecord files that `tfds.data_source` and `read_tfds` read at random.
"""

import collections
import dataclasses
import functools
import io
import re
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

from alsem.data import classes as class_lists
from alsem.data.capture import Capture, check_frames, label_table, read_labels
from alsem.data.pictures import Picture
from alsem.data.shots import Shot
from alsem.types import InputError, Intrinsics

_KEPT = 16  # decoded records
# The features that are pictures, and what a shot calls them.
_KINDS = {
    "image": "rgb",
    "depth": "depth",
    "semantic": "label",
    "instance": "instance",
    "mask": "mask",
}
_TYPES = {
    "depth": np.uint16,
    "semantic": np.uint16,
    "instance": np.uint16,
    "mask": np.uint8,
}


@dataclasses.dataclass(eq=False)
class SceneConfig(tfds.core.BuilderConfig):
    """A scene; ``capture`` is what is written."""

    capture: Capture | None = dataclasses.field(default=None, repr=False)


class _Builder(tfds.core.GeneratorBasedBuilder):
    """Posed frames of one capture."""

    VERSION = tfds.core.Version("1.0.0")

    @property
    def _capture(self) -> Capture:
        capture = getattr(self.builder_config, "capture", None)
        if capture is None:
            raise InputError(f"{self.name}: write it with python -m alsem.prepare")
        return capture

    def _info(self) -> tfds.core.DatasetInfo:
        parts = self._capture.parts()
        shots = [shot for each in parts.values() for shot in each]
        width, height = check_frames(shots)
        camera = self._capture.camera(width, height)
        names, ids = self._capture.classes
        features: dict[str, Any] = {
            "frame_id": np.int64,
            "name": tfds.features.Text(),
            "world_from_camera": tfds.features.Tensor(shape=(4, 4), dtype=np.float32),
            "intrinsics": tfds.features.Tensor(shape=(4,), dtype=np.float64),
            "image": tfds.features.Image(shape=(height, width, 3)),
        }
        for key, dtype in _TYPES.items():
            if _has(shots, _KINDS[key]):
                features[key] = tfds.features.Image(
                    shape=(height, width, 1), dtype=dtype, encoding_format="png"
                )
        return tfds.core.DatasetInfo(
            builder=self,
            description="Posed frames for labelling a room with few clicks.",
            features=tfds.features.FeaturesDict(features),
            disable_shuffling=True,
            metadata=tfds.core.MetadataDict(
                class_names=list(names),
                class_ids=[int(i) for i in ids],
                depth_scale=float(self._capture.depth_scale),
                camera=[camera.fx, camera.fy, camera.cx, camera.cy],
                size=[width, height],
                has={
                    name: [key for key in _KINDS if _has(shots, _KINDS[key])]
                    for name, shots in parts.items()
                },
            ),
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator]:
        del dl_manager
        parts = self._capture.parts()
        return {name: self._frames(shots) for name, shots in parts.items()}

    def _generate_examples(self) -> None:
        raise NotImplementedError  # every split has a generator of its own

    def _frames(self, shots: Sequence[Shot]) -> Iterator[tuple[int, dict[str, Any]]]:
        table = self._capture.label_of_id
        if table is None:
            table = label_table(self._capture.classes[1])
        id_of_label = np.array([*self._capture.classes[1], 0], np.uint16)  # -1 is void
        camera = self._capture.camera(*shots[0].rgb.size())
        features = set(self.info.features or ())  # pyright: ignore[reportArgumentType]
        for i, shot in enumerate(shots):
            frame: dict[str, Any] = {
                "frame_id": i,
                "name": shot.name,
                "world_from_camera": shot.world_from_cam,
                "intrinsics": np.array([camera.fx, camera.fy, camera.cx, camera.cy]),
            }
            for key in features & set(_KINDS):
                picture = getattr(shot, _KINDS[key])
                if picture is None:  # another sequence has it
                    shape = (camera.height, camera.width)
                    pixels = np.full(shape, 255 if key == "mask" else 0, _TYPES[key])
                elif key == "semantic":
                    pixels = id_of_label[read_labels(picture, table)]
                elif key == "mask":
                    pixels = np.where(picture.read() > 0, 255, 0).astype(np.uint8)
                elif key == "instance":
                    pixels = picture.read().astype(np.uint16)
                else:
                    pixels = picture.read()
                frame[key] = _png(pixels)
            yield i, frame


class AlsemReplica(_Builder):
    """Scenes of Replica as Semantic-NeRF renders them."""


class AlsemScannet(_Builder):
    """Scenes of ScanNet."""


class AlsemRooms(_Builder):
    """Procedural rooms."""


BUILDERS: dict[str, type[_Builder]] = {
    "alsem_replica": AlsemReplica,
    "alsem_scannet": AlsemScannet,
    "alsem_rooms": AlsemRooms,
}


def prepare(dataset: str, capture: Capture, out: Path) -> Path:
    """Writes a capture as a config of a data set; what is there already is kept.

    Args:
        dataset: A row of `BUILDERS`.
        capture: What to write; its name is the config's.
        out: Folder of data sets.

    Returns:
        The folder of what was written.

    Raises:
        InputError: A picture cannot be read, or the folder cannot be written.
    """
    for name in capture.parts():
        if not re.fullmatch(r"\w+", name):
            raise InputError(
                f"{capture.name}: sequence {name!r} cannot name a split; use letters,"
                " digits and _"
            )
    config = SceneConfig(name=capture.name, capture=capture)
    builder = BUILDERS[dataset](
        config=config, data_dir=str(out), file_format="array_record"
    )
    try:
        builder.download_and_prepare()
    except OSError as error:
        raise InputError(f"{out}: {error.strerror}; choose another folder") from None
    return Path(builder.data_dir)


def read_tfds(root: Path, scene: str, class_lines: Sequence[str] = ()) -> Capture:
    """Finds out what a prepared scene holds.

    Args:
        root: Folder of data sets, or of one, or of a scene in it.
        scene: The rest of the way, ``alsem_replica/room_0``.
        class_lines: Classes as `classes.from_lines` reads them; when empty the scene's.

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
    except Exception as error:  # protobuf's own among them
        trouble = " ".join(str(error).split())[:200]
        raise InputError(
            f"{versions[-1]}: not written by alsem.prepare, or damaged ({trouble})"
        ) from None
    camera = Intrinsics(int(width), int(height), fx, fy, cx, cy)

    @functools.cache  # poses are read with their pictures
    def frames(sequence: str) -> list[Shot]:
        if sequence not in has:
            raise InputError(
                f"{versions[-1]}: has no split {sequence!r}; there are {', '.join(has)}"
            )
        records = _Records(versions[-1], sequence, (camera.width, camera.height))
        return [_shot(records, i, has[sequence]) for i in range(len(records))]

    return Capture(
        name=Path(scene).name or versions[-1].parent.name,
        sequences=tuple(has),
        frames=frames,
        camera=lambda width, height: camera,
        depth_scale=scale,
        classes=class_lists.from_lines("data.classes", class_lines)
        if class_lines
        else (names, ids),
    )


class _Records:
    """The frames of a split, decoded when they are wanted."""

    def __init__(self, folder: Path, split: str, size: tuple[int, int]):
        """Opens the split; reads nothing yet."""
        self.where, self.size = f"{folder}: {split}", size
        builder = tfds.builder_from_directory(str(folder))
        self._source: Any = builder.as_data_source(split=split)  # pyright: ignore
        self._kept: collections.OrderedDict[int, dict] = collections.OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, i: int) -> dict[str, Any]:
        with self._lock:  # pictures of one frame are wanted one after the other
            if i not in self._kept:
                try:
                    self._kept[i] = self._source[i]
                except (OSError, ValueError, RuntimeError) as error:
                    trouble = " ".join(str(error).split())[:200]
                    raise InputError(
                        f"{self.where} frame {i}: damaged ({trouble}); prepare it again"
                    ) from None
                if len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
            return self._kept[i]


@dataclasses.dataclass(frozen=True, eq=False)
class _Recorded(Picture):
    """A picture of a frame of a split."""

    records: _Records
    frame: int
    key: str

    @property
    def where(self) -> str:
        """Data set, split and frame."""
        return f"{self.records.where} frame {self.frame}: {self.key}"

    def size(self) -> tuple[int, int]:
        """That of all images of the data set."""
        return self.records.size

    def read(self) -> np.ndarray:
        """Decoded by TFDS."""
        pixels = self.records[self.frame][self.key]
        return pixels if self.key == "image" else pixels[..., 0]


def _shot(records: _Records, i: int, has: Sequence[str]) -> Shot:
    frame = records[i]
    pictures = {_KINDS[key]: _Recorded(records, i, key) for key in has}
    name = frame["name"]
    return Shot(
        name=name.decode() if isinstance(name, bytes) else str(name),
        world_from_cam=np.asarray(frame["world_from_camera"], np.float32),
        **pictures,
    )


def _has(shots: Sequence[Shot], kind: str) -> bool:
    return any(getattr(shot, kind) is not None for shot in shots)


def _png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, format="PNG")
    return file.getvalue()
