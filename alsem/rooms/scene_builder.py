"""The scene builder: adds solids, materials and lights to a room.

A place is a rigid transform ``[4 4]`` from the frame of a piece of furniture (x along
its width, y towards the middle of the room, z up, metres) to the world.
"""

import colorsys
import dataclasses

import numpy as np

from alsem.rooms.lights import LightPoint
from alsem.rooms.materials import Material
from alsem.rooms.solids import BOX, ELLIPSOID, FRUSTUM, Solid

Number = float | int
Vector = tuple[Number, Number, Number] | np.ndarray


def hsv(h: Number, s: Number, v: Number) -> tuple[float, ...]:
    """Linear RGB reflectance of an sRGB colour in hue, saturation and value, 0 to 1."""
    rgb = colorsys.hsv_to_rgb(h % 1.0, float(np.clip(s, 0, 1)), float(np.clip(v, 0, 1)))
    return tuple(0.9 * c**2.2 for c in rgb)


def rotate(axis: int, angle: Number) -> np.ndarray:
    """Rotation ``[4 4]`` about a coordinate axis, radians."""
    out = np.eye(4)
    i, j = (axis + 1) % 3, (axis + 2) % 3
    out[i, i] = out[j, j] = np.cos(angle)
    out[j, i], out[i, j] = np.sin(angle), -np.sin(angle)
    return out


def translate(x: Number, y: Number, z: Number = 0.0) -> np.ndarray:
    """Translation ``[4 4]``, metres."""
    out = np.eye(4)
    out[:3, 3] = x, y, z
    return out


