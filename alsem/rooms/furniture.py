"""Furniture, built at a place from boxes, frusta and ellipsoids.

A piece against a wall has its back at y = 0 and faces +y; a free-standing one is
centred. Lengths are in metres.
"""

import numpy as np

from alsem.rooms.props import books, fruit_bowl, ornament, table_lamp, table_setting
from alsem.rooms.scene_builder import SceneBuilder, hsv, rotate, translate


def sofa(scene: SceneBuilder, place: np.ndarray, width: float) -> None:
    """Adds a sofa 0.9 m deep with two or three seats and cushions."""
    fabric, arm = scene.choose(scene.fabrics), scene.rng.uniform(0.14, 0.22)
    seat_z, back_z = 0.42, scene.rng.uniform(0.78, 0.88)
    inner = width - 2 * arm
    scene.box(place, (0, 0.47, 0.2), (inner, 0.82, 0.2), fabric, "sofa")
    scene.box(place, (0, 0.15, 0.45), (inner, 0.22, back_z - 0.1), fabric, "sofa")
    for side in (-1, 1):
        x = side * (width - arm) / 2
        scene.box(place, (x, 0.47, 0.33), (arm, 0.88, 0.5), fabric, "sofa")
        for y in (0.1, 0.82):
            scene.box(place, (x, y, 0.04), (0.06, 0.06, 0.08), scene.woods[0], "sofa")
    seats = 3 if width > 1.9 else 2
    each = inner / seats
    for i in range(seats):
        x = (i - (seats - 1) / 2) * each
        scene.box(place, (x, 0.57, 0.36), (each - 0.015, 0.64, 0.13), fabric, "sofa")
        scene.box(
            place,
            (x, 0.31, 0.6),
            (each - 0.02, 0.13, 0.38),
            fabric,
            "sofa",
            tilt=rotate(0, 0.14),
        )
    for i in scene.rng.permutation(seats)[: max(2, seats - 1)]:
        x = (i - (seats - 1) / 2) * each + scene.rng.uniform(-0.06, 0.06)
        tilt = rotate(0, 0.45) @ rotate(1, scene.rng.uniform(-0.25, 0.25))
        cloth = scene.choose(scene.fabrics)
        if scene.rng.uniform() < 0.5:
            at = (x, 0.5, seat_z + 0.2)
            scene.ellipsoid(place, at, (0.21, 0.09, 0.2), cloth, "cushion", tilt=tilt)
        else:
            at = (x, 0.5, seat_z + 0.21)
            scene.box(place, at, (0.38, 0.11, 0.36), cloth, "cushion", tilt=tilt)


def chair(
    scene: SceneBuilder, place: np.ndarray, wood: int, seat: int, style: int
) -> None:
    """Adds a chair, centred on its seat and facing +y."""
    size, height = 0.42, 0.45
    leg = 0.035
    for x in (-1, 1):
        for y in (-1, 1):
            at = (x * (size - leg) / 2, y * (size - leg) / 2, height / 2)
            scene.box(place, at, (leg, leg, height), wood, "chair")
    scene.box(place, (0, 0, height + 0.015), (size, size, 0.04), seat, "chair")
    top = 0.92
    for x in (-1, 1):
        at = (x * (size - leg) / 2, -(size - leg) / 2, (height + top) / 2 + 0.02)
        scene.box(place, at, (leg, leg, top - height), wood, "chair")
    slats = ((0.62, 0.05), (0.74, 0.05), (0.87, 0.08)) if style else ((0.79, 0.26),)
    for z, tall in slats:
        at = (0, -(size - leg) / 2, z)
        scene.box(
            place,
            at,
            (size - 2 * leg, 0.022, tall),
            seat if style == 0 else wood,
            "chair",
        )


