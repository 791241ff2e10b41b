"""Room layout: which pieces of furniture there are and where they stand.

Pieces reserve boxes of space, and are tried at random places until they overlap none
(rejection sampling). A room that cannot be completed is drawn anew.
"""

import dataclasses

import numpy as np

from alsem.rooms import furniture, props, walls
from alsem.rooms.lights import LightPoint
from alsem.rooms.materials import Material
from alsem.rooms.scene_builder import SceneBuilder, rotate, translate
from alsem.rooms.solids import Solid

CLASS_IDS = {
    "wall": 1,
    "floor": 2,
    "ceiling": 3,
    "window": 4,
    "curtain": 5,
    "door": 7,
    "picture": 8,
    "rug": 9,
    "sofa": 11,
    "cushion": 12,
    "table": 14,
    "chair": 15,
    "cabinet": 17,
    "shelf": 18,
    "books": 20,
    "lamp": 21,
    "plant": 22,
    "tableware": 24,
    "food": 25,
    "tv": 27,
    "ornament": 28,
    "basket": 30,
}
PLACEMENT_ATTEMPTS = 60


@dataclasses.dataclass(frozen=True)
class Room:
    """A furnished room.

    Attributes:
        size: ``[3]`` metres; the inside spans 0 to this.
        solids: All solids, sorted by kind.
        materials: Their materials.
        lights: Points on its lamps and windows.
    """

    size: np.ndarray
    solids: list[Solid]
    materials: list[Material]
    lights: list[LightPoint]


class _NoSpace(Exception):
    """No free place was found for a piece."""


@dataclasses.dataclass
class FloorPlan:
    """Space that is taken, as axis-aligned boxes.

    A box in the frame of a place is given as ``(x0, x1, y0, y1, z0, z1)``, metres.

    Attributes:
        rng: Source of the random places.
        size: ``[3]`` of the room, metres.
        reserved: Boxes ``[2 3]`` (low, high corner) in the world, metres.
    """

    rng: np.random.Generator
    size: np.ndarray
    reserved: list[np.ndarray] = dataclasses.field(default_factory=list)

    def wall_place(self, width: float, wall: int | None = None) -> np.ndarray:
        """Draws a place at a wall, with the wall behind it."""
        wall = int(self.rng.integers(4)) if wall is None else wall
        length = self.size[wall % 2]
        along = self.rng.uniform(width / 2 + 0.02, length - width / 2 - 0.02)
        x, y, _ = self.size
        at = [(along, 0), (x, along), (x - along, y), (0, y - along)][wall]
        return translate(*at) @ rotate(2, wall * np.pi / 2)

    def reserve(self, place: np.ndarray, boxes: list[tuple]) -> bool:
        """Reserves boxes at a place if all are free, and returns whether they are."""
        new = []
        for x0, x1, y0, y1, z0, z1 in boxes:
            ends = np.array([[x0, y0, z0], [x1, y1, z1]]) @ place[:3, :3].T
            ends = np.sort(ends + place[:3, 3], axis=0)
            if np.any(ends[0] < -1e-6) or np.any(ends[1] > self.size + 1e-6):
                return False
            for other in self.reserved:
                if np.all(ends[0] < other[1]) and np.all(ends[1] > other[0]):
                    return False
            new.append(ends)
        self.reserved += new
        return True

    def at_wall(
        self, width: float, boxes: list[tuple], wall: int | None = None
    ) -> np.ndarray:
        """Finds a place at a wall, any or one of the four, and reserves it.

        Raises:
            _NoSpace: None was found.
        """
        for _ in range(PLACEMENT_ATTEMPTS):
            place = self.wall_place(width, wall)
            if self.reserve(place, boxes):
                return place
        raise _NoSpace

    def free_standing(
        self, boxes: list[tuple], half_size: tuple[float, float]
    ) -> np.ndarray:
        """Finds a place away from walls, rotated by a multiple of 90 degrees.

        Args:
            boxes: The space to reserve.
            half_size: Half extents of it along x and y, metres.

        Raises:
            _NoSpace: None was found.
        """
        for _ in range(PLACEMENT_ATTEMPTS):
            quarter = int(self.rng.integers(4))
            rx, ry = half_size if quarter % 2 == 0 else half_size[::-1]
            if 2 * rx > self.size[0] or 2 * ry > self.size[1]:
                continue
            x = self.rng.uniform(rx, self.size[0] - rx)
            y = self.rng.uniform(ry, self.size[1] - ry)
            place = translate(x, y) @ rotate(2, quarter * np.pi / 2)
            if self.reserve(place, boxes):
                return place
        raise _NoSpace


def furnish(seed: int) -> Room:
    """Draws and furnishes the room of a seed."""
    for attempt in range(1000):
        rng = np.random.default_rng([seed, attempt])
        try:
            return _draw_room(rng)
        except _NoSpace:
            continue
    raise RuntimeError(f"seed {seed}: no layout found")


