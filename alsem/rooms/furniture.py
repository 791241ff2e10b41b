"""Pieces of furniture, each built at a place from boxes, frusta and ellipsoids.

A piece against a wall has its back at y = 0 and faces +y; a free one is centred.
"""

import numpy as np

from alsem.rooms.props import books, fruit_bowl, ornament, set_table, table_lamp
from alsem.rooms.scene_builder import SceneBuilder, linear, move, turn


def sofa(w: SceneBuilder, place: np.ndarray, width: float) -> None:
    """A sofa 0.9 m deep with two or three seats, and cushions on it."""
    fabric, arm = w.any_of(w.fabrics), w.rng.uniform(0.14, 0.22)
    seat_z, back_z = 0.42, w.rng.uniform(0.78, 0.88)
    inner = width - 2 * arm
    w.box(place, (0, 0.47, 0.2), (inner, 0.82, 0.2), fabric, "sofa")
    w.box(place, (0, 0.15, 0.45), (inner, 0.22, back_z - 0.1), fabric, "sofa")
    for side in (-1, 1):
        x = side * (width - arm) / 2
        w.box(place, (x, 0.47, 0.33), (arm, 0.88, 0.5), fabric, "sofa")
        for y in (0.1, 0.82):
            w.box(place, (x, y, 0.04), (0.06, 0.06, 0.08), w.woods[0], "sofa")
    seats = 3 if width > 1.9 else 2
    each = inner / seats
    for i in range(seats):
        x = (i - (seats - 1) / 2) * each
        w.box(place, (x, 0.57, 0.36), (each - 0.015, 0.64, 0.13), fabric, "sofa")
        w.box(
            place,
            (x, 0.31, 0.6),
            (each - 0.02, 0.13, 0.38),
            fabric,
            "sofa",
            tilt=turn(0, 0.14),
        )
    for i in w.rng.permutation(seats)[: max(2, seats - 1)]:
        x = (i - (seats - 1) / 2) * each + w.rng.uniform(-0.06, 0.06)
        tilt = turn(0, 0.45) @ turn(1, w.rng.uniform(-0.25, 0.25))
        cloth = w.any_of(w.fabrics)
        if w.rng.uniform() < 0.5:
            at = (x, 0.5, seat_z + 0.2)
            w.ball(place, at, (0.21, 0.09, 0.2), cloth, "cushion", tilt=tilt)
        else:
            at = (x, 0.5, seat_z + 0.21)
            w.box(place, at, (0.38, 0.11, 0.36), cloth, "cushion", tilt=tilt)


def chair(w: SceneBuilder, place: np.ndarray, wood: int, seat: int, style: int) -> None:
    """A chair centred on its seat, facing +y."""
    size, height = 0.42, 0.45
    leg = 0.035
    for x in (-1, 1):
        for y in (-1, 1):
            at = (x * (size - leg) / 2, y * (size - leg) / 2, height / 2)
            w.box(place, at, (leg, leg, height), wood, "chair")
    w.box(place, (0, 0, height + 0.015), (size, size, 0.04), seat, "chair")
    top = 0.92
    for x in (-1, 1):
        at = (x * (size - leg) / 2, -(size - leg) / 2, (height + top) / 2 + 0.02)
        w.box(place, at, (leg, leg, top - height), wood, "chair")
    slats = ((0.62, 0.05), (0.74, 0.05), (0.87, 0.08)) if style else ((0.79, 0.26),)
    for z, tall in slats:
        at = (0, -(size - leg) / 2, z)
        w.box(
            place,
            at,
            (size - 2 * leg, 0.022, tall),
            seat if style == 0 else wood,
            "chair",
        )