def dining_group(
    scene: SceneBuilder, place: np.ndarray, length: float, depth: float, chairs: int
) -> None:
    """Adds a table laid for two to four and chairs, centred, its length along x."""
    wood, top_z = scene.choose(scene.woods), 0.75
    around = [(-1, 1), (1, -1), (1, 1), (-1, -1)][:chairs]
    if scene.rng.uniform() < 0.35:
        radius = 0.5 * depth + 0.1
        scene.frustum(place, (0, 0, top_z - 0.035), radius, 0.035, wood, "table")
        scene.frustum(place, (0, 0, 0.05), 0.05, top_z - 0.085, wood, "table")
        scene.frustum(place, (0, 0, 0), 0.3, 0.05, wood, "table", top=0.22)
        length = depth = 1.4 * radius
        spots = [(0.57 * sx * radius, 0.82 * sy * radius) for sx, sy in around]
    else:
        scene.box(place, (0, 0, top_z - 0.02), (length, depth, 0.04), wood, "table")
        for x in (-1, 1):
            for y in (-1, 1):
                at = (x * (length / 2 - 0.07), y * (depth / 2 - 0.07), 0.355)
                scene.box(place, at, (0.06, 0.06, 0.71), wood, "table")
            scene.box(
                place,
                (x * (length / 2 - 0.07), 0, 0.68),
                (0.03, depth - 0.2, 0.06),
                wood,
                "table",
            )
        spots = [(sx * length / 4, sy * depth / 2) for sx, sy in around]
    seat_wood = scene.choose([*scene.woods, scene.paints[0]])
    seat, style = (
        scene.choose([seat_wood, *scene.fabrics[:2]]),
        int(scene.rng.integers(2)),
    )
    for x, y in spots:
        away = scene.rng.uniform(0.14, 0.22)
        y += np.sign(y) * away
        x += scene.rng.uniform(-0.02, 0.02) + 0.3 * away * np.sign(x) * (
            length == depth
        )
        facing = (np.pi if y > 0 else 0.0) + scene.rng.uniform(-0.2, 0.2)
        chair(
            scene, place @ translate(x, y) @ rotate(2, facing), seat_wood, seat, style
        )
    table_setting(scene, place @ translate(0, 0, top_z), length, depth)


def coffee_table(scene: SceneBuilder, place: np.ndarray) -> None:
    """Adds a low table with a bowl, a cup and some books, centred."""
    wood, length, depth, top_z = scene.choose(scene.woods), 0.95, 0.52, 0.42
    scene.box(place, (0, 0, top_z - 0.015), (length, depth, 0.03), wood, "table")
    scene.box(place, (0, 0, 0.16), (length - 0.1, depth - 0.08, 0.02), wood, "table")
    for x in (-1, 1):
        for y in (-1, 1):
            at = (x * (length / 2 - 0.04), y * (depth / 2 - 0.04), 0.195)
            scene.box(
                place, at, (0.045, 0.045, 0.39), scene.choose(scene.woods), "table"
            )
    fruit_bowl(scene, place @ translate(0.22, 0.02, top_z))
    cup = scene.choose([scene.off_white, *scene.paints])
    scene.frustum(place, (-0.02, 0.13, top_z), 0.032, 0.09, cup, "tableware", top=0.042)
    z = top_z
    for _ in range(3):
        thick, size = scene.rng.uniform(0.02, 0.035), scene.rng.uniform(0.8, 1.0)
        cover = scene.choose(scene.paints)
        tilt = rotate(2, scene.rng.uniform(-0.3, 0.3))
        at = (-0.27, -0.05, z + thick / 2)
        scene.box(
            place, at, (0.26 * size, 0.19 * size, thick), cover, "books", tilt=tilt
        )
        z += thick


def shelf(scene: SceneBuilder, place: np.ndarray, width: float, height: float) -> None:
    """Adds a bookcase 0.3 m deep: back, uprights, boards, and rows of books."""
    wood, depth, thick = scene.choose([*scene.woods, scene.off_white]), 0.3, 0.025
    levels = int(scene.rng.integers(4, 6))
    scene.box(place, (0, 0.01, height / 2), (width, 0.02, height), wood, "shelf")
    for x in (-1, 1):
        at = (x * (width - thick) / 2, 0.02 + depth / 2, height / 2)
        scene.box(place, at, (thick, depth, height), wood, "shelf")
    gap = (height - thick - 0.08) / levels
    for i in range(levels + 1):
        at = (0, 0.02 + depth / 2, 0.08 + i * gap + thick / 2)
        scene.box(place, at, (width - 2 * thick, depth, thick), wood, "shelf")
    inner = width - 2 * thick - 0.02
    for i in range(levels):
        floor = place @ translate(-inner / 2, 0.0, 0.08 + i * gap + thick)
        fraction = scene.rng.uniform(0.45, 0.8)
        books(scene, floor, fraction * inner, gap - thick - 0.02, depth)
        spare = (1.0 - fraction) * inner
        if spare > 0.22:
            at = floor @ translate(inner - spare / 2 + 0.02, 0.18)
            ornament(scene, at, min(0.075, spare / 2 - 0.03), gap - 0.08)


