"""What belongs to the walls: the shell, windows, curtains, doors, pictures."""

import numpy as np

from alsem.rooms.scene_builder import SceneBuilder, linear, turn

SHELL = 0.1  # thickness of walls, metres


def shell(w: SceneBuilder, size: np.ndarray) -> None:
    """Floor, ceiling, four walls and their skirting boards."""
    x, y, z = size
    origin = np.eye(4)
    rng = w.rng
    hue = rng.uniform(0.05, 0.62)
    paint = w.plain(
        hue,
        rng.uniform(0.03, 0.2),
        rng.uniform(0.78, 0.92),
        rough=0.05,
        grain=(1.5,) * 3,
    )
    feature_h = rng.uniform()
    stone = rng.uniform(0.6, 0.8)
    feature = [
        w.material(
            "brick",
            linear(0.04, 0.5, 0.62),
            linear(0.08, 0.1, 0.78),
            linear(0.03, 0.6, 0.42),
            scale=(4.0, 12.0),
        ),
        w.material(
            "stripes",
            linear(feature_h, 0.25, 0.82),
            linear(feature_h, 0.3, 0.7),
            scale=(5.0, 1.0),
        ),
        w.plain(feature_h, 0.4, 0.7, rough=0.06),
        w.material(
            "tiles",
            linear(0.1, 0.06, 0.86),
            linear(0.1, 0.05, 0.6),
            linear(feature_h, 0.3, 0.7),
            scale=(4.0, 4.0),
        ),
        w.material(
            "dots",
            linear(feature_h, 0.15, 0.85),
            linear(feature_h + 0.1, 0.35, 0.65),
            scale=(6.0, 6.0),
        ),
    ][rng.integers(5)]
    plank_h = rng.uniform(0.06, 0.1)
    ground = [
        w.material(
            "planks",
            linear(plank_h, 0.5, 0.66),
            linear(plank_h, 0.55, 0.42),
            linear(plank_h, 0.6, 0.2),
            grain=(1.2, 16.0, 1.0),
            scale=(0.8, 7.0),
        ),
        w.material(
            "tiles",
            linear(0.1, 0.1, stone),
            linear(0.1, 0.1, 0.45),
            linear(0.08, 0.2, 0.55),
            scale=(2.2, 2.2),
            grain=(5.0,) * 3,
        ),
        w.material(
            "checker",
            linear(0.1, 0.12, 0.8),
            linear(0.08, 0.2, 0.45),
            scale=(2.5, 2.5),
            grain=(7.0,) * 3,
        ),
        w.material(
            "marble",
            linear(0.1, 0.08, stone),
            linear(0.08, 0.15, 0.5),
            scale=(1.0, 1.0),
            grain=(2.0,) * 3,
        ),
    ][rng.integers(4)]
    white = w.plain(0.12, 0.03, 0.93, rough=0.03)
    t = SHELL
    w.box(
        origin,
        (x / 2, y / 2, -t / 2),
        (x + 2 * t, y + 2 * t, t),
        ground,
        "floor",
        is_shell=True,
    )
    w.box(
        origin,
        (x / 2, y / 2, z + t / 2),
        (x + 2 * t, y + 2 * t, t),
        white,
        "ceiling",
        is_shell=True,
    )
    chosen = int(rng.integers(4))
    # Walls reach into each other and past floor and ceiling: no ray slips through.
    sides = [
        ((x / 2, -t / 2), (x + 2 * t, t)),
        ((x + t / 2, y / 2), (t, y + 2 * t)),
        ((x / 2, y + t / 2), (x + 2 * t, t)),
        ((-t / 2, y / 2), (t, y + 2 * t)),
    ]
    for i, ((cx, cy), (sx, sy)) in enumerate(sides):
        material = feature if i == chosen else paint
        w.box(
            origin,
            (cx, cy, z / 2),
            (sx, sy, z + 2 * t),
            material,
            "wall",
            is_shell=True,
        )
        low = (sx if sx > t else 0.024, sy if sy > t else 0.024)
        inside = (np.clip(cx, 0.006, x - 0.006), np.clip(cy, 0.006, y - 0.006))
        w.box(origin, (*inside, 0.04), (*low, 0.08), white, "wall", is_shell=True)


