"""Whether fitted geometry shows the room: a verdict without any ground truth.

Photographs that the field was not fitted to are compared with its renderings, and its
depth with what a sensor or stereo measured. A field of fog can show the photographs it
was fitted to; it shows no others.
"""

import dataclasses

import jax
import numpy as np

from alsem import surface, training
from alsem.active.geometry_options import SurfaceOptions
from alsem.active.survey import Survey
from alsem.core.mesh import padded_size
from alsem.data import Frames, Photographs, Scene, downscale
from alsem.evaluation import image_quality
from alsem.nerf import Nerf
from alsem.surface import SurfaceCache

WIDTH = 96  # pixels, at which held-out photographs are compared
MAX_FRAMES = 20  # that are compared
LEAST_MEASURED = 0.02  # fraction of the pixels whose depth speaks for all
CLOSE = 0.05  # of the depth: an error below it counts as agreement
# Least PSNR, dB, and least agreement of a geometry that is good, and that is usable.
# A field of fog was found at 13 dB, fits that label rooms well from 22 dB on.
GOOD = (22.0, 0.75)
USABLE = (17.0, 0.4)


@dataclasses.dataclass(frozen=True)
class GeometryVerdict:
    """Whether a field shows the room.

    Attributes:
        grade: ``good``, ``usable`` or ``failed``.
        psnr: Of photographs that the field was not fitted to, dB; None without any.
        agreement: Fraction of pixels with measured depth whose rendered depth is within
            5 % of it; None where nothing was measured.
        measured: Fraction of the pixels that have measured depth.
        source: What measured it: ``sensor``, ``stereo`` or ``nothing``.
        advice: What helps, if it is not good.
    """

    grade: str
    psnr: float | None
    agreement: float | None
    measured: float
    source: str
    advice: str

    @property
    def trust(self) -> float | None:
        """What an estimate that believes the geometry is multiplied by.

        One where it is good; where it is usable, the fraction of depth that is met, for
        what lies elsewhere has the labels of other things; None where it failed.
        """
        if self.grade == "good":
            return 1.0
        if self.grade == "failed":
            return None
        return 0.5 if self.agreement is None else self.agreement

    def line(self) -> str:
        """The verdict as one line."""
        parts = []
        if self.psnr is not None:
            parts.append(f"photographs it has not seen are shown at {self.psnr:.1f} dB")
        if self.agreement is not None:
            parts.append(
                f"{100 * self.agreement:.0f} % of the depth by {self.source} is met"
                f" ({100 * self.measured:.0f} % of the pixels have one)"
            )
        else:
            parts.append("no depth was measured to compare with")
        text = f"geometry is {self.grade}: {', '.join(parts)}"
        return f"{text}; {self.advice}" if self.advice else text


def grade(psnr: float | None, agreement: float | None) -> str:
    """The grade of a geometry by the worse of its two figures.

    Without either nothing speaks for it: it is usable at best.
    """
    if psnr is None and agreement is None:
        return "usable"
    for name, (least_psnr, least_agreement) in (("good", GOOD), ("usable", USABLE)):
        if (psnr is None or psnr >= least_psnr) and (
            agreement is None or agreement >= least_agreement
        ):
            return name
    return "failed"


