"""What the views of a place believe together: by definition, and by pixel pairs."""

import dataclasses
import math

import box_room
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import spearmanr

from alsem.acquisition.candidates import make_candidates
from alsem.acquisition.cues import multiview, multiview_exact
from alsem.acquisition.cues.depth_consistency import Cameras
from alsem.acquisition.cues.geometry import voxel_cues
from alsem.core.mesh import batched, make_mesh
from alsem.core.types import Intrinsics, Posterior

C = 5  # classes
# Sums of at most some hundred float32 numbers of the order of one; logs of floors.
ROUNDING = 2e-5


def predictions_of(num, *, classes=C, seed=0):
    draw = np.random.default_rng(seed).normal(0, 2, (num, classes))
    raw = np.exp(draw - draw.max(axis=-1, keepdims=True))
    return (raw / raw.sum(axis=-1, keepdims=True)).astype(np.float32)


def gather_views(probs, voxel, *, num_voxels, devices=1):
    """Beliefs over views, NumPy leaves; ``probs`` [f r c], ``voxel`` [f r]."""
    mesh = make_mesh(devices)
    extra = -len(probs) % devices  # missing views are padding
    probs = np.pad(probs, ((0, extra), (0, 0), (0, 0)), constant_values=7.0)
    voxel = np.pad(voxel, ((0, extra), (0, 0)), constant_values=-1)
    sums = multiview.init_sums(num_voxels, probs.shape[-1], mesh=mesh)
    for i in range(0, len(probs), devices):
        together = probs[i : i + devices], voxel[i : i + devices]
        flat = (a.reshape(-1, *a.shape[2:]) for a in together)
        on_devices = jax.device_put(tuple(flat), batched(mesh))
        sums = multiview.accumulate(sums, *on_devices, mesh=mesh)
    return jax.tree.map(np.asarray, multiview.finish(sums, mesh=mesh))


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


def divergence_of(probs, mean_log):
    return np.asarray(multiview.divergence(jnp.asarray(probs), jnp.asarray(mean_log)))


# --- one pass over the pool


def test_one_pass_follows_the_definition():
    probs, voxel = some_views()
    probs[3, :50] = np.eye(C, dtype=np.float32)[1]  # certainty: logs of zero
    found = gather_views(probs, voxel, num_voxels=40)
    entropy, mean_log = views_np(probs, voxel, num_voxels=40)
    np.testing.assert_allclose(found.view_entropy, entropy, atol=ROUNDING)
    np.testing.assert_allclose(found.view_mean_log, mean_log, atol=ROUNDING)
    assert found.view_entropy.dtype == found.view_mean_log.dtype == np.float32
    # Voxels that no ray meets, and the row of invalid candidates.
    assert not found.view_entropy[-4:].any() and not found.view_mean_log[-4:].any()


def test_one_pass_over_a_large_view_follows_the_definition():
    # Many: some compilers go wrong only where they split the work.
    probs, voxel = some_views(3, 70_000, 3000)
    found = gather_views(probs, voxel, num_voxels=3000)
    entropy, mean_log = views_np(probs, voxel, num_voxels=3000)
    np.testing.assert_allclose(found.view_entropy, entropy, atol=ROUNDING)
    np.testing.assert_allclose(found.view_mean_log, mean_log, atol=ROUNDING)


@pytest.mark.parametrize("num_views", [8, 12, 3])
def test_eight_devices_say_what_one_does(num_views):
    probs, voxel = some_views(num_views)
    alone = gather_views(probs, voxel, num_voxels=40)
    together = gather_views(probs, voxel, num_voxels=40, devices=8)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=ROUNDING), alone, together
    )


def test_no_ray_leaves_its_device():
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
    assert collectives(multiview.finish.lower(sums, mesh=mesh)) == ["all-reduce"]
    table = multiview.accumulate(sums, *rays, mesh=mesh).table
    assert len(table.sharding.device_set) == 8 and table.shape == (8, 41, 2 * C + 1)
    assert table.addressable_shards[0].data.shape[0] == 1


