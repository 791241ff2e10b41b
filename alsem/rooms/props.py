"""Small things: books, tableware, food, lamps, plants, ornaments, baskets."""

import numpy as np

from alsem.rooms.scene_builder import SceneBuilder, linear, move, turn


def books(
    w: SceneBuilder, place: np.ndarray, width: float, height: float, depth: float
) -> None:
    """A row of books from x = 0 to about ``width`` on a board 0.3 m deep."""
    covers = [m for m in w.paints]
    for _ in range(2):
        h, s = w.rng.uniform(), w.rng.uniform(0.2, 0.8)
        spine = linear(h, s, w.rng.uniform(0.25, 0.8))
        band = linear(0.12, 0.4, w.rng.uniform(0.5, 0.9))
        covers.append(w.material("spine", spine, band, band, grain=(60.0,) * 3))
    x = 0.005
    while True:
        thick = w.rng.uniform(0.03, 0.065)
        if x + thick > width:
            break
        tall = height * w.rng.uniform(0.68, 0.97)
        deep = min(depth - 0.06, w.rng.uniform(0.17, 0.24))
        at = (x + thick / 2, 0.28 - deep / 2, tall / 2)
        w.box(place, at, (thick - 0.003, deep, tall), w.any_of(covers), "books")
        x += thick


def fruit_bowl(w: SceneBuilder, place: np.ndarray) -> None:
    """A bowl with a heap of fruit."""
    clay = w.any_of([w.pale, *w.paints])
    w.tube(place, (0, 0, 0), 0.08, 0.075, clay, "tableware", top=0.15)
    hue = w.rng.choice([0.02, 0.08, 0.14, 0.27])
    for i in range(5):
        angle = i * 2 * np.pi / 4
        spread = 0.0 if i == 4 else 0.07
        colour = linear(hue + w.rng.uniform(-0.02, 0.03), 0.8, w.rng.uniform(0.6, 0.9))
        skin = w.material(
            "plain", colour, tuple(0.7 * c for c in colour), grain=(25.0,) * 3
        )
        size = w.rng.uniform(0.042, 0.05)
        at = (spread * np.cos(angle), spread * np.sin(angle), 0.095 + 0.055 * (i == 4))
        w.ball(place, at, (size, size, 0.95 * size), skin, "food")


def set_table(w: SceneBuilder, place: np.ndarray, length: float, depth: float) -> None:
    """Plates, cups, bread, a bottle and a fruit bowl on a table top."""
    china = w.any_of([w.pale, *w.paints])
    for along, side in ((-0.25, 1), (0.25, -1), (0.25, 1)):
        x, y = along * length, side * (depth / 2 - 0.17)
        w.tube(place, (x, y, 0), 0.07, 0.018, china, "tableware", top=0.125)
        cup = w.any_of([china, *w.paints])
        at = (x + 0.17, y - side * 0.06, 0)
        w.tube(place, at, 0.033, 0.095, cup, "tableware", top=0.042)
    crust = w.material(
        "marble", linear(0.08, 0.6, 0.65), linear(0.09, 0.4, 0.85), grain=(20.0,) * 3
    )
    w.ball(
        place,
        (-0.25 * length, depth / 2 - 0.17, 0.045),
        (0.075, 0.05, 0.04),
        crust,
        "food",
    )
    w.ball(
        place,
        (0.25 * length, 0.17 - depth / 2, 0.045),
        (0.06, 0.06, 0.04),
        crust,
        "food",
    )
    fruit_bowl(w, place @ move(w.rng.uniform(-0.08, 0.08), 0.0))
    glass = w.plain(w.rng.uniform(), 0.5, 0.35)
    w.tube(place, (-0.22, 0.0, 0), 0.037, 0.19, glass, "tableware")
    w.tube(place, (-0.22, 0.0, 0.19), 0.037, 0.05, glass, "tableware", top=0.014)
    w.tube(place, (-0.22, 0.0, 0.24), 0.014, 0.06, glass, "tableware")


def _shine(
    w: SceneBuilder, place: np.ndarray, z: float, radius: float, power: float
) -> None:
    """Eight light points around a shade."""
    for i in range(8):
        angle = i * np.pi / 4
        at = (radius * np.cos(angle), radius * np.sin(angle), z + 0.05 * (-1) ** i)
        w.light(place, at, (0, 0, 0), power / 8 * np.array([1.0, 0.8, 0.58]))


def _glow(w: SceneBuilder, emission: float) -> int:
    warm = linear(0.1, w.rng.uniform(0.1, 0.35), 0.95)
    return (
        w.plain(0.1, 0.2, 0.9, emission=emission)
        if w.rng.uniform() < 0.5
        else w.material(
            "stripes",
            warm,
            tuple(0.8 * c for c in warm),
            scale=(14.0, 1.0),
            emission=emission,
        )
    )


def table_lamp(w: SceneBuilder, place: np.ndarray) -> None:
    """A lamp about 0.45 m tall."""
    foot = w.any_of([w.metal, *w.paints, *w.woods])
    w.ball(place, (0, 0, 0.1), (0.075, 0.075, 0.1), foot, "lamp")
    w.tube(place, (0, 0, 0.18), 0.012, 0.1, w.metal, "lamp")
    w.tube(place, (0, 0, 0.25), 0.14, 0.19, _glow(w, 0.55), "lamp", top=0.09)
    _shine(w, place, 0.33, 0.17, 0.35)


def floor_lamp(w: SceneBuilder, place: np.ndarray) -> None:
    """A standing lamp about 1.6 m tall, centred."""
    height = w.rng.uniform(1.35, 1.5)
    w.tube(place, (0, 0, 0), 0.15, 0.025, w.metal, "lamp")
    w.tube(place, (0, 0, 0.025), 0.016, height, w.metal, "lamp")
    w.tube(place, (0, 0, height - 0.05), 0.2, 0.26, _glow(w, 0.55), "lamp", top=0.13)
    _shine(w, place, height + 0.08, 0.24, 0.9)


