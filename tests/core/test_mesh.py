"""Placement of arrays, and passes over rays split over the devices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alsem.core import mesh as engine


@pytest.fixture(params=[1, 8])
def mesh(request):
    return engine.Mesh(np.array(jax.devices()[: request.param]), ("data",))


@jax.jit
def scale(factor, x):
    return {"scaled": factor * x, "sum": x.sum(axis=1)}


def chunks(count, started=None):
    for i in range(count):
        if started is not None:
            started.append(i)
        yield np.full((16, 3), i, np.float32)


@pytest.mark.parametrize("count", [0, 1, 5])
def test_map_rays_returns_results_in_order(mesh, count):
    factor = engine.put(np.float32(2), mesh)
    with jax.transfer_guard("disallow"):
        found = list(engine.map_rays(scale, factor, chunks(count), mesh))
    assert len(found) == count
    for i, result in enumerate(found):
        np.testing.assert_array_equal(result["scaled"], np.full((16, 3), 2 * i))
        np.testing.assert_array_equal(result["sum"], np.full(16, 3 * i))
        assert isinstance(result["sum"], np.ndarray)


def test_map_rays_splits_every_chunk_over_the_devices(mesh):
    rows = []

    def fn(params, chunk):
        rows.extend(shard.data.shape[0] for shard in chunk.addressable_shards)
        return chunk

    list(engine.map_rays(fn, None, chunks(2), mesh))
    assert rows == [16 // mesh.size] * (2 * mesh.size)


def test_map_rays_starts_a_chunk_before_the_last_result_is_fetched(mesh):
    started = []
    factor = engine.put(np.float32(1), mesh)
    next(engine.map_rays(scale, factor, chunks(4, started), mesh))
    assert started == [0, 1]


def test_fold_rays_keeps_sums_on_the_devices(mesh):
    add = jax.jit(lambda total, _, x: total + jnp.sum(x, axis=0))
    zero = engine.put(np.zeros(3, np.float32), mesh)
    with jax.transfer_guard("disallow"):
        total = engine.fold_rays(add, None, zero, chunks(4), mesh)
    assert total.sharding.is_fully_replicated
    np.testing.assert_array_equal(total, [16 * 6] * 3)


def test_sums_of_devices_are_added_up_once(mesh):
    def fn(whole, x):
        return {"sum": jnp.sum(x, axis=0)}, whole * x

    x = np.arange(48, dtype=np.float32).reshape(16, 3)
    args = (engine.put(np.float32(2), mesh), engine.shard(x, mesh))
    compiled = jax.jit(engine.sum_over_devices(fn, mesh)).lower(*args).compile()
    sums, doubled = compiled(*args)
    np.testing.assert_array_equal(sums["sum"], x.sum(axis=0))
    np.testing.assert_array_equal(doubled, 2 * x)
    assert compiled.as_text().count(" all-reduce(") <= 1


def test_padded_size_is_a_multiple_of_the_devices(mesh):
    assert engine.padded_size(17, mesh) == {1: 17, 8: 24}[mesh.size]
    assert engine.padded_size(16, mesh) == 16
