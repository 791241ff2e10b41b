"""Image evidence: statistics of photographs, and how caches carry them."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies
from skimage.color import rgb2lab

from alsem import surface
from alsem.surface import evidence
from alsem.surface.cache import EVIDENCE_STEP


def window(scale, shape, row, col):
    """Weights of a Gaussian window, by its definition in float64."""
    rows, cols = np.mgrid[: shape[0], : shape[1]]
    sigma = scale * shape[1]
    weight = np.exp(-((rows - row) ** 2 + (cols - col) ** 2) / (2 * sigma**2))
    return weight / weight.sum()


def test_statistics_are_those_of_gaussian_windows():
    rgb = np.random.default_rng(0).integers(0, 256, (90, 160, 3)).astype(np.uint8)
    found, lab = evidence.colour_statistics(rgb)[45, 80], rgb2lab(rgb)
    expected = [lab[45, 80]]
    for scale in evidence.SCALES:
        weight = window(scale, rgb.shape[:2], 45, 80)[..., None]
        mean = np.sum(weight * lab, axis=(0, 1))
        spread = np.sqrt(np.sum(weight * (lab - mean) ** 2, axis=(0, 1)))
        expected += [mean, spread]
    # The windows are cut off at four standard deviations.
    np.testing.assert_allclose(found, np.concatenate(expected), rtol=5e-3, atol=0.02)


@given(strategies.tuples(*[strategies.integers(0, 255)] * 3))
def test_an_even_photograph_has_its_colour_and_no_spread(colour):
    rgb = np.full((12, 16, 3), colour, np.uint8)
    found = evidence.colour_statistics(rgb).reshape(-1, 5, 3)
    lab = np.broadcast_to(rgb2lab(rgb)[0, 0], found[:, 0].shape)
    for part, expected in zip((0, 1, 3), [lab] * 3, strict=True):
        np.testing.assert_allclose(found[:, part], expected, atol=1e-3)
    # A difference of two squares of up to 10^4, in float32.
    assert np.abs(found[:, [2, 4]]).max() < 0.1


@pytest.fixture(scope="module")
def pair(experiment, cache):
    """The training cache with evidence, and one of its last frame with a new photo."""
    one = dataclasses.replace(cache, arrays={}, world_from_cam=cache.world_from_cam[:1])
    rgb = experiment.scene.train.rgb
    return surface.add_evidence(cache, one, rgb, np.zeros_like(rgb[:1]))


def test_evidence_is_standardised_over_training_frames_and_cut_off(pair, experiment):
    train, test = (found.arrays["evidence"].astype(float) for found in pair)
    assert train.shape == (experiment.scene.train.rgb[..., 0].size, 15)
    assert abs(EVIDENCE_STEP * train).max() <= evidence.CLIP
    np.testing.assert_allclose(EVIDENCE_STEP * train.mean(axis=0), 0, atol=0.1)
    np.testing.assert_allclose(EVIDENCE_STEP * train.std(axis=0), 1, atol=0.1)
    # Black, as the training frames are not: darker than their mean, everywhere alike.
    assert np.all(test[:, 0] < -32) and np.ptp(test, axis=0).max() == 0


def test_hidden_pixels_do_not_decide_what_is_standard(experiment, cache):
    rgb = experiment.scene.train.rgb
    black, mask = rgb.copy(), np.ones(rgb.shape[:3], bool)
    black[0], mask[0] = 0, False
    asked = []

    def track(frames):
        asked.append(len(frames))
        return frames

    def values(images, mask):
        made = surface.add_evidence(
            cache, cache, images, images, valid_mask=mask, track=track
        )[0]
        return made.arrays["evidence"][rgb[0, ..., 0].size :]  # of the other frames

    np.testing.assert_array_equal(values(rgb, mask), values(black, mask))
    assert np.any(values(black, None) != values(black, mask))
    assert asked == [len(rgb)] * 8  # two caches a time
    assert np.all(np.isfinite(values(rgb, np.zeros_like(mask))))


def points_of(cache, rays, samples=None):
    compact = jax.tree.map(jnp.asarray, cache.take(rays, samples=samples))
    return surface.decode(cache.cameras, jnp.asarray(rays, jnp.int32), compact)[0]


def test_a_cache_without_evidence_decodes_to_points_without(cache):
    assert not cache.has_evidence and "evidence" not in cache.take(slice(0, 3))
    assert points_of(cache, np.arange(3)).evidence is None


@pytest.mark.parametrize("samples", [1, 2])
def test_every_sample_of_a_ray_has_its_evidence(pair, samples):
    cache, rays = pair[0], np.array([5, 700, 33])
    assert cache.has_evidence
    points = points_of(cache, rays, samples=samples)
    expected = EVIDENCE_STEP * cache.arrays["evidence"][rays].astype(np.float32)
    for sample in range(samples):
        np.testing.assert_array_equal(points.evidence[:, sample], expected)
    assert points.evidence.shape == (3, samples, 15)


def test_frame_chunks_have_every_ray_in_order(pair):
    cache, per_frame = pair[0], pair[0].rays_per_frame
    chunks = list(cache.frame_chunks(4))  # of six frames: the last chunk is padded
    ids = np.concatenate([ids for ids, _ in chunks])
    np.testing.assert_array_equal(ids, np.arange(8 * per_frame))
    inside = np.minimum(ids, cache.num_rays - 1)
    for name in ("t", "evidence"):
        found = np.concatenate([compact[name] for _, compact in chunks])
        np.testing.assert_array_equal(found, cache.arrays[name][inside])
