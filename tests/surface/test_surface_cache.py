"""The surface cache: its arrays, chunks, and points."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from alsem import surface


def test_rendered_depth_and_end_points_are_those_of_the_walls(experiment, cache):
    depth_z = experiment.scene.train.depth_z.reshape(-1)
    assert np.median(np.abs(cache.arrays["depth_z"] - depth_z)) < 0.05
    x_world = surface.end_points(cache)
    off = np.minimum(np.abs(x_world), np.abs(x_world - tiny.SIZE)).min(axis=-1)
    assert np.median(off) < 0.05


def test_arrays_are_compact_and_heaviest_first(cache):
    samples, features = 2, 7
    n = cache.num_rays
    assert n == tiny.TRAIN_FRAMES * tiny.WIDTH * tiny.HEIGHT
    bytes_per_ray = sum(array.nbytes for array in cache.arrays.values()) / n
    assert bytes_per_ray == samples * (9 + 2 * features) + 7
    weight = cache.arrays["weight"].astype(int)
    assert np.all(weight[:, 0] >= weight[:, 1])
    assert np.all(np.abs(weight.sum(axis=-1) - 255) <= 1)


@pytest.mark.parametrize("stride", [1, 3])
def test_chunks_have_every_ray_once_and_pad_the_last_of_a_group(cache, stride):
    size, n = 500, cache.num_rays
    seen = []
    for ids, part in cache.chunks(size, stride=stride):
        assert len(ids) == size == len(part["t"])
        real = ids[ids < n]
        assert len(real) and np.all(ids[len(real) :] == n)
        samples = part["t"].shape[1]
        heavy = cache.arrays["weight"][real] > surface.FAINT
        assert np.all(np.maximum(heavy.sum(axis=1), 1) == samples)
        padded = np.pad(real, (0, size - len(real)), mode="edge")
        for name in ("t", "feature"):
            expected = cache.arrays[name][padded, :samples]
            np.testing.assert_array_equal(part[name], expected)
        seen.append(real)
    assert [samples for samples, _ in cache.groups] == [1, 2]
    groups = [rays[::stride] for _, rays in cache.groups]
    np.testing.assert_array_equal(np.concatenate(seen), np.concatenate(groups))
    every = np.concatenate([rays for _, rays in cache.groups])
    np.testing.assert_array_equal(np.sort(every), np.arange(n))


def test_samples_that_a_chunk_leaves_out_have_no_weight(cache):
    ids = cache.groups[0][1]
    compact = jax.tree.map(jnp.asarray, cache.take(ids))
    _, weights, _ = surface.decode(cache.cameras, jnp.asarray(ids), compact)
    assert np.all(weights[:, 0] == 1) and not np.any(weights[:, 1:])