def pendant(w: SceneBuilder, place: np.ndarray, ceiling: float) -> None:
    """A lamp hung from the ceiling."""
    low = ceiling - w.rng.uniform(0.42, 0.5)
    radius = w.rng.uniform(0.2, 0.28)
    shade = w.any_of([w.pale, w.metal, *w.paints])
    w.tube(place, (0, 0, ceiling - 0.03), 0.06, 0.03, w.metal, "lamp")
    w.tube(place, (0, 0, low + 0.16), 0.008, ceiling - 0.19 - low, w.metal, "lamp")
    w.tube(place, (0, 0, low), radius, 0.16, shade, "lamp", top=0.06)
    bulb = w.plain(0.12, 0.1, 0.95, emission=1.2)
    w.tube(place, (0, 0, low - 0.012), 0.8 * radius, 0.012, bulb, "lamp")
    for i in range(16):
        far, angle = radius * np.sqrt((i + 0.5) / 16), i * 2.39996
        at = (far * np.cos(angle), far * np.sin(angle), low - 0.03)
        w.light(place, at, (0, 0, -1), 3.4 / 16 * np.array([1.0, 0.88, 0.72]))
    # What the shade and the ceiling scatter upwards.
    for i in range(4):
        angle = i * np.pi / 2
        at = (0.35 * np.cos(angle), 0.35 * np.sin(angle), low + 0.1)
        w.light(place, at, (0, 0, 0), 0.5 / 4 * np.array([1.0, 0.88, 0.72]))


def plant(w: SceneBuilder, place: np.ndarray, height: float, radius: float) -> None:
    """A potted plant, centred: pot, soil, stems and a crown of leaves."""
    pot = w.any_of([*w.paints, w.pale, w.woods[1]])
    pot_r, pot_h = 0.55 * radius, 0.3 * height
    w.tube(place, (0, 0, 0), 0.72 * pot_r, pot_h, pot, "plant", top=pot_r)
    soil = w.plain(0.07, 0.6, 0.2)
    w.tube(place, (0, 0, pot_h), 0.9 * pot_r, 0.01, soil, "plant")
    hue = w.rng.uniform(0.24, 0.36)
    leaf = [
        w.material(
            "marble",
            linear(hue, 0.65, v),
            linear(hue - 0.04, 0.55, v + 0.15),
            grain=(14.0,) * 3,
        )
        for v in (0.3, 0.42, 0.55)
    ]
    stem = w.plain(0.12, 0.5, 0.3)
    w.tube(place, (0, 0, pot_h), 0.09 * radius, 0.45 * height, stem, "plant")
    for i in range(14):
        angle = 2.39996 * i + w.rng.uniform(-0.3, 0.3)
        level = (i + 0.5) / 14
        far = radius * (0.75 - 0.45 * level) * w.rng.uniform(0.7, 1.0)
        z = pot_h + (0.12 + 0.76 * level) * (height - pot_h)
        tilt = turn(2, angle) @ turn(1, w.rng.uniform(-0.6, 0.2))
        size = (0.36 * radius, 0.17 * radius, 0.1 * radius + 0.03 * height)
        at = (far * np.cos(angle), far * np.sin(angle), z)
        w.ball(place, at, size, w.any_of(leaf), "plant", tilt=tilt)


def ornament(w: SceneBuilder, place: np.ndarray, radius: float, height: float) -> None:
    """A vase, a figure, a box or a small pot plant no larger than told."""
    paint = w.any_of([*w.paints, *w.woods, w.pale])
    style = int(w.rng.integers(4))
    tall = height * w.rng.uniform(0.7, 1.0)
    if style == 0:
        w.ball(
            place,
            (0, 0, 0.35 * tall),
            (0.9 * radius, 0.9 * radius, 0.35 * tall),
            paint,
            "ornament",
        )
        w.tube(
            place,
            (0, 0, 0.62 * tall),
            0.3 * radius,
            0.38 * tall,
            paint,
            "ornament",
            top=0.5 * radius,
        )
    elif style == 1:
        w.tube(
            place,
            (0, 0, 0),
            0.8 * radius,
            0.55 * tall,
            paint,
            "ornament",
            top=0.35 * radius,
        )
        w.ball(
            place,
            (0, 0, 0.7 * tall),
            (0.5 * radius, 0.5 * radius, 0.22 * tall),
            paint,
            "ornament",
        )
    elif style == 2:
        tilt = turn(2, w.rng.uniform(-0.4, 0.4))
        w.box(
            place,
            (0, 0, 0.2 * tall),
            (1.3 * radius, 1.1 * radius, 0.4 * tall),
            paint,
            "ornament",
            tilt=tilt,
        )
        w.ball(
            place,
            (0, 0, 0.4 * tall + 0.5 * radius),
            np.full(3, 0.5 * radius),
            w.any_of(w.paints),
            "ornament",
        )
    else:
        plant(w, place, tall, 0.95 * radius)


def basket(w: SceneBuilder, place: np.ndarray) -> None:
    """A woven basket with a folded blanket, centred."""
    weave = w.material(
        "checker", linear(0.09, 0.5, 0.68), linear(0.08, 0.55, 0.45), scale=(22.0, 22.0)
    )
    w.tube(place, (0, 0, 0), 0.18, 0.32, weave, "basket", top=0.23)
    w.ball(place, (0.02, 0, 0.32), (0.17, 0.16, 0.07), w.any_of(w.fabrics), "basket")