@dataclasses.dataclass
class SceneBuilder:
    """Collects the solids, materials and light points of a room.

    Attributes:
        rng: Source of all random choices.
        woods: Material rows of the woods that the furniture is made of.
        fabrics: Material rows of fabrics.
        paints: Material rows of paints.
        off_white: Material row of a nearly white paint.
        metal: Material row of a dark metal.
        solids: The solids so far.
        materials: The materials so far.
        light_points: Points on the lamps and windows so far.
        wood_variants: For each wood, the rows with its grain along x, y and z.
    """

    rng: np.random.Generator
    solids: list[Solid] = dataclasses.field(default_factory=list)
    materials: list[Material] = dataclasses.field(default_factory=list)
    light_points: list[LightPoint] = dataclasses.field(default_factory=list)
    wood_variants: dict[int, list[int]] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        """Draws the palette of the room."""
        rng = self.rng
        hue = rng.uniform()
        self.woods = [
            self.wood(rng.uniform(0.05, 0.1), rng.uniform(0.35, 0.65), value)
            for value in (0.36, 0.55, 0.74)
        ]
        hues = (hue, hue + 0.5, hue + 0.33, rng.uniform(), 0.09)
        self.fabrics = []
        for h in hues:
            s, v = rng.uniform(0.15, 0.6), rng.uniform(0.35, 0.8)
            a, b = hsv(h, s, v), hsv(h + 0.03, s, 0.72 * v)
            name = str(rng.choice(["plain", "plain", "stripes", "dots", "checker"]))
            pattern_frequency = float(rng.uniform(6, 16))
            self.fabrics.append(
                self.material(
                    name,
                    a,
                    b,
                    noise_frequency=(35.0,) * 3,
                    pattern_frequency=(pattern_frequency, pattern_frequency),
                )
            )
        self.paints = [
            self.plain(h, rng.uniform(0.1, 0.55), rng.uniform(0.4, 0.9)) for h in hues
        ]
        self.off_white = self.plain(0.1, 0.05, 0.9)
        self.metal = self.plain(0.6, 0.08, 0.28)

    def material(
        self, texture: str, a: tuple, b: tuple, c: tuple = (0.0,) * 3, **kwargs
    ) -> int:
        """Adds a material and returns its row."""
        seed = int(self.rng.integers(1, 10_000))
        self.materials.append(Material(texture, a, b, c, seed=seed, **kwargs))
        return len(self.materials) - 1

    def plain(self, h: float, s: float, v: float, **kwargs) -> int:
        """Adds a nearly uniform colour and returns its row."""
        return self.material("plain", hsv(h, s, v), hsv(h, s, 0.93 * v), **kwargs)

    def wood(self, h: float, s: float, v: float) -> int:
        """Adds a wood, whose grain runs along the longest side of each solid."""
        a, b = hsv(h, s, v), hsv(h - 0.01, s + 0.08, 0.78 * v)
        rows = []
        for along in range(3):
            noise_frequency = [14.0, 14.0, 14.0]
            noise_frequency[along] = 1.3
            rows.append(
                self.material(
                    "wood",
                    a,
                    b,
                    noise_frequency=tuple(noise_frequency),
                    noise_strength=0.2,
                )
            )
        self.wood_variants[rows[0]] = rows
        return rows[0]

    def choose(self, rows: list[int]) -> int:
        """Draws one of several material rows."""
        return rows[int(self.rng.integers(len(rows)))]

    def _add(
        self, kind: int, place: np.ndarray, half: Vector, material: int, **kwargs
    ) -> None:
        half = np.asarray(half, float)
        if material in self.wood_variants:
            material = self.wood_variants[material][int(np.argmax(half))]
        self.solids.append(Solid(kind, place, half, material=material, **kwargs))

    def box(
        self,
        place: np.ndarray,
        centre: Vector,
        size: Vector,
        material: int,
        class_name: str,
        *,
        tilt: np.ndarray | None = None,
        is_shell: bool = False,
    ) -> None:
        """Adds a box with its centre and full size in the frame of a place, metres."""
        at = place @ translate(*centre)
        at = at if tilt is None else at @ tilt
        self._add(
            BOX,
            at,
            np.asarray(size) / 2,
            class_name=class_name,
            material=material,
            is_shell=is_shell,
        )

    def frustum(
        self,
        place: np.ndarray,
        foot: Vector,
        radius: float,
        height: float,
        material: int,
        class_name: str,
        *,
        top: float | None = None,
        tilt: np.ndarray | None = None,
    ) -> None:
        """Adds an upright frustum of a cone, or a cylinder.

        Args:
            place: The place.
            foot: Centre of the lower end, metres.
            radius: Radius of the lower end, metres.
            height: Metres.
            material: Material row.
            class_name: Class of the object it belongs to.
            top: Radius of the upper end; `radius` if None.
            tilt: Rotation ``[4 4]`` about the foot.
        """
        top = radius if top is None else top
        at = place @ translate(*foot)
        at = at if tilt is None else at @ tilt
        at = at @ translate(0, 0, height / 2)
        wide, narrow = max(radius, top), min(radius, top)
        if top > radius:  # the unit frustum is widest at its lower end: turn it over
            at = at @ rotate(0, np.pi)
        self._add(
            FRUSTUM,
            at,
            (wide, wide, height / 2),
            class_name=class_name,
            material=material,
            taper=narrow / wide,
        )

    def ellipsoid(
        self,
        place: np.ndarray,
        centre: Vector,
        radii: Vector,
        material: int,
        class_name: str,
        *,
        tilt: np.ndarray | None = None,
    ) -> None:
        """Adds an ellipsoid with centre and radii in the frame of a place, metres."""
        at = place @ translate(*centre)
        at = at if tilt is None else at @ tilt
        self._add(ELLIPSOID, at, radii, class_name=class_name, material=material)

    def point_light(
        self, place: np.ndarray, point: Vector, normal: Vector, power: np.ndarray
    ) -> None:
        """Adds a point of an area light; with a zero normal it shines all around."""
        at = place[:3, :3] @ np.asarray(point, float) + place[:3, 3]
        facing = place[:3, :3] @ np.asarray(normal, float)
        self.light_points.append(LightPoint(at, facing, power))