def dining_group(
    w: SceneBuilder, place: np.ndarray, length: float, depth: float, chairs: int
) -> None:
    """A laid table with two to four chairs, centred, its length along x."""
    wood, top_z = w.any_of(w.woods), 0.75
    around = [(-1, 1), (1, -1), (1, 1), (-1, -1)][:chairs]
    if w.rng.uniform() < 0.35:
        radius = 0.5 * depth + 0.1
        w.tube(place, (0, 0, top_z - 0.035), radius, 0.035, wood, "table")
        w.tube(place, (0, 0, 0.05), 0.05, top_z - 0.085, wood, "table")
        w.tube(place, (0, 0, 0), 0.3, 0.05, wood, "table", top=0.22)
        length = depth = 1.4 * radius
        spots = [(0.57 * sx * radius, 0.82 * sy * radius) for sx, sy in around]
    else:
        w.box(place, (0, 0, top_z - 0.02), (length, depth, 0.04), wood, "table")
        for x in (-1, 1):
            for y in (-1, 1):
                at = (x * (length / 2 - 0.07), y * (depth / 2 - 0.07), 0.355)
                w.box(place, at, (0.06, 0.06, 0.71), wood, "table")
            w.box(
                place,
                (x * (length / 2 - 0.07), 0, 0.68),
                (0.03, depth - 0.2, 0.06),
                wood,
                "table",
            )
        spots = [(sx * length / 4, sy * depth / 2) for sx, sy in around]
    seat_wood = w.any_of([*w.woods, w.paints[0]])
    seat, style = w.any_of([seat_wood, *w.fabrics[:2]]), int(w.rng.integers(2))
    for x, y in spots:
        away = w.rng.uniform(0.14, 0.22)
        y += np.sign(y) * away
        x += w.rng.uniform(-0.02, 0.02) + 0.3 * away * np.sign(x) * (length == depth)
        facing = (np.pi if y > 0 else 0.0) + w.rng.uniform(-0.2, 0.2)
        chair(w, place @ move(x, y) @ turn(2, facing), seat_wood, seat, style)
    set_table(w, place @ move(0, 0, top_z), length, depth)


def coffee_table(w: SceneBuilder, place: np.ndarray) -> None:
    """A low table with a bowl, a cup and some books, centred."""
    wood, length, depth, top_z = w.any_of(w.woods), 0.95, 0.52, 0.42
    w.box(place, (0, 0, top_z - 0.015), (length, depth, 0.03), wood, "table")
    w.box(place, (0, 0, 0.16), (length - 0.1, depth - 0.08, 0.02), wood, "table")
    for x in (-1, 1):
        for y in (-1, 1):
            at = (x * (length / 2 - 0.04), y * (depth / 2 - 0.04), 0.195)
            w.box(place, at, (0.045, 0.045, 0.39), w.any_of(w.woods), "table")
    fruit_bowl(w, place @ move(0.22, 0.02, top_z))
    cup = w.any_of([w.pale, *w.paints])
    w.tube(place, (-0.02, 0.13, top_z), 0.032, 0.09, cup, "tableware", top=0.042)
    z = top_z
    for _ in range(3):
        thick, size = w.rng.uniform(0.02, 0.035), w.rng.uniform(0.8, 1.0)
        cover = w.any_of(w.paints)
        tilt = turn(2, w.rng.uniform(-0.3, 0.3))
        at = (-0.27, -0.05, z + thick / 2)
        w.box(place, at, (0.26 * size, 0.19 * size, thick), cover, "books", tilt=tilt)
        z += thick


def shelf(w: SceneBuilder, place: np.ndarray, width: float, height: float) -> None:
    """A bookcase 0.3 m deep: back, uprights, boards, and rows of books."""
    wood, depth, thick = w.any_of([*w.woods, w.pale]), 0.3, 0.025
    levels = int(w.rng.integers(4, 6))
    w.box(place, (0, 0.01, height / 2), (width, 0.02, height), wood, "shelf")
    for x in (-1, 1):
        at = (x * (width - thick) / 2, 0.02 + depth / 2, height / 2)
        w.box(place, at, (thick, depth, height), wood, "shelf")
    gap = (height - thick - 0.08) / levels
    for i in range(levels + 1):
        at = (0, 0.02 + depth / 2, 0.08 + i * gap + thick / 2)
        w.box(place, at, (width - 2 * thick, depth, thick), wood, "shelf")
    inner = width - 2 * thick - 0.02
    for i in range(levels):
        floor = place @ move(-inner / 2, 0.0, 0.08 + i * gap + thick)
        fraction = w.rng.uniform(0.45, 0.8)
        books(w, floor, fraction * inner, gap - thick - 0.02, depth)
        spare = (1.0 - fraction) * inner
        if spare > 0.22:
            at = floor @ move(inner - spare / 2 + 0.02, 0.18)
            ornament(w, at, min(0.075, spare / 2 - 0.03), gap - 0.08)


