"""Writes captures as TensorFlow Datasets, without TensorFlow.

A data set has one config for each scene and one split for each sequence, frames in
order, in ArrayRecord files, which `tfds.data_source` and `data.readers.tfds` read by
random access.
"""

import dataclasses
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

from alsem.core.errors import InputError
from alsem.data.capture import Capture, FrameRecord, check_headers
from alsem.data.writers import image_array

# Features that are images -> their attribute in `FrameRecord`.
KINDS = {
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
    """Config of one scene, written from ``capture``."""

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
        sequences = self._capture.disjoint_sequences()
        records = [record for each in sequences.values() for record in each]
        width, height = check_headers(records)
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
            if _has(records, KINDS[key]):
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
                    name: [key for key in KINDS if _has(records, KINDS[key])]
                    for name, records in sequences.items()
                },
            ),
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator]:
        del dl_manager
        sequences = self._capture.disjoint_sequences()
        return {
            name: self._generate_examples(records)
            for name, records in sequences.items()
        }

    def _generate_examples(
        self, records: Sequence[FrameRecord]
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        label_of_id = self._capture.label_table
        id_of_label = np.array([*self._capture.classes[1], 0], np.uint16)
        camera = self._capture.camera(*records[0].rgb.size())
        features = set(self.info.features or ())  # pyright: ignore[reportArgumentType]
        for i, record in enumerate(records):
            frame: dict[str, Any] = {
                "frame_id": i,
                "name": record.name,
                "world_from_camera": record.world_from_cam,
                "intrinsics": np.array([camera.fx, camera.fy, camera.cx, camera.cy]),
            }
            for key in features & set(KINDS):
                image = getattr(record, KINDS[key])
                if image is None:  # only other sequences have it
                    shape = (camera.height, camera.width)
                    pixels = np.full(shape, 255 if key == "mask" else 0, _TYPES[key])
                else:
                    pixels = image_array(KINDS[key], image, label_of_id, id_of_label)
                frame[key] = _png(pixels.astype(_TYPES.get(key, np.uint8), copy=False))
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


def prepare(dataset: str, capture: Capture, out: Path) -> tuple[Path, bool]:
    """Writes a capture as a config of a data set, unless that exists already.

    Args:
        dataset: A row of `BUILDERS`.
        capture: The capture to write; its name becomes the config's.
        out: Folder of data sets.

    Returns:
        The folder of the data set, and whether it was written now.

    Raises:
        InputError: An image cannot be read, or the folder cannot be written.
    """
    for name in capture.disjoint_sequences():
        if not re.fullmatch(r"\w+", name):
            raise InputError(
                f"{capture.name}: sequence {name!r} cannot name a split; use letters,"
                " digits and _"
            )
    config = SceneConfig(name=capture.name, capture=capture)
    builder = BUILDERS[dataset](
        config=config, data_dir=str(out), file_format="array_record"
    )
    folder = Path(builder.data_dir)
    tfds.disable_progress_bar()
    try:
        is_new = not folder.exists()
        builder.download_and_prepare()
    except OSError as error:
        raise InputError(f"{out}: {error.strerror}; choose another folder") from None
    return folder, is_new


def _has(records: Sequence[FrameRecord], kind: str) -> bool:
    return any(getattr(record, kind) is not None for record in records)


def _png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, format="PNG")
    return file.getvalue()