def test_order_of_views_and_rays_and_padding_change_nothing():
    probs, voxel = some_views()
    whole = gather_views(probs, voxel, num_voxels=40)
    rng = np.random.default_rng(1)
    views_first, rays = rng.permutation(12), rng.permutation(200)
    moved = probs[views_first][:, rays], voxel[views_first][:, rays]
    padded = (
        np.pad(probs, ((0, 0), (0, 33), (0, 0)), constant_values=9.0),
        np.pad(voxel, ((0, 0), (0, 33)), constant_values=-1),
    )
    for other in (moved, padded):
        found = gather_views(*other, num_voxels=40)
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, atol=ROUNDING), whole, found
        )


def test_a_near_view_does_not_drown_the_others():
    # 99 rays of one view say the first class, one ray of another says the second.
    probs = np.tile(np.float32([1, 0]), (2, 99, 1))
    probs[1, 0] = [0, 1]
    voxel = np.zeros((2, 99), np.int32)
    voxel[1, 1:] = -1
    found = gather_views(probs, voxel, num_voxels=1)
    np.testing.assert_allclose(found.view_entropy[0], math.log(2), rtol=1e-6)


def test_views_that_agree_diverge_by_nothing_and_others_as_defined():
    one, other = np.float32([0.9, 0.1]), np.float32([0.2, 0.8])
    for second in (one, other):
        found = gather_views(
            np.stack([one, second])[:, None], np.zeros((2, 1), np.int32), num_voxels=1
        )
        for own, seen in ((one, second), (second, one)):
            # A place's own view counts, with a divergence of zero.
            expected = np.sum(own * np.log(own / seen)) / 2
            divergence = divergence_of(own, found.view_mean_log[0])
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


def posterior(probs, view_probs):
    num = len(probs)
    zeros = jnp.zeros((num, 3))
    return Posterior(
        probs=jnp.asarray(probs),
        view_probs=jnp.asarray(view_probs),
        embedding=zeros,
        x_world=zeros,
        normal=zeros,
        diffuse=zeros,
        distance=zeros[:, 0],
        purity=zeros[:, 0],
    )


def test_every_view_speaks_through_the_member_of_its_group_of_frames():
    members = predictions_of(20 * 2).reshape(20, 2, C)
    groups = predictions_of(20 * 3, seed=1).reshape(20, 3, C)
    frame = np.arange(20, dtype=np.int32) * 7 % 11
    found = multiview.belief(posterior(members, groups), jnp.asarray(frame))
    np.testing.assert_array_equal(found, groups[np.arange(20), frame % 3])
    none = multiview.belief(posterior(members, groups[:, :0]), jnp.asarray(frame))
    np.testing.assert_allclose(none, members.mean(axis=1), rtol=1e-6)


# --- the exact twin


def exact_np(candidates, cameras, probs):
    """Definition, pixel pair by pixel pair; None where a threshold is close."""
    camera, depth = cameras.intrinsics, cameras.depth_z
    per_frame = camera.width * camera.height
    rows = []
    for i in np.flatnonzero(candidates.is_valid):
        of_views, clear = [], True
        for view, pose in enumerate(cameras.world_from_cam.astype(np.float64)):
            if view == candidates.frame[i]:
                of_views.append(probs[i])
                continue
            x, y, z = pose[:3, :3].T @ (candidates.x_world[i] - pose[:3, 3])
            if z <= 0:
                continue
            row = camera.fy * y / z + camera.cy - cameras.pixel_offset[0]
            col = camera.fx * x / z + camera.cx - cameras.pixel_offset[1]
            clear &= min(abs(row % 1 - 0.5), abs(col % 1 - 0.5)) > 1e-3
            r, c = int(np.rint(row)), int(np.rint(col))
            if not (0 <= r < camera.height and 0 <= c < camera.width):
                continue
            off = abs(depth[view, r, c] - z) - max(0.05, 0.02 * z)
            clear &= abs(off) > 1e-4
            j = view * per_frame + r * camera.width + c
            if depth[view, r, c] > 0 and off < 0 and candidates.is_valid[j]:
                of_views.append(probs[j])
        q = np.mean(of_views, axis=0, dtype=np.float64)
        kl = [np.sum(probs[i] * np.log(probs[i] / q_view)) for q_view in of_views]
        rows.append((i, clear, len(of_views), -np.sum(q * np.log(q)), np.mean(kl)))
    return rows


