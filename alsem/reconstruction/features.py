"""SIFT features of photographs and their matches, in COLMAP's database."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pycolmap

from alsem.core import signals
from alsem.core.progress import progress
from alsem.data.matching import match
from alsem.reconstruction.working_copies import Copy, Folders

FEATURE_SIDE = 1200  # pixels of the longer side at which features are found
MAX_FEATURES = 4096  # of one photograph
ALL_PAIRS_UP_TO = 60  # photographs, all pairs of which are matched
PARTNERS = 25  # of each photograph where there are more
_LARGEST = 256  # features of greatest scale, by which partners are chosen
_FOCAL_STEP = 1.02  # ratio of focal lengths below which a camera is the same
_SECOND_TERM_FROM = 8  # photographs of one camera, for a second radial term
_CHUNK = 4  # photographs, or 16 times as many pairs, between two looks at the clock
# --lens -> COLMAP's camera model.
LENSES = {"radial": "RADIAL", "opencv": "OPENCV", "fisheye": "OPENCV_FISHEYE"}


def extract(copies: Sequence[Copy], folders: Folders, lens: str) -> None:
    """Finds SIFT features, one camera for photographs of one size and focal length.

    Args:
        copies: The photographs.
        folders: Where they and the database are.
        lens: A row of `LENSES`.
    """
    pycolmap.Database.open(folders.database).close()
    groups: dict[tuple, list[Copy]] = {}
    for copy in copies:
        groups.setdefault(_camera_key(copy), []).append(copy)
    options = pycolmap.FeatureExtractionOptions(max_image_size=FEATURE_SIDE)
    options.sift.max_num_features = MAX_FEATURES
    for group in groups.values():
        first, name = group[0], LENSES[lens]
        if lens == "radial" and len(group) < _SECOND_TERM_FROM:
            name = "SIMPLE_RADIAL"
        reader = pycolmap.ImageReaderOptions(camera_model=name)
        if first.focal:
            camera = pycolmap.Camera.create_from_model_name(
                1, name, first.focal, first.width, first.height
            )
            reader.camera_params = camera.params_to_string()
        files = [copy.file for copy in group]
        single = pycolmap.CameraMode.SINGLE
        pycolmap.import_images(folders.database, folders.images, single, files, reader)
    reader = pycolmap.ImageReaderOptions()
    if copies[0].is_masked:
        reader.mask_path = folders.masks
    with progress(len(copies), "finding features") as bar:
        for chunk in _chunks([copy.file for copy in copies], _CHUNK):
            signals.check()
            pycolmap.extract_features(
                folders.database,
                folders.images,
                chunk,
                reader_options=reader,
                extraction_options=options,
                device=pycolmap.Device.cpu,
            )
            bar.update(len(chunk))


def match_features(
    copies: Sequence[Copy], folders: Folders, *, in_order: bool
) -> dict[str, int]:
    """Matches photographs with each other.

    Up to `ALL_PAIRS_UP_TO` photographs every pair is matched. Of more, each is matched
    with those that share most of its features of large scale (preemptive matching: Wu,
    Towards Linear-time Incremental Structure from Motion, 3DV 2013), which closes
    loops, and in a video also with those before and after it.

    Args:
        copies: The photographs, with features.
        folders: Where the database is.
        in_order: Whether they follow one another, as in a video.

    Returns:
        For each copy's file with how many others it has verified matches.
    """
    pairs = list(itertools.combinations(range(len(copies)), 2))
    if len(copies) > ALL_PAIRS_UP_TO:
        chosen = likely_pairs(_shared_features(copies, folders, pairs), PARTNERS)
        near = {(i, j) for i, j in pairs if in_order and _is_near(j - i)}
        pairs = sorted(chosen | near)
    list_file = folders.root / "pairs.txt"
    pairing = pycolmap.ImportedPairingOptions(match_list_path=list_file)
    with progress(len(pairs), "matching pairs") as bar:
        for chunk in _chunks(pairs, 16 * _CHUNK):
            signals.check()
            lines = (f"{copies[i].file} {copies[j].file}\n" for i, j in chunk)
            list_file.write_text("".join(lines))
            pycolmap.match_image_pairs(
                folders.database,
                pycolmap.FeatureMatchingOptions(use_gpu=False),
                pairing,
                device=pycolmap.Device.cpu,
            )
            bar.update(len(chunk))
    partners = dict.fromkeys((copy.file for copy in copies), 0)
    with pycolmap.Database.open(folders.database) as database:
        name_of = {i.image_id: i.name for i in database.read_all_images()}
        ids, counts = database.read_two_view_geometry_num_inliers()
        for pair, count in zip(ids, counts, strict=True):
            if count >= pycolmap.TwoViewGeometryOptions().min_num_inliers:
                for image_id in pycolmap.pair_id_to_image_pair(pair):
                    partners[name_of[image_id]] += 1
    return partners


def count_features(folders: Folders) -> dict[str, int]:
    """Number of features of each copy, by its file."""
    with pycolmap.Database.open(folders.database) as database:
        return {
            image.name: database.num_keypoints_for_image(image.image_id)
            for image in database.read_all_images()
        }


def likely_pairs(shared: np.ndarray, partners: int) -> set[tuple[int, int]]:
    """Chooses the pairs to match: those of each photograph that share most features.

    Args:
        shared: int ``[n n]``, symmetric, number of features that pairs share.
        partners: Of each photograph; pairs that share nothing are left out.

    Returns:
        Pairs (i, j) with i < j.
    """
    shared = shared.copy()
    np.fill_diagonal(shared, 0)
    best = np.argsort(-shared, axis=1, kind="stable")[:, :partners]
    return {
        (min(i, j), max(i, j))
        for i, row in enumerate(best.tolist())
        for j in row
        if shared[i, j]
    }


def _shared_features(
    copies: Sequence[Copy], folders: Folders, pairs: list[tuple[int, int]]
) -> np.ndarray:
    """Number ``[n n]`` of features of large scale that match between photographs."""
    described = []
    with pycolmap.Database.open(folders.database) as database:
        for copy in copies:
            image: Any = database.read_image_with_name(copy.file)
            image_id = image.image_id
            shapes = database.read_keypoints(image_id)[:, 2:6]  # affine
            largest = np.argsort(-np.square(shapes).sum(axis=1))[:_LARGEST]
            values = database.read_descriptors(image_id).data[largest]
            described.append(values.astype(np.float32))
    shared = np.zeros((len(copies), len(copies)), np.int64)
    for i, j in progress(pairs, "choosing pairs"):
        shared[i, j] = shared[j, i] = len(match(described[i], described[j]))
    return shared


def _is_near(steps: int) -> bool:
    """Whether a frame is matched with the one so many later: 1 to 8, 16, 32, 64."""
    return steps <= 8 or steps in (16, 32, 64)


def _camera_key(copy: Copy) -> tuple:
    focal = round(np.log(copy.focal) / np.log(_FOCAL_STEP)) if copy.focal else None
    return copy.width, copy.height, focal


def _chunks(items: Sequence, size: int) -> list[Sequence]:
    return [items[i : i + size] for i in range(0, len(items), size)]
