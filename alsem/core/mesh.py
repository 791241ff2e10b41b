"""Devices: where arrays are placed, and how passes over rays are split over them.

One mesh axis, ``data``. Parameters, training data and tables are put on every device
once; batches and chunks of rays are split along their leading axis. ``AxisType.Auto``
because a hash grid gathers and an acquisition ranks, which explicit axes refuse. With
one device all of this is a no-op.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

IN_FLIGHT = 2  # chunks that are computed while the host prepares the next


def make_mesh(num_devices: int | None = None) -> Mesh:
    """Mesh over the first ``num_devices`` devices (all of them by default)."""
    devices = jax.devices()[:num_devices]
    return jax.make_mesh(
        (len(devices),), ("data",), axis_types=(AxisType.Auto,), devices=devices
    )


def replicated(mesh: Mesh) -> NamedSharding:
    """Sharding of an array that every device holds whole."""
    return NamedSharding(mesh, PartitionSpec())


def batched(mesh: Mesh) -> NamedSharding:
    """Sharding of an array whose leading axis is split over the devices."""
    return NamedSharding(mesh, PartitionSpec("data"))


def put(tree: Any, mesh: Mesh) -> Any:
    """Copies a tree of arrays to every device."""
    return jax.device_put(tree, replicated(mesh))


def shard(tree: Any, mesh: Mesh) -> Any:
    """Splits the leading axis of every array over the devices.

    The axis must be a multiple of the number of devices: see `padded_size`.
    """
    return jax.device_put(tree, batched(mesh))


def fetch(tree: Any) -> Any:
    """Copies a tree of device arrays to NumPy arrays on the host."""
    return jax.tree.map(np.asarray, jax.device_get(tree))


def padded_size(count: int, mesh: Mesh) -> int:
    """The smallest multiple of the number of devices that is at least ``count``."""
    return -(-count // mesh.size) * mesh.size


def split_batch(tree: Any, mesh: Mesh) -> Any:
    """Inside jit: constrains the leading axis of every array to be split."""
    return jax.lax.with_sharding_constraint(tree, batched(mesh))


def sum_over_devices(fn: Callable[..., Any], mesh: Mesh) -> Callable[..., Any]:
    """Inside jit: a function applied by every device to its own part of a batch.

    Args:
        fn: ``(whole, *parts) -> (sums, parts)``: receives a tree that every device has
            whole and trees of which it has its part along the leading axis.
        mesh: The devices.

    Returns:
        Function of the same arguments; ``sums`` are added up over the devices, once.
    """

    def one_device(*args: Any) -> Any:
        sums, parts = fn(*args)
        return jax.lax.psum(sums, "data"), parts

    def every_device(whole: Any, *parts: Any) -> Any:
        split = PartitionSpec("data")
        return jax.shard_map(
            one_device,
            mesh=mesh,
            in_specs=(PartitionSpec(), *(split for _ in parts)),
            out_specs=(PartitionSpec(), split),
        )(whole, *parts)

    return every_device


def map_rays(
    fn: Callable[[Any, Any], Any], params: Any, chunks: Iterable[Any], mesh: Mesh
) -> Iterator[Any]:
    """Applies a compiled function to chunks of rays; yields its results in order.

    While the devices work on one chunk the host prepares the next and copies of
    finished results are under way, so that neither waits for the other.

    Args:
        fn: Compiled ``(params, chunk) -> results``, arrays with leading axis ``r``.
        params: On every device already (`put`).
        chunks: NumPy trees with leading axis ``r``, all of one shape, a multiple of
            the number of devices.
        mesh: The devices the rays are split over.

    Yields:
        ``fn``'s results of each chunk as NumPy arrays.
    """
    waiting: deque[Any] = deque()
    for chunk in chunks:
        result = fn(params, shard(chunk, mesh))
        for leaf in jax.tree.leaves(result):
            leaf.copy_to_host_async()
        waiting.append(result)
        if len(waiting) >= IN_FLIGHT:
            yield fetch(waiting.popleft())
    while waiting:
        yield fetch(waiting.popleft())


def fold_rays(
    fn: Callable[[Any, Any, Any], Any],
    params: Any,
    carry: Any,
    chunks: Iterable[Any],
    mesh: Mesh,
) -> Any:
    """Folds chunks of rays into sums that stay on the devices.

    Args:
        fn: Compiled ``(carry, params, chunk) -> carry``; may donate its carry.
        params: On every device already.
        carry: Initial sums, on every device already.
        chunks: As for `map_rays`.
        mesh: The devices the rays are split over.
    """
    for chunk in chunks:
        carry = fn(carry, params, shard(chunk, mesh))
    return carry
