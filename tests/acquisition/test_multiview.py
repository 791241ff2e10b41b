"""Multi-view statistics by voxels: against their definition, and known answers."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from pools import one
from view_pools import C, divergence_of, gather_views, predictions_of

from alsem.acquisition import view_cues
from alsem.acquisition.cues import multiview
from alsem.core.mesh import batched, make_mesh

# Sums of some hundred float32 numbers of the order of one; logs of floors.
ROUNDING = 2e-5


def views_np(probs, voxel, *, num_voxels):
    """Definition in float64: voxel by voxel, view by view, ray by ray."""
    probs = probs.astype(np.float64)
    entropy = np.zeros(num_voxels + 1)
    mean_log = np.zeros((num_voxels + 1, probs.shape[-1]))
    for v in range(num_voxels):
        of_views = [
            view[rays == v].mean(axis=0)
            for view, rays in zip(probs, voxel, strict=True)
            if (rays == v).any()
        ]
        if of_views:
            mean = np.mean(of_views, axis=0)
            entropy[v] = -np.sum(mean * np.log(np.maximum(mean, 1e-12)))
            mean_log[v] = np.mean(np.log(np.maximum(of_views, 1e-12)), axis=0)
    return entropy, mean_log


def some_views(num_views=12, num_rays=200, num_voxels=40, *, seed=0):
    rng = np.random.default_rng(seed)
    voxel = rng.integers(-1, num_voxels - 3, (num_views, num_rays)).astype(np.int32)
    probs = predictions_of(voxel.size, seed=seed).reshape(*voxel.shape, C)
    return probs, voxel


@pytest.mark.parametrize(
    # The large one: some compilers go wrong only where they split the work.
    ("size", "num_voxels"),
    [((12, 200), 40), ((3, 70_000), 3000)],
)
def test_one_pass_follows_the_definition(size, num_voxels):
    probs, voxel = some_views(*size, num_voxels)
    probs[2, :50] = np.eye(C, dtype=np.float32)[1]  # certainty: logs of zero
    found = gather_views(probs, voxel, num_voxels=num_voxels)
    expected = views_np(probs, voxel, num_voxels=num_voxels)
    for values, wanted in zip(found.values(), expected, strict=True):
        assert values.dtype == np.float32
        np.testing.assert_allclose(values, wanted, atol=ROUNDING)
        # Voxels that no ray meets, and the row of invalid candidates.
        assert not values[-4:].any()


@pytest.mark.parametrize("change", ["order", "padding", "devices", "missing views"])
def test_order_padding_and_devices_do_not_matter(change):
    probs, voxel = some_views(11 if change == "missing views" else 16)
    whole = gather_views(probs, voxel, num_voxels=40)
    if change == "order":
        rng = np.random.default_rng(1)
        views, rays = rng.permutation(16), rng.permutation(200)
        probs, voxel = probs[views][:, rays], voxel[views][:, rays]
    elif change == "padding":
        probs = np.pad(probs, ((0, 0), (0, 33), (0, 0)), constant_values=9.0)
        voxel = np.pad(voxel, ((0, 0), (0, 33)), constant_values=-1)
    devices = 8 if change in ("devices", "missing views") else 1
    found = gather_views(probs, voxel, num_voxels=40, devices=devices)
    for name, values in whole.items():
        np.testing.assert_allclose(found[name], values, atol=ROUNDING)


def test_rays_stay_on_their_devices():
    mesh = make_mesh(8)
    sums = multiview.init_sums(40, C, mesh=mesh)
    probs, voxel = (a.reshape(-1, *a.shape[2:]) for a in some_views(8))
    rays = jax.device_put((probs, voxel), batched(mesh))

    def collectives(lowered):
        text = lowered.compile().as_text()
        names = ("all-gather", "all-reduce", "all-to-all", "collective-permute")
        return [name for name in names if name in text]

    assert not collectives(multiview.accumulate.lower(sums, *rays, mesh=mesh))
    # The sums of the devices meet once, at the end.
    assert collectives(view_cues.lower(sums, mesh=mesh)) == ["all-reduce"]
    table = multiview.accumulate(sums, *rays, mesh=mesh).table
    assert len(table.sharding.device_set) == 8 and table.shape == (8, 41, 2 * C + 1)
    assert table.addressable_shards[0].data.shape[0] == 1


def test_divergence_of_two_views_is_half_their_kl():
    one, other = np.float32([0.9, 0.1]), np.float32([0.2, 0.8])
    for second in (one, other):
        found = gather_views(
            np.stack([one, second])[:, None], np.zeros((2, 1), np.int32), num_voxels=1
        )
        for own, seen in ((one, second), (second, one)):
            # A place's own view counts, with a divergence of zero.
            expected = np.sum(own * np.log(own / seen)) / 2
            divergence = divergence_of(own, found["view_mean_log"][0])
            np.testing.assert_allclose(divergence, expected, atol=1e-6)


def test_divergence_and_entropy_are_finite_and_never_negative(strict_dtypes):
    certain = jnp.eye(C, dtype=jnp.float32)
    even = jnp.full((C, C), 1 / C, jnp.float32)
    for probs in (certain, even):
        assert (multiview.entropy(probs) >= 0).all()
        for log_q in (jnp.log(even), jnp.full((C, C), math.log(1e-12)), 0 * even):
            divergence = multiview.divergence(probs, log_q)
            assert jnp.isfinite(divergence).all() and (divergence >= 0).all()
    np.testing.assert_allclose(multiview.entropy(even), math.log(C), rtol=1e-6)
    np.testing.assert_array_equal(multiview.entropy(certain), 0.0)


def test_own_view_probs_are_of_the_member_of_the_frames_group():
    members = predictions_of(20 * 2).reshape(20, 2, C)
    groups = predictions_of(20 * 3, seed=1).reshape(20, 3, C)
    frame = jnp.arange(20, dtype=jnp.int32) * 7 % 11
    rays = jax.vmap(lambda probs, views: one(probs, view_probs=views))
    found = multiview.own_view_probs(rays(members, groups), frame)
    np.testing.assert_array_equal(found, groups[np.arange(20), frame % 3])
    none = multiview.own_view_probs(rays(members, groups[:, :0]), frame)
    np.testing.assert_allclose(none, members.mean(axis=1), rtol=1e-6)