def _draw_room(rng: np.random.Generator) -> Room:
    size = np.array([rng.uniform(4.6, 6.0), rng.uniform(4.2, 5.0), 2.6])
    plan, scene = FloorPlan(rng, size), SceneBuilder(rng)
    walls.room_shell(scene, size)
    _living_corner(plan, scene)
    _dining_corner(plan, scene)
    _storage(plan, scene)
    _openings(plan, scene)
    _corners(plan, scene)
    for _ in range(int(rng.integers(4, 6))):
        width, height = rng.uniform(0.45, 0.95), rng.uniform(0.4, 0.7)
        z = rng.uniform(1.5, 1.7)
        half = width / 2 + 0.05
        place = plan.at_wall(
            width + 0.1, [(-half, half, 0, 0.05, z - height / 2, z + height / 2)]
        )
        walls.picture(scene, place @ translate(0, 0, z), width, height)
    solids = sorted(scene.solids, key=lambda solid: solid.kind)
    return Room(size, solids, scene.materials, scene.light_points)


def _living_corner(plan: FloorPlan, scene: SceneBuilder) -> None:
    """Sofa, rug and coffee table, and a television on the opposite wall if it fits."""
    width = float(scene.rng.uniform(1.7, 2.15))
    half = width / 2 + 0.05
    wall = int(scene.rng.integers(4))
    place = plan.at_wall(
        2 * half, [(-half, half, 0, 1.0, 0, 1.0), (-1.0, 1.0, 1.0, 2.3, 0, 0.6)], wall
    )
    furniture.sofa(scene, place @ translate(0, 0.03), width)
    walls.rug(
        scene, place @ translate(0, 1.55), float(scene.rng.uniform(1.7, 2.0)), 1.35
    )
    furniture.coffee_table(
        scene, place @ translate(scene.rng.uniform(-0.1, 0.1), 1.5, 0.012)
    )
    tv = float(scene.rng.uniform(0.85, 1.1))
    stand = tv + 0.35
    boxes = [(-stand / 2, stand / 2, 0, 0.62, 0, 1.3)]
    try:
        place = plan.at_wall(stand, boxes, (wall + 2) % 4)
    except _NoSpace:
        place = plan.at_wall(stand, boxes)
    furniture.cabinet(scene, place @ translate(0, 0.03), stand, 0.48)
    furniture.television(scene, place @ translate(0, 0.03, 0.505), tv)


def _dining_corner(plan: FloorPlan, scene: SceneBuilder) -> None:
    length, depth = (
        float(scene.rng.uniform(1.15, 1.45)),
        float(scene.rng.uniform(0.75, 0.85)),
    )
    rx, ry = length / 2 + 0.12, depth / 2 + 0.62
    place = plan.free_standing([(-rx, rx, -ry, ry, 0, 1.1)], (rx, ry))
    furniture.dining_group(scene, place, length, depth, int(scene.rng.integers(2, 5)))
    props.pendant(scene, place, plan.size[2])


def _storage(plan: FloorPlan, scene: SceneBuilder) -> None:
    width, height = (
        float(scene.rng.uniform(0.9, 1.15)),
        float(scene.rng.uniform(1.75, 2.05)),
    )
    half = width / 2 + 0.03
    place = plan.at_wall(2 * half, [(-half, half, 0, 0.6, 0, 2.2)])
    furniture.shelf(scene, place @ translate(0, 0.015), width, height)
    width = float(scene.rng.uniform(0.85, 1.15))
    half = width / 2 + 0.05
    place = plan.at_wall(2 * half, [(-half, half, 0, 0.65, 0, 1.4)])
    furniture.sideboard(scene, place @ translate(0, 0.03), width)


def _openings(plan: FloorPlan, scene: SceneBuilder) -> None:
    place = plan.at_wall(1.1, [(-0.55, 0.55, 0, 0.7, 0, 2.2)])
    walls.door(scene, place)
    count = int(scene.rng.integers(1, 3))
    for _ in range(count):
        width = float(scene.rng.uniform(1.1, 1.7))
        half = width / 2 + 0.4
        # Curtains hang to 0.15 m from the wall; low furniture may stand beneath.
        place = plan.at_wall(2 * half, [(-half, half, 0, 0.15, 0.86, 2.5)])
        walls.window(scene, place, width, 1.05, 2.2, 7.0 / count)


def _corners(plan: FloorPlan, scene: SceneBuilder) -> None:
    """Standing lamp, plant and basket along the walls."""
    place = plan.at_wall(0.5, [(-0.25, 0.25, 0, 0.5, 0, 1.9)])
    props.floor_lamp(scene, place @ translate(0, 0.27))
    place = plan.at_wall(0.8, [(-0.4, 0.4, 0, 0.8, 0, 1.6)])
    props.plant(
        scene, place @ translate(0, 0.4), float(scene.rng.uniform(1.1, 1.5)), 0.36
    )
    place = plan.at_wall(0.6, [(-0.3, 0.3, 0, 0.6, 0, 0.6)])
    props.basket(scene, place @ translate(0, 0.3))
