"""Exposure that changes from frame to frame, and the field's colours despite it."""

import captures
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from PIL import Image

from alsem.active import geometry_stage
from alsem.evaluation import image_quality
from alsem.nerf import appearance


def test_a_frame_has_a_gain_and_an_offset_of_its_own():
    held = {
        "log_gain": jnp.log(jnp.array([[2.0, 1, 1], [0.5, 1, 1]])),
        "offset": jnp.array([[0.1, 0, 0], [-0.1, 0, 0]]),
    }
    rgb = jnp.full((3, 3), 0.4)
    frame = jnp.array([0, 1, 0])
    found = appearance.as_photographed({"appearance": held}, rgb, frame)
    np.testing.assert_allclose(found[:, 0], [0.9, 0.1, 0.9], rtol=1e-6)
    np.testing.assert_allclose(found[:, 1:], 0.4, rtol=1e-6)
    assert appearance.as_photographed({}, rgb, frame) is rgb


def test_exposure_common_to_all_frames_changes_no_colour():
    rgb, frame = jnp.full((4, 3), 0.4), jnp.array([0, 1, 2, 2])
    held = {"log_gain": jnp.full((3, 3), 0.7), "offset": jnp.full((3, 3), 0.2)}
    found = appearance.as_photographed({"appearance": held}, rgb, frame)
    np.testing.assert_allclose(found, rgb, rtol=1e-6)


@pytest.fixture(scope="module")
def exposed(tmp_path_factory):
    """The box, every other training photograph at 0.55 of the light, others at 1."""
    folder = tmp_path_factory.mktemp("exposed")
    scene = tiny.write_box(folder)
    for i in range(0, tiny.TRAIN_FRAMES, 2):
        path = scene / captures.TRAIN / "rgb" / f"rgb_{i}.png"
        with Image.open(path) as image:
            captures.save_png(path, np.round(np.array(image) * 0.55).astype(np.uint8))
    return folder


def test_modelled_exposure_fits_photographs_of_changing_light(exposed):
    light = {}
    for is_modelled in (True, False):
        config = tiny.config(
            exposed,
            model__appearance=is_modelled,
            train__geometry__fit__steps=200,
        )
        experiment = tiny.parts(config, exposed / "runs" / "unused")
        scene = tiny.fit_geometry(config, exposed / "runs" / "unused")
        assert ("appearance" in scene.params) == is_modelled
        frames = experiment.scene.train
        rgb = jnp.asarray(scene.pool.arrays["rgb"], jnp.float32) / 255
        frame = jnp.repeat(jnp.arange(tiny.TRAIN_FRAMES), tiny.WIDTH * tiny.HEIGHT)
        photographed = np.asarray(appearance.as_photographed(scene.params, rgb, frame))
        off = photographed - frames.rgb.reshape(-1, 3) / 255
        light[is_modelled] = image_quality.psnr(float(np.mean(off**2)))
        if is_modelled:
            grey = jnp.full((tiny.TRAIN_FRAMES, 3), 0.5)
            frame = jnp.arange(tiny.TRAIN_FRAMES)
            seen = np.asarray(appearance.as_photographed(scene.params, grey, frame))
            assert seen[::2].max() < seen[1::2].min()
            assert seen[::2].mean() + 0.15 < seen[1::2].mean()
    assert light[True] > light[False] + 0.5


def test_geometry_with_and_without_appearance_has_two_addresses(exposed):
    names = set()
    for is_modelled in (True, False):
        config = tiny.config(exposed, model__appearance=is_modelled)
        made = tiny.parts(config, exposed / "runs" / "unused")
        options = (made.geometry, made.surface)
        names.add(geometry_stage.address(made.scene, made.nerf, *options))
    assert len(names) == 2