def check_geometry(
    scene: Scene,
    nerf: Nerf,
    state: training.TrainState,
    surfaces: SurfaceOptions,
    found: Survey | None,
    caches: tuple[SurfaceCache, SurfaceCache],
    mesh: jax.sharding.Mesh,
) -> GeometryVerdict:
    """Compares a field with photographs and depth that say whether it is right.

    Without depth these are the photographs that the survey held out and depth by
    stereo; with depth the test photographs (their colours only) and the sensor's depth
    in the training frames.

    Args:
        scene: The capture.
        nerf: The renderer.
        state: The fitted field.
        surfaces: How its caches were rendered.
        found: What stereo found; None where there is measured depth.
        caches: Those of the training and of the test frames.
        mesh: The devices.
    """
    train_cache, test_cache = caches
    align = "appearance" in state.params
    if found is None:
        frames, rendered = scene.test, test_cache.arrays["rgb"]
        psnr = _psnr(frames, rendered.reshape(frames.rgb.shape), align=align)
        depth_z = scene.train.depth_z
        if depth_z is None:
            return _verdict(psnr, None, 0.0, "nothing")
        seen = train_cache.arrays["depth_z"].reshape(depth_z.shape)
        return _verdict(psnr, *_agreement(seen, depth_z), "sensor")
    photos = scene.geometry_photographs
    held_out = found.held_out[:: -(-len(found.held_out) // MAX_FRAMES) or 1]
    if not len(held_out):
        return _verdict(None, None, 0.0, "nothing")
    small, cache = _rendered(photos, held_out, nerf, state, surfaces, mesh)
    psnr = _psnr(small, cache.arrays["rgb"].reshape(small.rgb.shape), align=align)
    if found.depth is None:
        return _verdict(psnr, None, 0.0, "nothing")
    rows = np.searchsorted(found.depth.frame, held_out)
    size = (small.rgb.shape[2], small.rgb.shape[1])
    measured = np.stack(
        [downscale.point_sample(found.depth.depth_z[row], size) for row in rows]
    )
    if small.valid_mask is not None:
        measured = np.where(small.valid_mask, measured, 0.0)
    seen = cache.arrays["depth_z"].reshape(measured.shape)
    return _verdict(psnr, *_agreement(seen, measured), "stereo")


def _rendered(
    photos: Photographs,
    chosen: np.ndarray,
    nerf: Nerf,
    state: training.TrainState,
    surfaces: SurfaceOptions,
    mesh: jax.sharding.Mesh,
) -> tuple[Frames, SurfaceCache]:
    """Some photographs at a small size, and what the field shows in their place."""
    frames, camera = photos.frames, photos.intrinsics
    size = downscale.target_size(
        (camera.width, camera.height), width=min(WIDTH, camera.width)
    )
    mask = frames.valid_mask
    small = Frames(
        tuple(frames.names[i] for i in chosen),
        np.stack([downscale.area_average(frames.rgb[i], size) for i in chosen]),
        frames.world_from_cam[chosen],
        None,
        valid_mask=None
        if mask is None
        else np.stack([downscale.all_of(mask[i], size) for i in chosen]),
    )
    assert surfaces.t_max is not None
    cache = surface.build(
        surface.make_encoder(nerf, samples=surfaces.samples, gap=surfaces.gap),
        state.params,
        state.grid,
        small.world_from_cam,
        intrinsics=downscale.downscaled(camera, size),
        pixel_offset=(0.0, 0.0),
        t_max=surfaces.t_max,
        chunk=padded_size(min(surfaces.render_chunk, size[0] * size[1]), mesh),
        mesh=mesh,
    )
    return small, cache


def _psnr(frames: Frames, rendered: np.ndarray, *, align: bool) -> float | None:
    """PSNR of rendered photographs, dB; None if masks hide all of them.

    With ``align`` each gets the gain and the offset a channel that fit it best: its
    exposure is not known, for it was not fitted to.
    """
    errors = []
    for i, image in enumerate(frames.rgb):
        valid = ... if frames.valid_mask is None else frames.valid_mask[i]
        target = image[valid].reshape(-1, 3) / 255.0
        seen = rendered[i][valid].reshape(-1, 3) / 255.0
        if align and len(target):
            for channel in range(3):
                inputs = np.stack([seen[:, channel], np.ones(len(seen))], axis=1)
                fit = np.linalg.lstsq(inputs, target[:, channel], rcond=None)[0]
                seen[:, channel] = inputs @ fit
        errors.append(np.square(seen - target).ravel())
    every = np.concatenate(errors) if errors else np.zeros(0)
    return image_quality.psnr(float(every.mean())) if every.size else None


def _agreement(depth_z: np.ndarray, measured: np.ndarray) -> tuple[float | None, float]:
    """Fraction of measured depths that are met, and of pixels that have one.

    Too few measured pixels (`LEAST_MEASURED`) say nothing: None.
    """
    known = measured > 0
    if known.mean() < LEAST_MEASURED:
        return None, float(known.mean())
    off = np.abs(depth_z[known] - measured[known])
    return float(np.mean(off < CLOSE * measured[known])), float(known.mean())


def _verdict(
    psnr: float | None, agreement: float | None, measured: float, source: str
) -> GeometryVerdict:
    name, advice = grade(psnr, agreement), ""
    steps = "train.geometry.fit.steps"
    if source != "sensor":
        steps = "train.geometry.colour_only.steps"
    if name != "good":
        advice = (
            "check poses and lens with alsem.validate, photograph from more places with"
            f" more overlap and light, or give depth; {steps} lengthens the fit"
        )
    return GeometryVerdict(name, psnr, agreement, measured, source, advice)
