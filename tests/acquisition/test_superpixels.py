"""Superpixels: connected, of the wanted size, and along edges."""

import numpy as np
import pytest
from scipy import ndimage

from alsem.acquisition.units import patches, superpixels


def image(seed=0):
    """Noise over a bright disc on a dark ground, and where the disc is."""
    row, column = np.mgrid[:40, :60]
    disc = (row - 19) ** 2 + (column - 33) ** 2 < 150
    noise = np.random.default_rng(seed).normal(0, 5, (40, 60, 3))
    rgb = np.where(disc[..., None], [200, 180, 60], [40, 60, 120]) + noise
    return np.clip(rgb, 0, 255).astype(np.uint8), disc


@pytest.mark.parametrize("size", [15, 60, 400])
def test_superpixels_are_connected_and_of_the_wanted_size(size):
    rgb = np.stack([image(0)[0], image(1)[0]])
    unit = superpixels.superpixel_units(rgb, size=size).reshape(rgb.shape[:3])
    assert set(unit[0].ravel()).isdisjoint(unit[1].ravel())
    for frame in unit:
        for u in np.unique(frame):
            assert ndimage.label(frame == u)[1] == 1
        assert 0.5 < frame.size / len(np.unique(frame)) / size < 2


def test_superpixels_follow_edges():
    rgb, disc = image()

    def num_wrong(unit):
        """Pixels of units that are mostly on the other side of the edge."""
        inside = np.bincount(unit, disc.ravel())
        return np.minimum(inside, np.bincount(unit) - inside).sum()

    unit = superpixels.superpixel_units(rgb[None], size=40)
    patch = patches.patch_units(1, *disc.shape, side=6)
    assert num_wrong(unit) < 0.2 * num_wrong(patch)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (5, 2)])
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_superpixels_of_tiny_images(shape, size):
    unit = superpixels.superpixel_units(np.zeros((2, *shape, 3), np.uint8), size=size)
    assert np.unique(unit).tolist() == list(range(unit.max() + 1))
    assert unit.max() >= 1
