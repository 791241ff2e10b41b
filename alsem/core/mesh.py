"""One mesh axis, ``data``: batches are split over it, everything else is replicated.

``AxisType.Auto`` on purpose: a hash grid gathers and an acquisition ranks, which
explicit axes refuse. With one device all of this is a no-op.
"""

from typing import Any

import jax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec


def make_mesh(num_devices: int | None = None) -> Mesh:
    """Mesh over the first ``num_devices`` devices (all of them by default)."""
    devices = jax.devices()[:num_devices]
    return jax.make_mesh(
        (len(devices),), ("data",), axis_types=(AxisType.Auto,), devices=devices
    )


def replicated(mesh: Mesh) -> NamedSharding:
    """Every device holds the whole array."""
    return NamedSharding(mesh, PartitionSpec())


def batched(mesh: Mesh) -> NamedSharding:
    """The leading axis is split over the devices."""
    return NamedSharding(mesh, PartitionSpec("data"))


def split_batch(tree: Any, mesh: Mesh) -> Any:
    """Inside jit: asks that the leading axis of every leaf be split."""
    return jax.lax.with_sharding_constraint(tree, batched(mesh))
