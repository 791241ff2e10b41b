"""Poses and points from matches: COLMAP's incremental mapping."""

import threading
from typing import Any

import numpy as np
import pycolmap
from scipy.spatial.transform import Rotation

from alsem.core import signals
from alsem.core.progress import progress
from alsem.reconstruction.working_copies import Folders

_LOOK_SECONDS = 0.5  # between two looks at the clock and at signals


def place(folders: Folders, count: int) -> list[pycolmap.Reconstruction]:
    """Places photographs one after the other.

    Args:
        folders: Where the photographs, features and matches are.
        count: Number of photographs.

    Returns:
        Models that share no photograph's pose, the largest first; none if no pair of
        photographs could be placed.

    Raises:
        Interrupted: The program was asked to end.
    """
    token, placed, result = pycolmap.CancellationToken(), [0], {}
    options = pycolmap.IncrementalPipelineOptions(random_seed=0)
    options.min_model_size = min(options.min_model_size, 3 + count // 10)
    output = folders.root / "models"
    output.mkdir()

    def next_image() -> None:
        placed[0] += 1

    def work() -> None:
        try:
            result["models"] = pycolmap.incremental_mapping(
                folders.database,
                folders.images,
                output,
                options,
                next_image_callback=next_image,
                cancellation_token=token,
            )
        except Exception as error:
            result["error"] = error

    thread = threading.Thread(target=work)
    with progress(count, "placing photographs") as bar:
        thread.start()
        try:
            while thread.is_alive():
                thread.join(_LOOK_SECONDS)
                signals.check()
                bar.update(min(placed[0], count) - bar.n)
        finally:
            token.cancel()
            thread.join()
    if "error" in result:
        raise result["error"]
    found = result["models"].values()
    return sorted(found, key=lambda model: -model.num_reg_images())


def stand_upright(model: pycolmap.Reconstruction) -> None:
    """Turns a model so that +z is up and its cameras' mean place the origin.

    Up is the direction in which the cameras' horizontal axes have no part, for people
    hold cameras level; the unit stays.
    """
    poses = [image.cam_from_world().matrix() for image in _images(model)]
    axes = np.stack([pose[:3, :3] for pose in poses])
    _, _, directions = np.linalg.svd(axes[:, 0])
    up = directions[-1]
    up = -up if (axes[:, 1] @ up).sum() > 0 else up  # y of a camera points down
    turn = Rotation.align_vectors(np.array([[0.0, 0.0, 1.0]]), up[None])[0].as_matrix()
    middle = np.mean([image.projection_center() for image in _images(model)], axis=0)
    matrix = np.concatenate([turn, -(turn @ middle)[:, None]], axis=1)
    model.transform(pycolmap.Sim3d(matrix))


def _images(model: pycolmap.Reconstruction) -> list[Any]:
    return [model.image(image_id) for image_id in model.reg_image_ids()]