def window(
    w: SceneBuilder,
    place: np.ndarray,
    width: float,
    sill: float,
    top: float,
    power: float,
) -> None:
    """A window flush with the wall: sky behind panes, frame, sill and curtains."""
    tall, mid = top - sill, (top + sill) / 2
    h = w.rng.uniform(0.55, 0.62)
    sky = w.material(
        "sky",
        linear(h, 0.18, 1.0),
        linear(h, 0.45, 0.95),
        linear(0.3, 0.35, 0.45),
        emission=0.8,
        grain=(3.0,) * 3,
        rough=0.05,
    )
    w.box(place, (0, 0.006, mid), (width, 0.012, tall), sky, "window")
    frame = w.any_of([w.pale, w.pale, w.woods[1]])
    for side in (-1, 1):
        w.box(
            place,
            (side * width / 2, 0.02, mid),
            (0.06, 0.04, tall + 0.06),
            frame,
            "window",
        )
        w.box(
            place,
            (0, 0.02, mid + side * tall / 2),
            (width, 0.04, 0.06),
            frame,
            "window",
        )
    bars = max(1, round(width / 0.6) - 1)
    for i in range(bars):
        x = width * ((i + 1) / (bars + 1) - 0.5)
        w.box(place, (x, 0.018, mid), (0.035, 0.034, tall), frame, "window")
    w.box(place, (0, 0.018, mid + 0.16 * tall), (width, 0.03, 0.03), frame, "window")
    w.box(place, (0, 0.06, sill - 0.045), (width + 0.06, 0.12, 0.03), frame, "window")
    columns, rows = 4, 3
    each = power / (columns * rows) * np.array([0.86, 0.95, 1.0])
    for i in range(columns):
        for j in range(rows):
            x, z = width * ((i + 0.5) / columns - 0.5), sill + tall * (j + 0.5) / rows
            w.light(place, (x, 0.06, z), (0, 1, 0), each)
    _curtains(w, place, width, sill - 0.12, top + 0.1)


def _curtains(
    w: SceneBuilder, place: np.ndarray, width: float, low: float, high: float
) -> None:
    cloth = w.any_of(w.fabrics)
    span = width + 0.72
    along = turn(1, np.pi / 2)
    w.tube(place, (-span / 2, 0.075, high), 0.012, span, w.metal, "curtain", tilt=along)
    for side in (-1, 1):
        for i in range(5):
            x = side * (width / 2 + 0.075 + 0.062 * i)
            deep = 0.035 if i % 2 else 0.05
            w.tube(
                place,
                (x, 0.075, low),
                deep,
                high - low - 0.015,
                cloth,
                "curtain",
                top=0.8 * deep,
            )


def door(w: SceneBuilder, place: np.ndarray) -> None:
    """A door 0.9 m wide with its frame, panels and handle."""
    leaf, frame = (
        w.any_of([*w.woods, w.pale, w.paints[2]]),
        w.any_of([w.pale, *w.woods]),
    )
    w.box(place, (0, 0.012, 1.035), (0.88, 0.024, 2.07), leaf, "door")
    for side in (-1, 1):
        w.box(place, (side * 0.47, 0.02, 1.05), (0.08, 0.04, 2.1), frame, "door")
    w.box(place, (0, 0.02, 2.1), (1.02, 0.04, 0.08), frame, "door")
    for z, tall in ((0.5, 0.66), (1.48, 0.8)):
        for side in (-1, 1):
            w.box(place, (side * 0.19, 0.028, z), (0.28, 0.014, tall), leaf, "door")
    w.box(place, (0.36, 0.03, 1.02), (0.04, 0.014, 0.2), w.metal, "door")
    w.tube(
        place,
        (0.36, 0.07, 1.05),
        0.011,
        0.11,
        w.metal,
        "door",
        tilt=turn(1, -np.pi / 2),
    )
    w.tube(
        place,
        (0.36, 0.03, 1.05),
        0.01,
        0.045,
        w.metal,
        "door",
        tilt=turn(0, -np.pi / 2),
    )


def picture(w: SceneBuilder, place: np.ndarray, width: float, height: float) -> None:
    """A framed picture flush with the wall, centred on the place."""
    h = w.rng.uniform()
    art = w.material(
        str(w.rng.choice(["horizon", "rings", "blocks"])),
        linear(h, w.rng.uniform(0.3, 0.7), 0.55),
        linear(h + w.rng.uniform(0.2, 0.6), 0.45, 0.8),
        linear(h + 0.5, 0.6, 0.4),
        grain=(7.0,) * 3,
    )
    frame = w.any_of([*w.woods, w.metal, w.pale])
    w.box(place, (0, 0.011, 0), (width, 0.022, height), frame, "picture")
    w.box(place, (0, 0.012, 0), (width - 0.05, 0.026, height - 0.05), w.pale, "picture")
    w.box(place, (0, 0.013, 0), (width - 0.15, 0.03, height - 0.15), art, "picture")


def rug(w: SceneBuilder, place: np.ndarray, width: float, depth: float) -> None:
    """A patterned rug, centred, 1 cm thick."""
    h = w.rng.uniform()
    weave = w.material(
        "rug",
        linear(h, w.rng.uniform(0.2, 0.6), w.rng.uniform(0.35, 0.7)),
        linear(h + 0.45, 0.35, 0.75),
        linear(h + 0.1, 0.5, 0.35),
        grain=(40.0,) * 3,
        scale=(4.0, 4.0),
        rough=0.25,
    )
    w.box(place, (0, 0, 0.006), (width, depth, 0.012), weave, "rug")