def test_the_exact_twin_follows_the_definition():
    cameras, points, _ = box_room.see(box_room.orbit(5), offset=(0.5, 0.5))
    depth = np.array(cameras.depth_z)
    depth[:, 3:5, 7:9] = 0.0
    cameras = dataclasses.replace(cameras, depth_z=depth)
    # Off their rays, so that some would not even find their own pixel.
    points += np.random.default_rng(1).normal(0, 0.02, points.shape)
    candidates = box_room.pool(cameras, points.astype(np.float32), invalid=0.2)
    probs = predictions_of(len(points))
    found = multiview_exact.exact_views(candidates, cameras, probs, chunk=700)
    divergence = divergence_of(probs, found.beliefs.view_mean_log[:-1])
    rows = exact_np(candidates, cameras, probs)
    clear = [row for row in rows if row[1]]
    assert len(clear) > 0.9 * len(rows)
    ids, _, num_views, entropy, kl = map(np.array, zip(*clear, strict=True))
    np.testing.assert_array_equal(found.num_views[ids], num_views)
    np.testing.assert_allclose(found.beliefs.view_entropy[ids], entropy, atol=ROUNDING)
    np.testing.assert_allclose(divergence[ids], kl, atol=ROUNDING)
    assert num_views.min() == 1 and num_views.max() > 3
    # Not valid ones, and the row of nobody.
    nobody = np.append(np.flatnonzero(~candidates.is_valid), len(points))
    for leaf in jax.tree.leaves(found):
        assert not leaf[nobody].any()


def test_the_twin_and_the_voxels_agree_on_what_is_consistent():
    cameras, points, _ = box_room.see(box_room.orbit(6))
    points += np.float32([0.0, 0.0, 0.15])  # nothing is where the views say
    candidates = box_room.pool(cameras, points, voxel_size=1e-3)
    assert candidates.num_voxels > 0.99 * len(points)  # one candidate in each
    found = multiview_exact.exact_views(
        candidates, cameras, predictions_of(len(points))
    )
    tables = voxel_cues(candidates, cameras)
    alone = np.bincount(candidates.voxel)[candidates.voxel] == 1
    np.testing.assert_array_equal(
        tables.consistency[candidates.voxel][alone], found.consistency[:-1][alone]
    )
    assert 0.05 < np.mean(found.consistency[:-1] < 1) < 0.95


def test_a_wall_behind_a_chair_is_not_the_chairs_other_view():
    # Two views from opposite sides, the chair between them.
    poses = np.stack(
        [
            box_room.look_at([0.2, 1.4, 0.5], [4.0, 1.4, 0.5]),
            box_room.look_at([3.8, 1.4, 0.5], [0.0, 1.4, 0.5]),
        ]
    )
    cameras, points, is_chair = box_room.see(poses)
    candidates = box_room.pool(cameras, points)
    probs = np.where(is_chair[:, None], [0.9, 0.1], [0.1, 0.9]).astype(np.float32)
    found = multiview_exact.exact_views(candidates, cameras, probs)
    # The sides that face the cameras are seen by one each, the top by both.
    side = is_chair & (points[:, 2] < 0.85)
    assert side.sum() > 50 and (found.num_views[:-1][side] == 1).all()
    np.testing.assert_array_equal(found.consistency[:-1], 1.0)
    # Without the test of depth the two walls would speak for the chair.
    np.testing.assert_allclose(
        divergence_of(probs, found.beliefs.view_mean_log[:-1])[side], 0.0, atol=1e-6
    )


