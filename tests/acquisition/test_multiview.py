"""Multi-view statistics by voxels: against their definition, and known answers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from pools import one
from view_pools import C, gather_views, predictions_of

from alsem.acquisition import view_cues
from alsem.acquisition.cues import multiview
from alsem.core.mesh import batched, make_mesh

# Sums of some hundred float32 numbers of the order of one; logs of floors.
ROUNDING = 2e-5


def views_np(probs, voxel, *, num_voxels):
    """Definition in float64: voxel by voxel, view by view, ray by ray."""
    entropy = np.zeros(num_voxels + 1)
    mean_log = np.zeros((num_voxels + 1, C))
    for v in range(num_voxels):
        of_views = [
            view[rays == v].mean(axis=0, dtype=np.float64)
            for view, rays in zip(probs, voxel, strict=True)
            if (rays == v).any()
        ]
        if of_views:
            mean = np.mean(of_views, axis=0)
            entropy[v] = -np.sum(mean * np.log(np.maximum(mean, 1e-12)))
            mean_log[v] = np.mean(np.log(np.maximum(of_views, 1e-12)), axis=0)
    return {"view_entropy": entropy, "view_mean_log": mean_log}


def some_views(num_views=16, num_rays=200, num_voxels=40):
    rng = np.random.default_rng(0)
    voxel = rng.integers(-1, num_voxels - 3, (num_views, num_rays)).astype(np.int32)
    return predictions_of(voxel.size).reshape(*voxel.shape, C), voxel


@pytest.mark.parametrize(
    # The large one: some compilers go wrong only where they split the work.
    ("size", "num_voxels"),
    [((12, 200), 40), ((3, 40_000), 1000)],
)
def test_one_pass_follows_the_definition(size, num_voxels):
    probs, voxel = some_views(*size, num_voxels)
    probs[2, :50] = np.eye(C, dtype=np.float32)[1]  # certainty: logs of zero
    found = gather_views(probs, voxel, num_voxels=num_voxels)
    for name, expected in views_np(probs, voxel, num_voxels=num_voxels).items():
        assert found[name].dtype == np.float32
        np.testing.assert_allclose(found[name], expected, atol=ROUNDING)
        # Voxels that no ray meets, and the row of invalid candidates.
        assert not found[name][-4:].any()


@pytest.mark.parametrize(
    ("num_views", "devices"),
    [(16, 1), (16, 8), (11, 8)],  # the last one: some devices miss a view
)
def test_order_padding_and_devices_do_not_matter(num_views, devices):
    probs, voxel = some_views(num_views)
    whole = gather_views(probs, voxel, num_voxels=40)
    rng = np.random.default_rng(1)
    views, rays = rng.permutation(num_views), rng.permutation(200)
    probs = np.pad(
        probs[views][:, rays], ((0, 0), (0, 33), (0, 0)), constant_values=9.0
    )
    voxel = np.pad(voxel[views][:, rays], ((0, 0), (0, 33)), constant_values=-1)
    found = gather_views(probs, voxel, num_voxels=40, devices=devices)
    for name, values in whole.items():
        np.testing.assert_allclose(found[name], values, atol=ROUNDING)


def test_rays_stay_on_their_devices():
    mesh = make_mesh(8)
    sums = multiview.init_sums(40, C, mesh=mesh)
    probs, voxel = some_views(8)
    rays = jax.device_put((probs.reshape(-1, C), voxel.reshape(-1)), batched(mesh))

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


def test_own_view_probs_are_of_the_member_of_the_frames_group():
    members = predictions_of(20 * 2).reshape(20, 2, C)
    groups = predictions_of(20 * 3, seed=1).reshape(20, 3, C)
    frame = jnp.arange(20, dtype=jnp.int32) * 7 % 11
    rays = jax.vmap(lambda probs, views: one(probs, view_probs=views))
    found = multiview.own_view_probs(rays(members, groups), frame)
    np.testing.assert_array_equal(found, groups[np.arange(20), frame % 3])
    none = multiview.own_view_probs(rays(members, groups[:, :0]), frame)
    np.testing.assert_allclose(none, members.mean(axis=1), rtol=1e-6)
