import jax.numpy as jnp
import numpy as np
import pytest
from room_rays import SEED, columns, is_inside

from alsem.rooms import CLASS_IDS
from alsem.rooms.camera_paths import camera_paths
from alsem.rooms.scene_builder import rotate, translate
from alsem.rooms.solids import (
    BOX,
    ELLIPSOID,
    FRUSTUM,
    INTERVALS,
    MAX_SOLIDS,
    Solid,
    closest_hit,
    solid_table,
    to_local,
)


@pytest.mark.parametrize(
    ("kind", "taper"), [(BOX, 1.0), (ELLIPSOID, 1.0), (FRUSTUM, 1.0), (FRUSTUM, 0.3)]
)
def test_intervals_are_those_of_points_sampled_along_the_ray(kind, taper):
    rng = np.random.default_rng(kind)
    place = translate(0.3, -0.2, 0.5) @ rotate(0, 0.7) @ rotate(2, 1.1)
    solid = Solid(kind, place, np.array([0.5, 0.3, 0.4]), "table", 0, taper)
    table = solid_table([solid], CLASS_IDS, rows=1)
    away = rng.normal(size=(400, 3))
    origin = 2 * away / np.linalg.norm(away, axis=-1, keepdims=True) + place[:3, 3]
    direction = place[:3, 3] + rng.normal(size=(400, 3)) * 0.35 - origin
    o = to_local(table.local_from_world[0], columns(origin), w=1.0)
    d = to_local(table.local_from_world[0], columns(direction), w=0.0)
    enter, leave = map(np.asarray, INTERVALS[kind](o, d, table.taper[0]))
    t = np.linspace(0, 4, 4001)
    sampled = is_inside(solid, origin[:, None] + t[:, None] * direction[:, None])
    hit = sampled.any(axis=1)
    assert 50 < hit.sum() < 390
    first, last = t[sampled.argmax(1)], t[len(t) - 1 - sampled[:, ::-1].argmax(1)]
    # the sampling step is 1e-3, and may miss a shorter chord
    np.testing.assert_allclose(enter[hit], first[hit], atol=1.2e-3)
    np.testing.assert_allclose(leave[hit], last[hit], atol=1.2e-3)
    assert np.all((leave - enter)[~hit] < 2e-3)


def test_no_ray_passes_between_walls(room):
    table = solid_table(room.solids, CLASS_IDS, rows=MAX_SOLIDS)
    kinds = [solid.kind for solid in room.solids]
    bounds = jnp.asarray(np.searchsorted(kinds, [0, 1, 2, 3]), jnp.int32)
    along = np.random.default_rng(0).uniform(size=(2000, 3))
    on_edges = [np.where(np.arange(3) == i, along, along > 0.5) for i in range(3)]
    origin = camera_paths(room, SEED, 1, 1)[0][0, :3, 3]
    rays = columns(np.concatenate(on_edges) * room.size - origin)
    t, _ = closest_hit(table, jnp.arange(MAX_SOLIDS), bounds, columns(origin), rays)
    assert np.max(t) < 1.0001
