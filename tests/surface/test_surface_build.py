"""Building a surface cache: merging, quantisation, devices, and resuming."""

import json

import fits
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from alsem import surface
from alsem.core.mesh import batched, make_mesh, put, shard
from alsem.core.types import FieldSamples, RenderedRays, SurfacePoints
from alsem.nerf import PaperField, PaperNerf, cameras


def assert_same(a, b):
    assert a.arrays.keys() == b.arrays.keys()
    for name, array in a.arrays.items():
        np.testing.assert_array_equal(array, b.arrays[name])


def rendered_rays(n=64, s=12, seed=0):
    """Rays with random samples 0.1 m apart."""
    draw = np.random.default_rng(seed)
    weights = draw.dirichlet(np.full(s, 0.4), n) * draw.uniform(0.2, 1.0, (n, 1))
    points = SurfacePoints(*jnp.asarray(draw.uniform(size=(4, n, s, 3))))
    return RenderedRays(
        rgb=jnp.zeros((n, 3)),
        t_edges=jnp.tile(jnp.arange(s + 1) * 0.1, (n, 1)),
        weights=jnp.asarray(weights),
        samples=FieldSamples(jnp.ones((n, s)), points.diffuse, points),
    )


def test_merged_samples_are_weighted_means_heaviest_first():
    rendered = rendered_rays()
    points, weights, t = surface.reduce_samples(rendered, samples=3, gap=0.15)
    assert np.all(np.diff(weights, axis=-1) <= 0)
    t_mids = np.arange(12) * 0.1 + 0.05
    for ray in range(64):
        remaining = np.array(rendered.weights[ray], np.float64)
        values = np.column_stack([t_mids, rendered.samples.surface.diffuse[ray]])
        merged = []
        for _ in range(3):
            is_near = np.abs(t_mids - t_mids[remaining.argmax()]) < 0.15
            fraction = np.where(is_near, remaining, 0)
            total = fraction.sum()
            merged.append((total, *(fraction @ values / total)))
            remaining[is_near] = 0
        merged = np.array(sorted(merged, reverse=True))
        np.testing.assert_allclose(weights[ray], merged[:, 0], atol=1e-5)
        np.testing.assert_allclose(t[ray], merged[:, 1], atol=1e-4)
        np.testing.assert_allclose(points.diffuse[ray], merged[:, 2:], atol=1e-4)


class Rendered(PaperNerf):
    """Returns its parameters as the rendering."""

    def render(self, params, grid, rays):
        return params


def test_quantisation_stays_within_half_a_step(experiment):
    t_max, ids = 6.0, jnp.arange(200, dtype=jnp.int32)
    rendered, held = rendered_rays(200, seed=1), fits.cameras(experiment, t_max)
    points, weights, t = surface.reduce_samples(rendered, samples=2, gap=0.05)
    encode = surface.make_encoder(Rendered(field=PaperField()), samples=2, gap=0.05)
    compact = encode((rendered, None, held), ids)
    found, found_weights, found_t = surface.decode(held, ids, compact)
    np.testing.assert_allclose(found_t, t, atol=0.51 * t_max / 65535)
    np.testing.assert_allclose(np.sum(found_weights, axis=-1), 1.0, atol=1e-6)
    fraction = weights / np.sum(weights, axis=-1, keepdims=True)
    # Half a step of each of the two, over a sum that is off by one at most.
    np.testing.assert_allclose(found_weights, fraction, atol=1.1 / 255)
    np.testing.assert_allclose(found.diffuse, points.diffuse, atol=0.51 / 255)
    np.testing.assert_allclose(found.normal, points.normal, atol=0.51 / 127)
    np.testing.assert_allclose(found.feature, points.feature, atol=1e-3)
    rays = cameras.pool_rays(ids, held.frames)
    on_ray = rays.origins[:, None] + rays.directions[:, None] * found_t[..., None]
    np.testing.assert_allclose(found.x_world, on_ray, atol=1e-6)


def test_eight_devices_render_an_eighth_each_of_the_same_cache(
    build_cache, cache, encode, state
):
    mesh = make_mesh(8)
    for name, array in build_cache(mesh=mesh).arrays.items():
        # Sums in another order move a rounded value by one step, once in a while.
        off = np.abs(array.astype(float) - cache.arrays[name].astype(float))
        assert np.mean(off > 1e-3) < 0.01, name
    params = put((state.params, state.grid, cache.cameras), mesh)
    ids = shard(np.arange(104, dtype=np.int32), mesh)
    for leaf in encode(params, ids).values():
        assert leaf.sharding.is_equivalent_to(batched(mesh), leaf.ndim)
    program = encode.lower(params, ids).compile().as_text()
    assert not any(word in program for word in ("all-gather", "all-reduce"))


class Killed(Exception):
    pass


def test_an_unfinished_folder_is_continued(build_cache, cache, tmp_path):
    seen = []

    def see(frames):
        for frame in frames:
            seen.append(frame)
            yield frame

    def kill_at_2(frames):
        yield from frames[:2]
        raise Killed

    (tmp_path / "t.npy").write_bytes(b"half a header")  # killed in the first frame
    with pytest.raises(Killed):
        build_cache(tmp_path, track=kill_at_2)
    assert json.loads((tmp_path / surface.COMPLETE).read_text())["frames"] == 2
    assert_same(build_cache(tmp_path, track=see), cache)
    assert seen == list(range(2, tiny.TRAIN_FRAMES))
    assert_same(build_cache(tmp_path, track=see), cache)
    assert len(seen) == tiny.TRAIN_FRAMES - 2  # a finished one is opened
