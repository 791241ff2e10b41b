"""Walls, floor and ceiling, and what hangs or lies flat on them."""

import numpy as np

from alsem.rooms.scene_builder import SceneBuilder, hsv, rotate

WALL_THICKNESS_M = 0.1


def room_shell(scene: SceneBuilder, size: np.ndarray) -> None:
    """Adds floor, ceiling, four walls and their skirting boards."""
    x, y, z = size
    origin = np.eye(4)
    rng = scene.rng
    hue = rng.uniform(0.05, 0.62)
    paint = scene.plain(
        hue,
        rng.uniform(0.03, 0.2),
        rng.uniform(0.78, 0.92),
        noise_strength=0.05,
        noise_frequency=(1.5,) * 3,
    )
    feature_h = rng.uniform()
    stone = rng.uniform(0.6, 0.8)
    feature = [
        scene.material(
            "brick",
            hsv(0.04, 0.5, 0.62),
            hsv(0.08, 0.1, 0.78),
            hsv(0.03, 0.6, 0.42),
            pattern_frequency=(4.0, 12.0),
        ),
        scene.material(
            "stripes",
            hsv(feature_h, 0.25, 0.82),
            hsv(feature_h, 0.3, 0.7),
            pattern_frequency=(5.0, 1.0),
        ),
        scene.plain(feature_h, 0.4, 0.7, noise_strength=0.06),
        scene.material(
            "tiles",
            hsv(0.1, 0.06, 0.86),
            hsv(0.1, 0.05, 0.6),
            hsv(feature_h, 0.3, 0.7),
            pattern_frequency=(4.0, 4.0),
        ),
        scene.material(
            "dots",
            hsv(feature_h, 0.15, 0.85),
            hsv(feature_h + 0.1, 0.35, 0.65),
            pattern_frequency=(6.0, 6.0),
        ),
    ][rng.integers(5)]
    plank_h = rng.uniform(0.06, 0.1)
    ground = [
        scene.material(
            "planks",
            hsv(plank_h, 0.5, 0.66),
            hsv(plank_h, 0.55, 0.42),
            hsv(plank_h, 0.6, 0.2),
            noise_frequency=(1.2, 16.0, 1.0),
            pattern_frequency=(0.8, 7.0),
        ),
        scene.material(
            "tiles",
            hsv(0.1, 0.1, stone),
            hsv(0.1, 0.1, 0.45),
            hsv(0.08, 0.2, 0.55),
            pattern_frequency=(2.2, 2.2),
            noise_frequency=(5.0,) * 3,
        ),
        scene.material(
            "checker",
            hsv(0.1, 0.12, 0.8),
            hsv(0.08, 0.2, 0.45),
            pattern_frequency=(2.5, 2.5),
            noise_frequency=(7.0,) * 3,
        ),
        scene.material(
            "marble",
            hsv(0.1, 0.08, stone),
            hsv(0.08, 0.15, 0.5),
            pattern_frequency=(1.0, 1.0),
            noise_frequency=(2.0,) * 3,
        ),
    ][rng.integers(4)]
    white = scene.plain(0.12, 0.03, 0.93, noise_strength=0.03)
    t = WALL_THICKNESS_M
    scene.box(
        origin,
        (x / 2, y / 2, -t / 2),
        (x + 2 * t, y + 2 * t, t),
        ground,
        "floor",
        is_shell=True,
    )
    scene.box(
        origin,
        (x / 2, y / 2, z + t / 2),
        (x + 2 * t, y + 2 * t, t),
        white,
        "ceiling",
        is_shell=True,
    )
    chosen = int(rng.integers(4))
    # Walls overlap at the corners, and with floor and ceiling, so no ray passes
    # between them.
    sides = [
        ((x / 2, -t / 2), (x + 2 * t, t)),
        ((x + t / 2, y / 2), (t, y + 2 * t)),
        ((x / 2, y + t / 2), (x + 2 * t, t)),
        ((-t / 2, y / 2), (t, y + 2 * t)),
    ]
    for i, ((cx, cy), (sx, sy)) in enumerate(sides):
        material = feature if i == chosen else paint
        scene.box(
            origin,
            (cx, cy, z / 2),
            (sx, sy, z + 2 * t),
            material,
            "wall",
            is_shell=True,
        )
        low = (sx if sx > t else 0.024, sy if sy > t else 0.024)
        inside = (np.clip(cx, 0.006, x - 0.006), np.clip(cy, 0.006, y - 0.006))
        scene.box(origin, (*inside, 0.04), (*low, 0.08), white, "wall", is_shell=True)