def test_voxels_that_every_view_hits_once_give_the_exact_answer():
    # A wall seen head on by cameras that are whole pixels apart, and voxels as wide
    # as pixels: wherever two views overlap, pixel meets pixel and voxel.
    camera = Intrinsics(width=8, height=6, fx=10.0, fy=10.0, cx=3.5, cy=2.5)
    distance, size = 2.5, 0.25  # metres, and a pixel's width on the wall
    shifts = np.array([[0, 0], [1, 0], [2, -1], [0, 3], [7, 5]])
    poses = np.tile(np.eye(4), (len(shifts), 1, 1))
    poses[:, :2, 3] = shifts * size
    depth = np.full((len(shifts), 6, 8), distance)
    origins, directions = box_room.rays(poses, camera)
    points = (origins + directions * distance).reshape(-1, 3)
    cameras = Cameras(poses.astype(np.float32), camera, (0.0, 0.0), depth)
    candidates = make_candidates(
        points,
        np.zeros_like(points),
        np.zeros_like(points),
        np.repeat(np.arange(len(shifts)), 48),
        np.ones(len(points)),
        voxel_size=size,
        min_purity=0.5,
    )
    probs = predictions_of(len(points))
    voxel = candidates.voxel.reshape(len(shifts), -1)
    found = gather_views(
        probs.reshape(len(shifts), -1, C), voxel, num_voxels=candidates.num_voxels
    )
    twin = multiview_exact.exact_views(candidates, cameras, probs)
    of_voxel = candidates.voxel
    num_views = voxel_cues(candidates, cameras).num_views[of_voxel]
    np.testing.assert_array_equal(num_views, twin.num_views[:-1])
    assert set(num_views) == {1, 2, 3, 4}
    np.testing.assert_allclose(
        found.view_entropy[of_voxel], twin.beliefs.view_entropy[:-1], atol=1e-6
    )
    np.testing.assert_allclose(
        found.view_mean_log[of_voxel], twin.beliefs.view_mean_log[:-1], atol=1e-5
    )


def test_voxels_rank_candidates_as_pixel_pairs_do():
    camera = Intrinsics(width=80, height=60, fx=52.0, fy=52.0, cx=39.5, cy=29.5)
    cameras, points, is_chair = box_room.see(box_room.orbit(16), camera)
    candidates = box_room.pool(cameras, points, voxel_size=0.08)
    frame = candidates.frame
    # A smooth belief, and what each view gets wrong about a region.
    rng = np.random.default_rng(0)
    wave = np.sin(points @ rng.normal(0, 2, (3, 16)) + rng.uniform(0, 6, 16))
    own = rng.normal(0, 0.6, (16, 16, C))
    logits = 3.0 * is_chair[:, None] * np.eye(C)[2] + wave @ rng.normal(0, 0.4, (16, C))
    logits += np.einsum("nk,nkc->nc", wave, own[frame])
    raw = np.exp(logits)
    probs = (raw / raw.sum(axis=-1, keepdims=True)).astype(np.float32)
    found = gather_views(
        probs.reshape(16, -1, C),
        candidates.voxel.reshape(16, -1),
        num_voxels=candidates.num_voxels,
    )
    twin = multiview_exact.exact_views(candidates, cameras, probs)
    pairs = {
        "views": (
            voxel_cues(candidates, cameras).num_views[candidates.voxel],
            twin.num_views[:-1],
        ),
        "entropy": (
            found.view_entropy[candidates.voxel],
            twin.beliefs.view_entropy[:-1],
        ),
        "divergence": (
            divergence_of(probs, found.view_mean_log[candidates.voxel]),
            divergence_of(probs, twin.beliefs.view_mean_log[:-1]),
        ),
    }
    for name, (fast, slow) in pairs.items():
        assert spearmanr(fast, slow).statistic > 0.8, name


def test_a_pool_out_of_order_or_without_depth_has_no_exact_twin():
    cameras, points, _ = box_room.see(box_room.orbit(2))
    candidates, probs = box_room.pool(cameras, points), predictions_of(len(points))
    swapped = dataclasses.replace(candidates, frame=candidates.frame[::-1])
    with pytest.raises(ValueError, match="2 whole frames of 30 x 40"):
        multiview_exact.exact_views(swapped, cameras, probs)
    blind = dataclasses.replace(cameras, depth_z=None)
    with pytest.raises(ValueError, match="depth"):
        multiview_exact.exact_views(candidates, blind, probs)
