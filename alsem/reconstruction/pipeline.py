"""From photographs or a video to a capture: all stages of structure from motion."""

import collections
import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path

import pycolmap

from alsem.core.errors import InputError
from alsem.reconstruction import advice, features, mapping, photographs, undistortion
from alsem.reconstruction.photographs import LEAST
from alsem.reconstruction.video import sharp_frames
from alsem.reconstruction.working_copies import (
    Copy,
    Folders,
    copy_frames,
    copy_photographs,
)

VIDEO_FRAMES = 120  # of a video, if not said


@dataclasses.dataclass(frozen=True)
class Source:
    """What is reconstructed: photographs or a video.

    Attributes:
        images: Folder of photographs; None for a video.
        video: The video; None for photographs.
        masks: Folder of the photographs' masks; None without any.
        frames: Greatest number of photographs to use, the sharpest of equal parts; 0
            for all photographs, or `VIDEO_FRAMES` of a video.
    """

    images: Path | None = None
    video: Path | None = None
    masks: Path | None = None
    frames: int = 0

    def copies(self, folders: Folders, longest: int) -> list[Copy]:
        """Makes the working copies; raises `InputError`."""
        if self.video is not None:
            chosen = sharp_frames(self.video, self.frames or VIDEO_FRAMES)
            return copy_frames(chosen, folders.make(), longest)
        assert self.images is not None
        listed = photographs.list_photographs(self.images, self.masks)
        if self.frames:
            listed = photographs.sharpest(listed, self.frames)
        return copy_photographs(listed, folders.make(), longest)


def reconstruct(
    source: Source, out: Path, *, width: int, lens: str = "radial"
) -> Iterator[str]:
    """Writes a capture in COLMAP's layout, all of it or nothing.

    Args:
        source: The photographs.
        out: The new folder, which must not exist.
        width: Of the photographs written, pixels; see `undistortion.pinhole_cameras`.
        lens: A row of `features.LENSES`.

    Yields:
        Lines about each stage as it ends.

    Raises:
        InputError: The input is unusable or the folder cannot be written, or fewer than
            three photographs can be placed.
        Interrupted: The program was asked to end; nothing is left behind.
    """
    if out.exists():
        raise InputError(f"{out}: exists already; give another --out")
    draft = out.with_name(f".{out.name}.part")
    folders = Folders(draft / "work")
    pycolmap.logging.minloglevel = pycolmap.logging.Level.FATAL.value  # ours to tell
    try:
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        copies = source.copies(folders, max(features.FEATURE_SIDE, 2 * width))
        yield f"{len(copies)} photographs; {_cameras(copies)}"
        model, evidence, sizes = _model(source, copies, folders, lens)
        by_file = {copy.file: copy for copy in copies}
        mapping.stand_upright(model)
        undistortion.write_capture(model, by_file, folders, draft, width)
        yield _placed(model, len(copies))
        yield from advice.advice_lines(evidence, sizes)
        shutil.rmtree(folders.root)
        draft.rename(out)
    except OSError as error:
        raise InputError(
            f"{out}: {error.strerror or error}; choose another --out"
        ) from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _model(
    source: Source, copies: list[Copy], folders: Folders, lens: str
) -> tuple[pycolmap.Reconstruction, list[advice.Evidence], list[int]]:
    """The largest model, what is known of each photograph, and all models' sizes."""
    features.extract(copies, folders, lens)
    in_order = source.video is not None
    partners = features.match_features(copies, folders, in_order=in_order)
    counts = features.count_features(folders)
    models = mapping.place(folders, len(copies))
    placed = set[str]()
    if models:
        placed = {models[0].image(i).name for i in models[0].reg_image_ids()}
    evidence = [
        advice.Evidence(
            name=copy.name,
            is_placed=copy.file in placed,
            features=counts[copy.file],
            partners=partners[copy.file],
            sharpness=copy.sharpness,
        )
        for copy in copies
    ]
    sizes = [model.num_reg_images() for model in models]
    if len(placed) < LEAST:
        lines = " ".join(advice.advice_lines(evidence, sizes))
        raise InputError(
            f"{source.video or source.images}: only {len(placed)} photographs can be"
            f" placed. {lines}"
        )
    return models[0], evidence, sizes


def _cameras(copies: list[Copy]) -> str:
    sizes = sorted({(copy.width, copy.height) for copy in copies})
    text = f"{sizes[0][0]} x {sizes[0][1]}"
    if len(sizes) > 1:
        text += f" to {sizes[-1][0]} x {sizes[-1][1]}"
    known = sum(copy.focal > 0 for copy in copies)
    return f"worked on at {text} pixels; focal length in the EXIF of {known}"


def _placed(model: pycolmap.Reconstruction, count: int) -> str:
    used = collections.Counter(
        (camera.width, camera.height)
        for key in model.reg_image_ids()
        for camera in [model.camera(model.image(key).camera_id)]
    )
    (width, height), _ = used.most_common(1)[0]
    others = f" and {len(used) - 1} other sizes" if len(used) > 1 else ""
    return (
        f"{model.num_reg_images()} of {count} photographs placed, {width} x {height}"
        f"{others} pixels; {model.num_points3D()} points, each seen in"
        f" {model.compute_mean_track_length():.1f}; mean reprojection error"
        f" {model.compute_mean_reprojection_error():.2f} pixels"
    )
