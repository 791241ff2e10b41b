"""The surface cache: what it keeps, what that costs, and that a kill costs nothing."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import tiny

from alsem import surface, training
from alsem.active import geometry_stage
from alsem.active.pixel_data import pixel_data
from alsem.core import rng
from alsem.core.errors import InputError
from alsem.core.types import FieldSamples, RenderedRays, SurfacePoints
from alsem.nerf import cameras
from alsem.surface.posterior import make_posterior

RAYS_PER_FRAME = tiny.WIDTH * tiny.HEIGHT


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    folder = tmp_path_factory.mktemp("surface")
    tiny.write_box(folder)
    return tiny.parts(tiny.config(folder), folder / "run")


@pytest.fixture(scope="module")
def state(experiment):
    """Geometry after 300 steps: walls, not fog."""
    tx = optax.adam(1e-2, eps=1e-8)
    step = training.make_geometry_step(
        experiment.nerf,
        tx,
        weight=experiment.geometry_loss,
        batch_rays=256,
        intrinsics=experiment.scene.intrinsics,
        pixel_offset=experiment.scene.pixel_offset,
        mesh=experiment.mesh,
    )
    run = training.make_runner(step, steps_per_call=50, mesh=experiment.mesh)
    params = experiment.nerf.init(jax.random.key(0))
    grid = experiment.nerf.init_grid()
    key = jax.random.key(1)
    done = training.fit(
        run,
        training.init_state(params, tx, grid=grid),
        pixel_data(experiment.scene),
        key,
        num_steps=300,
        steps_per_call=50,
    )
    return geometry_stage.refresh_whole_grid(experiment.nerf, done, key)


@pytest.fixture(scope="module")
def encode(experiment):
    options, scene = experiment.surface, experiment.scene
    return surface.make_encoder(
        lambda held, rays: experiment.nerf.render(held[0], held[1], rays),
        intrinsics=scene.intrinsics,
        pixel_offset=scene.pixel_offset,
        samples=options.samples,
        gap=options.gap,
        t_max=options.t_max,
    )


@pytest.fixture(scope="module")
def build_cache(experiment, state, encode):
    def build_one(folder=None, **kwargs):
        return surface.build(
            encode,
            (state.params, state.grid),
            experiment.scene.train.world_from_cam,
            intrinsics=experiment.scene.intrinsics,
            pixel_offset=experiment.scene.pixel_offset,
            t_max=experiment.surface.t_max,
            chunk=100,  # no divisor of a frame: its last chunk is padded
            folder=folder,
            **kwargs,
        )

    return build_one


@pytest.fixture(scope="module")
def cache(build_cache):
    return build_cache()


def assert_same(a, b):
    assert a.arrays.keys() == b.arrays.keys()
    for name, array in a.arrays.items():
        np.testing.assert_array_equal(array, b.arrays[name])


def test_probabilities_are_those_of_the_whole_ray(experiment, state, cache):
    ids = jnp.arange(cache.num_rays, dtype=jnp.int32)
    rays = cameras.pool_rays(
        ids,
        jnp.asarray(cache.world_from_cam),
        cache.intrinsics,
        cache.pixel_offset,
    )
    whole = jax.jit(experiment.nerf.render)(state.params, state.grid, rays)
    heads, params = trained_heads(experiment, cache)
    logits = heads.apply(params, whole.samples.surface)
    fraction = whole.weights / jnp.sum(whole.weights, axis=-1, keepdims=True)
    logits = jnp.sum(fraction[None, ..., None] * logits, axis=-2)
    wanted = jnp.moveaxis(jax.nn.softmax(logits, axis=-1), 0, 1)
    posterior = jax.jit(make_posterior(heads, surface.decoder(cache)))
    found = posterior(params, ids, cache.take(slice(None))).probs
    # Two places of a ray stand for its twelve samples; the fog of a coarse field is
    # spread over more, so the bound is on the mean.
    assert float(jnp.mean(jnp.abs(found - wanted))) < 0.01
    same = jnp.argmax(found, axis=-1) == jnp.argmax(wanted, axis=-1)
    assert float(jnp.mean(same)) > 0.95
    assert float(jnp.mean(jnp.max(wanted, axis=-1))) > 0.6  # it has an opinion


def trained_heads(experiment, cache):
    """Heads that have seen every label of the pool for a while."""
    heads, tx = experiment.heads[-1], optax.adam(1e-2)
    step = training.make_semantic_step(
        heads,
        tx,
        decode=surface.decoder(cache),
        batch_rays=256,
        rays_per_frame=tiny.WIDTH * tiny.HEIGHT,
        mesh=experiment.mesh,
    )
    run = training.make_runner(step, steps_per_call=50, mesh=experiment.mesh)
    one = jax.tree.map(jnp.asarray, cache.take(slice(1)))
    points, _, _ = surface.decoder(cache)(jnp.zeros(1, jnp.int32), one)
    labels = experiment.truth.train_labels.reshape(-1).astype(np.int32)
    data = training.LabelledSurface(
        pixel=jnp.arange(cache.num_rays, dtype=jnp.int32),
        compact=jax.tree.map(jnp.asarray, cache.take(slice(None))),
        label=jnp.asarray(labels),
        count=jnp.int32(cache.num_rays),
    )
    state = training.init_state({"heads": heads.init(jax.random.key(2), points)}, tx)
    key = rng.run_key(0, "fit")
    state = training.fit(run, state, (data, {}), key, num_steps=200, steps_per_call=50)
    return heads, state.params["heads"]


def test_depth_is_that_of_the_walls(experiment, cache):
    depth_z = cache.arrays["depth_z"].reshape(experiment.scene.train.depth_z.shape)
    off = np.abs(depth_z - experiment.scene.train.depth_z)
    assert np.median(off) < 0.05


def test_end_points_lie_on_the_walls(experiment, cache):
    x_world = surface.end_points(cache)
    off = np.minimum(np.abs(x_world), np.abs(x_world - tiny.SIZE)).min(axis=-1)
    assert np.median(off) < 0.05


def test_arrays_are_compact_and_heaviest_first(cache):
    samples, features = 2, 7
    n = cache.num_rays
    assert n == tiny.TRAIN_FRAMES * RAYS_PER_FRAME
    bytes_per_ray = sum(array.nbytes for array in cache.arrays.values()) / n
    assert bytes_per_ray == samples * (9 + 2 * features) + 7
    weight = cache.arrays["weight"].astype(int)
    assert np.all(weight[:, 0] >= weight[:, 1])
    assert np.all(np.abs(weight.sum(axis=-1) - 255) <= 1)


def rendered_rays(n=64, s=12, seed=0):
    """Rays with random samples 0.1 m apart."""
    draw = np.random.default_rng(seed)
    edges = np.broadcast_to(np.arange(s + 1) * 0.1, (n, s + 1))
    weights = draw.dirichlet(np.full(s, 0.4), n) * draw.uniform(0.2, 1.0, (n, 1))
    arrays = {name: draw.uniform(size=(n, s, 3)) for name in ("x", "n", "a", "f")}
    x, normal, diffuse, feature = (jnp.asarray(a, jnp.float32) for a in arrays.values())
    return RenderedRays(
        rgb=jnp.zeros((n, 3)),
        t_edges=jnp.asarray(edges, jnp.float32),
        weights=jnp.asarray(weights, jnp.float32),
        samples=FieldSamples(
            density=jnp.ones((n, s)),
            rgb=diffuse,
            surface=SurfacePoints(x, normal, diffuse, feature),
        ),
    )


def test_places_are_weighted_means_heaviest_first():
    rendered = rendered_rays()
    points, weights, t = surface.reduce_samples(rendered, samples=3, gap=0.15)
    assert np.all(np.diff(weights, axis=-1) <= 0)
    assert np.all(np.sum(weights, axis=-1) <= np.sum(rendered.weights, axis=-1) + 1e-6)
    t_mids = np.arange(12) * 0.1 + 0.05
    for ray in range(64):
        remaining = np.array(rendered.weights[ray], np.float64)
        places = []
        for _ in range(3):
            member = np.abs(t_mids - t_mids[remaining.argmax()]) < 0.15
            fraction = np.where(member, remaining, 0)
            diffuse = fraction @ np.array(rendered.samples.surface.diffuse[ray])
            total = fraction.sum()
            places.append((total, fraction @ t_mids / total, *diffuse / total))
            remaining[member] = 0
        places = np.array(sorted(places, reverse=True))
        np.testing.assert_allclose(weights[ray], places[:, 0], atol=1e-5)
        np.testing.assert_allclose(t[ray], places[:, 1], atol=1e-4)
        np.testing.assert_allclose(points.diffuse[ray], places[:, 2:], atol=1e-4)


def test_quantisation_stays_within_half_a_step(experiment):
    n, t_max = 200, 6.0
    rendered = rendered_rays(n, seed=1)
    points, weights, t = surface.reduce_samples(rendered, samples=2, gap=0.05)
    encode = surface.make_encoder(
        lambda held, rays: held,
        intrinsics=experiment.scene.intrinsics,
        pixel_offset=(0.0, 0.0),
        samples=2,
        gap=0.05,
        t_max=t_max,
    )
    poses = jnp.asarray(experiment.scene.train.world_from_cam)
    ids = jnp.arange(n, dtype=jnp.int32)
    compact = encode(rendered, ids, poses)
    rays = cameras.pool_rays(ids, poses, experiment.scene.intrinsics, (0.0, 0.0))
    found, found_weights, found_t = surface.decode(compact, rays, t_max=t_max)
    np.testing.assert_allclose(found_t, t, atol=0.51 * t_max / 65535)
    np.testing.assert_allclose(np.sum(found_weights, axis=-1), 1.0, atol=1e-6)
    fraction = weights / np.sum(weights, axis=-1, keepdims=True)
    # Half a step of each of the two, over a sum that is off by one at most.
    np.testing.assert_allclose(found_weights, fraction, atol=1.1 / 255)
    np.testing.assert_allclose(found.diffuse, points.diffuse, atol=0.51 / 255)
    np.testing.assert_allclose(found.normal, points.normal, atol=0.51 / 127)
    np.testing.assert_allclose(found.feature, points.feature, atol=1e-3)
    on_ray = rays.origins[:, None] + rays.directions[:, None] * found_t[..., None]
    np.testing.assert_allclose(found.x_world, on_ray, atol=1e-6)


@pytest.mark.parametrize("stride", [1, 3])
def test_chunks_hand_out_every_ray_once_and_pad_the_last_of_a_group(cache, stride):
    size, n = 500, cache.num_rays
    seen = []
    for ids, part in cache.chunks(size, stride=stride):
        assert len(ids) == size == len(part["t"])
        samples = part["t"].shape[1]
        real = ids[ids < n]
        assert len(real) and np.all(ids[len(real) :] == n)
        heavy = cache.arrays["weight"][real] > surface.FAINT
        assert np.all(np.maximum(heavy.sum(axis=1), 1) == samples)
        for name in ("t", "feature"):
            expected = cache.arrays[name][real, :samples]
            np.testing.assert_array_equal(part[name][: len(real)], expected)
            last = np.broadcast_to(expected[-1], part[name][len(real) :].shape)
            np.testing.assert_array_equal(part[name][len(real) :], last)
        seen.append(real)
    groups = [rays[::stride] for _, rays in cache.groups]
    assert [samples for samples, _ in cache.groups] == [1, 2]
    np.testing.assert_array_equal(np.concatenate(seen), np.concatenate(groups))
    if stride == 1:
        np.testing.assert_array_equal(np.sort(np.concatenate(seen)), np.arange(n))


def test_what_a_chunk_leaves_out_changes_no_belief(cache, experiment):
    decode = surface.decoder(cache)
    ids = cache.groups[0][1]
    _, weights, _ = decode(jnp.asarray(ids), jax.tree.map(jnp.asarray, cache.take(ids)))
    assert np.all(weights[:, 0] == 1) and not np.any(weights[:, 1:])


class Killed(Exception):
    pass


def kill_after(frames):
    def track(todo):
        for done, frame in enumerate(todo):
            if done == frames:
                raise Killed
            yield frame

    return track


def test_a_half_built_folder_goes_on_where_it_was(build_cache, cache, tmp_path):
    with pytest.raises(Killed):
        build_cache(tmp_path, track=kill_after(2))
    done = json.loads((tmp_path / surface.COMPLETE).read_text())
    assert done["frames"] == 2
    seen = []
    again = build_cache(tmp_path, track=lambda todo: seen.extend(todo) or todo)
    assert seen == list(range(2, tiny.TRAIN_FRAMES))
    assert_same(again, cache)
    seen.clear()
    opened = build_cache(tmp_path, track=lambda todo: seen.extend(todo) or todo)
    assert seen == []
    assert_same(opened, cache)


def test_a_kill_before_the_first_mark_starts_anew(build_cache, cache, tmp_path):
    (tmp_path / "t.npy").write_bytes(b"half a header")
    assert_same(build_cache(tmp_path), cache)


def test_a_full_disk_is_one_line_that_names_the_file(
    build_cache, tmp_path, monkeypatch
):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    with pytest.raises(InputError, match=r"new/\w+\.npy: No space left on device"):
        build_cache(tmp_path / "new")