def cabinet(w: SceneBuilder, place: np.ndarray, width: float, height: float) -> None:
    """A cabinet 0.42 m deep with doors or drawers and their knobs."""
    body, front = (
        w.any_of([*w.woods, w.pale]),
        w.any_of([*w.woods, w.pale, w.paints[1]]),
    )
    depth, foot = 0.4, 0.1
    w.box(
        place,
        (0, depth / 2, (height + foot) / 2),
        (width, depth, height - foot),
        body,
        "cabinet",
    )
    w.box(
        place,
        (0, depth / 2, height + 0.0125),
        (width + 0.03, depth + 0.03, 0.025),
        body,
        "cabinet",
    )
    for x in (-1, 1):
        for y in (0.05, depth - 0.05):
            at = (x * (width / 2 - 0.06), y, foot / 2)
            w.box(place, at, (0.05, 0.05, foot), body, "cabinet")
    columns = max(2, round(width / 0.5))
    rows = 3 if height > 0.7 else 1 + int(w.rng.integers(2))
    wide, tall = (width - 0.02) / columns, (height - foot - 0.02) / rows
    for i in range(columns):
        for j in range(rows):
            x = -width / 2 + 0.01 + (i + 0.5) * wide
            z = foot + 0.01 + (j + 0.5) * tall
            w.box(
                place,
                (x, depth + 0.008, z),
                (wide - 0.016, 0.016, tall - 0.016),
                front,
                "cabinet",
            )
            w.ball(
                place,
                (x, depth + 0.03, z + 0.25 * tall),
                (0.016, 0.016, 0.016),
                w.metal,
                "cabinet",
            )


def television(w: SceneBuilder, place: np.ndarray, width: float) -> None:
    """A television standing on what is below; its picture glows a little."""
    tall = width * 0.57
    frame = w.plain(0.6, 0.1, 0.12)
    h = w.rng.uniform()
    kind = str(w.rng.choice(["horizon", "blocks", "rings"]))
    picture = w.material(
        kind,
        linear(h, 0.7, 0.35),
        linear(h + 0.4, 0.6, 0.5),
        linear(h + 0.6, 0.5, 0.7),
        emission=0.7,
    )
    y = 0.2
    w.box(place, (0, y, 0.01), (0.4 * width, 0.2, 0.02), frame, "tv")
    w.box(place, (0, y, 0.06), (0.08, 0.04, 0.08), frame, "tv")
    w.box(place, (0, y, 0.1 + tall / 2), (width, 0.04, tall), frame, "tv")
    w.box(
        place,
        (0, y + 0.022, 0.1 + tall / 2),
        (width - 0.04, 0.006, tall - 0.04),
        picture,
        "tv",
    )


def sideboard(w: SceneBuilder, place: np.ndarray, width: float) -> None:
    """A chest of drawers with a lamp and ornaments on top."""
    height = w.rng.uniform(0.78, 0.9)
    cabinet(w, place, width, height)
    top = place @ move(0, 0.22, height + 0.025)
    side = w.rng.choice([-1.0, 1.0])
    table_lamp(w, top @ move(side * (width / 2 - 0.2), 0))
    for x in (0.0, -side * (width / 2 - 0.17)):
        ornament(w, top @ move(x, 0), 0.1, 0.3)