def cabinet(
    scene: SceneBuilder, place: np.ndarray, width: float, height: float
) -> None:
    """Adds a cabinet 0.42 m deep with doors or drawers and their knobs."""
    body, front = (
        scene.choose([*scene.woods, scene.off_white]),
        scene.choose([*scene.woods, scene.off_white, scene.paints[1]]),
    )
    depth, foot = 0.4, 0.1
    scene.box(
        place,
        (0, depth / 2, (height + foot) / 2),
        (width, depth, height - foot),
        body,
        "cabinet",
    )
    scene.box(
        place,
        (0, depth / 2, height + 0.0125),
        (width + 0.03, depth + 0.03, 0.025),
        body,
        "cabinet",
    )
    for x in (-1, 1):
        for y in (0.05, depth - 0.05):
            at = (x * (width / 2 - 0.06), y, foot / 2)
            scene.box(place, at, (0.05, 0.05, foot), body, "cabinet")
    columns = max(2, round(width / 0.5))
    rows = 3 if height > 0.7 else 1 + int(scene.rng.integers(2))
    wide, tall = (width - 0.02) / columns, (height - foot - 0.02) / rows
    for i in range(columns):
        for j in range(rows):
            x = -width / 2 + 0.01 + (i + 0.5) * wide
            z = foot + 0.01 + (j + 0.5) * tall
            scene.box(
                place,
                (x, depth + 0.008, z),
                (wide - 0.016, 0.016, tall - 0.016),
                front,
                "cabinet",
            )
            scene.ellipsoid(
                place,
                (x, depth + 0.03, z + 0.25 * tall),
                (0.016, 0.016, 0.016),
                scene.metal,
                "cabinet",
            )


def television(scene: SceneBuilder, place: np.ndarray, width: float) -> None:
    """Adds a television with a stand; its screen emits a little light."""
    tall = width * 0.57
    frame = scene.plain(0.6, 0.1, 0.12)
    h = scene.rng.uniform()
    kind = str(scene.rng.choice(["horizon", "blocks", "rings"]))
    screen = scene.material(
        kind,
        hsv(h, 0.7, 0.35),
        hsv(h + 0.4, 0.6, 0.5),
        hsv(h + 0.6, 0.5, 0.7),
        emission=0.7,
    )
    y = 0.2
    scene.box(place, (0, y, 0.01), (0.4 * width, 0.2, 0.02), frame, "tv")
    scene.box(place, (0, y, 0.06), (0.08, 0.04, 0.08), frame, "tv")
    scene.box(place, (0, y, 0.1 + tall / 2), (width, 0.04, tall), frame, "tv")
    scene.box(
        place,
        (0, y + 0.022, 0.1 + tall / 2),
        (width - 0.04, 0.006, tall - 0.04),
        screen,
        "tv",
    )


def sideboard(scene: SceneBuilder, place: np.ndarray, width: float) -> None:
    """Adds a cabinet with a lamp and ornaments on top."""
    height = scene.rng.uniform(0.78, 0.9)
    cabinet(scene, place, width, height)
    top = place @ translate(0, 0.22, height + 0.025)
    side = scene.rng.choice([-1.0, 1.0])
    table_lamp(scene, top @ translate(side * (width / 2 - 0.2), 0))
    for x in (0.0, -side * (width / 2 - 0.17)):
        ornament(scene, top @ translate(x, 0), 0.1, 0.3)
