import numpy as np
from room_rays import SEED

from alsem.rooms import furnish
from alsem.rooms.layout import FloorPlan
from alsem.rooms.scene_builder import rotate, translate


def test_reserved_space_does_not_overlap():
    plan = FloorPlan(np.random.default_rng(0), np.array([4.0, 4.0, 2.5]))
    box = [(-0.5, 0.5, 0.0, 1.0, 0.0, 1.0)]
    assert plan.reserve(translate(2, 0), box)
    assert not plan.reserve(translate(2.9, 0.5), box)
    assert plan.reserve(translate(2, 0, 1.0), box)  # on top of the first
    assert not plan.reserve(translate(0.3, 2), box)  # through the wall
    assert plan.reserve(translate(4, 2) @ rotate(2, np.pi / 2), box)


def test_rooms_of_two_seeds_differ(room):
    other = furnish(SEED + 1)
    assert not np.allclose(room.size, other.size)
    assert len(room.solids) != len(other.solids)
    assert room.materials[0] != other.materials[0]
