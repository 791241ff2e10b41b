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
    gain, offset = jnp.array([2.0, 0.5]), jnp.array([0.1, -0.1])
    held = {"log_gain": jnp.zeros((2, 3)).at[:, 0].set(jnp.log(gain))}
    held["offset"] = jnp.zeros((2, 3)).at[:, 0].set(offset)
    rgb, frame = jnp.full((3, 3), 0.4), jnp.array([0, 1, 0])
    found = appearance.as_photographed({"appearance": held}, rgb, frame)
    np.testing.assert_allclose(found[:, 0], [0.9, 0.1, 0.9], rtol=1e-6)
    np.testing.assert_allclose(found[:, 1:], 0.4, rtol=1e-6)
    # Exposure common to all frames changes no colour.
    brighter = {name: value + 0.7 for name, value in held.items()}
    same = appearance.as_photographed({"appearance": brighter}, rgb, frame)
    np.testing.assert_allclose(same, found, rtol=1e-6)
    assert appearance.as_photographed({}, rgb, frame) is rgb


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
    workdir = exposed / "run"
    config, plain = (
        tiny.config(
            exposed, model__appearance=is_modelled, train__geometry__fit__steps=200
        )
        for is_modelled in (True, False)
    )
    made, scene = tiny.parts(config, workdir), tiny.fit_geometry(config, workdir)
    frame = jnp.repeat(jnp.arange(tiny.TRAIN_FRAMES), tiny.WIDTH * tiny.HEIGHT)
    rgb = jnp.asarray(scene.train_cache.arrays["rgb"], jnp.float32) / 255
    photographed = appearance.as_photographed(scene.params, rgb, frame)
    true = made.scene.train.rgb.reshape(-1, 3) / 255
    with_light, without = (
        image_quality.psnr(float(np.mean((np.asarray(found) - true) ** 2)))
        for found in (photographed, rgb)
    )
    assert with_light > without + 0.5
    grey, frame = jnp.full((tiny.TRAIN_FRAMES, 3), 0.5), jnp.arange(tiny.TRAIN_FRAMES)
    seen = np.asarray(appearance.as_photographed(scene.params, grey, frame))
    assert seen[::2].max() < seen[1::2].min()
    assert seen[::2].mean() + 0.15 < seen[1::2].mean()
    # It is not taken for geometry that is fitted without exposures.
    other = tiny.parts(plain, workdir)
    one, two = (
        geometry_stage.address(each.scene, each.nerf, each.geometry, each.surface)
        for each in (made, other)
    )
    assert one != two