def window(
    scene: SceneBuilder,
    place: np.ndarray,
    width: float,
    sill: float,
    top: float,
    power: float,
) -> None:
    """Adds a window on the wall: emissive sky, frame, bars, sill and curtains."""
    tall, mid = top - sill, (top + sill) / 2
    h = scene.rng.uniform(0.55, 0.62)
    sky = scene.material(
        "sky",
        hsv(h, 0.18, 1.0),
        hsv(h, 0.45, 0.95),
        hsv(0.3, 0.35, 0.45),
        emission=0.8,
        noise_frequency=(3.0,) * 3,
        noise_strength=0.05,
    )
    scene.box(place, (0, 0.006, mid), (width, 0.012, tall), sky, "window")
    frame = scene.choose([scene.off_white, scene.off_white, scene.woods[1]])
    for side in (-1, 1):
        scene.box(
            place,
            (side * width / 2, 0.02, mid),
            (0.06, 0.04, tall + 0.06),
            frame,
            "window",
        )
        scene.box(
            place,
            (0, 0.02, mid + side * tall / 2),
            (width, 0.04, 0.06),
            frame,
            "window",
        )
    bars = max(1, round(width / 0.6) - 1)
    for i in range(bars):
        x = width * ((i + 1) / (bars + 1) - 0.5)
        scene.box(place, (x, 0.018, mid), (0.035, 0.034, tall), frame, "window")
    scene.box(
        place, (0, 0.018, mid + 0.16 * tall), (width, 0.03, 0.03), frame, "window"
    )
    scene.box(
        place, (0, 0.06, sill - 0.045), (width + 0.06, 0.12, 0.03), frame, "window"
    )
    columns, rows = 4, 3
    each = power / (columns * rows) * np.array([0.86, 0.95, 1.0])
    for i in range(columns):
        for j in range(rows):
            x, z = width * ((i + 0.5) / columns - 0.5), sill + tall * (j + 0.5) / rows
            scene.point_light(place, (x, 0.06, z), (0, 1, 0), each)
    _curtains(scene, place, width, sill - 0.12, top + 0.1)


def _curtains(
    scene: SceneBuilder, place: np.ndarray, width: float, low: float, high: float
) -> None:
    cloth = scene.choose(scene.fabrics)
    span = width + 0.72
    along = rotate(1, np.pi / 2)
    scene.frustum(
        place, (-span / 2, 0.075, high), 0.012, span, scene.metal, "curtain", tilt=along
    )
    for side in (-1, 1):
        for i in range(5):
            x = side * (width / 2 + 0.075 + 0.062 * i)
            deep = 0.035 if i % 2 else 0.05
            scene.frustum(
                place,
                (x, 0.075, low),
                deep,
                high - low - 0.015,
                cloth,
                "curtain",
                top=0.8 * deep,
            )


def door(scene: SceneBuilder, place: np.ndarray) -> None:
    """Adds a door 0.9 m wide with its frame, panels and handle."""
    leaf, frame = (
        scene.choose([*scene.woods, scene.off_white, scene.paints[2]]),
        scene.choose([scene.off_white, *scene.woods]),
    )
    scene.box(place, (0, 0.012, 1.035), (0.88, 0.024, 2.07), leaf, "door")
    for side in (-1, 1):
        scene.box(place, (side * 0.47, 0.02, 1.05), (0.08, 0.04, 2.1), frame, "door")
    scene.box(place, (0, 0.02, 2.1), (1.02, 0.04, 0.08), frame, "door")
    for z, tall in ((0.5, 0.66), (1.48, 0.8)):
        for side in (-1, 1):
            scene.box(place, (side * 0.19, 0.028, z), (0.28, 0.014, tall), leaf, "door")
    scene.box(place, (0.36, 0.03, 1.02), (0.04, 0.014, 0.2), scene.metal, "door")
    scene.frustum(
        place,
        (0.36, 0.07, 1.05),
        0.011,
        0.11,
        scene.metal,
        "door",
        tilt=rotate(1, -np.pi / 2),
    )
    scene.frustum(
        place,
        (0.36, 0.03, 1.05),
        0.01,
        0.045,
        scene.metal,
        "door",
        tilt=rotate(0, -np.pi / 2),
    )


def picture(
    scene: SceneBuilder, place: np.ndarray, width: float, height: float
) -> None:
    """Adds a framed picture on the wall, centred at the place."""
    h = scene.rng.uniform()
    art = scene.material(
        str(scene.rng.choice(["horizon", "rings", "blocks"])),
        hsv(h, scene.rng.uniform(0.3, 0.7), 0.55),
        hsv(h + scene.rng.uniform(0.2, 0.6), 0.45, 0.8),
        hsv(h + 0.5, 0.6, 0.4),
        noise_frequency=(7.0,) * 3,
    )
    frame = scene.choose([*scene.woods, scene.metal, scene.off_white])
    scene.box(place, (0, 0.011, 0), (width, 0.022, height), frame, "picture")
    scene.box(
        place,
        (0, 0.012, 0),
        (width - 0.05, 0.026, height - 0.05),
        scene.off_white,
        "picture",
    )
    scene.box(place, (0, 0.013, 0), (width - 0.15, 0.03, height - 0.15), art, "picture")


def rug(scene: SceneBuilder, place: np.ndarray, width: float, depth: float) -> None:
    """Adds a patterned rug, centred, 1 cm thick."""
    h = scene.rng.uniform()
    weave = scene.material(
        "rug",
        hsv(h, scene.rng.uniform(0.2, 0.6), scene.rng.uniform(0.35, 0.7)),
        hsv(h + 0.45, 0.35, 0.75),
        hsv(h + 0.1, 0.5, 0.35),
        noise_frequency=(40.0,) * 3,
        pattern_frequency=(4.0, 4.0),
        noise_strength=0.25,
    )
    scene.box(place, (0, 0, 0.006), (width, depth, 0.012), weave, "rug")
