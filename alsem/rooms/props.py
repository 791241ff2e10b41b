"""Small objects: books, tableware, food, lamps, plants, ornaments, baskets."""

import numpy as np

from alsem.rooms.scene_builder import SceneBuilder, hsv, rotate, translate


def books(
    scene: SceneBuilder, place: np.ndarray, width: float, height: float, depth: float
) -> None:
    """Adds a row of books from x = 0 to about ``width`` on a board 0.3 m deep."""
    covers = list(scene.paints)
    for _ in range(2):
        h, s = scene.rng.uniform(), scene.rng.uniform(0.2, 0.8)
        spine = hsv(h, s, scene.rng.uniform(0.25, 0.8))
        band = hsv(0.12, 0.4, scene.rng.uniform(0.5, 0.9))
        covers.append(
            scene.material("spine", spine, band, band, noise_frequency=(60.0,) * 3)
        )
    x = 0.005
    while True:
        thick = scene.rng.uniform(0.03, 0.065)
        if x + thick > width:
            break
        tall = height * scene.rng.uniform(0.68, 0.97)
        deep = min(depth - 0.06, scene.rng.uniform(0.17, 0.24))
        at = (x + thick / 2, 0.28 - deep / 2, tall / 2)
        scene.box(place, at, (thick - 0.003, deep, tall), scene.choose(covers), "books")
        x += thick


def fruit_bowl(scene: SceneBuilder, place: np.ndarray) -> None:
    """Adds a bowl of fruit."""
    clay = scene.choose([scene.off_white, *scene.paints])
    scene.frustum(place, (0, 0, 0), 0.08, 0.075, clay, "tableware", top=0.15)
    hue = scene.rng.choice([0.02, 0.08, 0.14, 0.27])
    for i in range(5):
        angle = i * 2 * np.pi / 4
        offset = 0.0 if i == 4 else 0.07
        fruit_colour = hsv(
            hue + scene.rng.uniform(-0.02, 0.03), 0.8, scene.rng.uniform(0.6, 0.9)
        )
        skin = scene.material(
            "plain",
            fruit_colour,
            tuple(0.7 * c for c in fruit_colour),
            noise_frequency=(25.0,) * 3,
        )
        size = scene.rng.uniform(0.042, 0.05)
        at = (offset * np.cos(angle), offset * np.sin(angle), 0.095 + 0.055 * (i == 4))
        scene.ellipsoid(place, at, (size, size, 0.95 * size), skin, "food")


def table_setting(
    scene: SceneBuilder, place: np.ndarray, length: float, depth: float
) -> None:
    """Adds plates, cups, bread, a bottle and a fruit bowl on a table top."""
    china = scene.choose([scene.off_white, *scene.paints])
    for along, side in ((-0.25, 1), (0.25, -1), (0.25, 1)):
        x, y = along * length, side * (depth / 2 - 0.17)
        scene.frustum(place, (x, y, 0), 0.07, 0.018, china, "tableware", top=0.125)
        cup = scene.choose([china, *scene.paints])
        at = (x + 0.17, y - side * 0.06, 0)
        scene.frustum(place, at, 0.033, 0.095, cup, "tableware", top=0.042)
    crust = scene.material(
        "marble",
        hsv(0.08, 0.6, 0.65),
        hsv(0.09, 0.4, 0.85),
        noise_frequency=(20.0,) * 3,
    )
    scene.ellipsoid(
        place,
        (-0.25 * length, depth / 2 - 0.17, 0.045),
        (0.075, 0.05, 0.04),
        crust,
        "food",
    )
    scene.ellipsoid(
        place,
        (0.25 * length, 0.17 - depth / 2, 0.045),
        (0.06, 0.06, 0.04),
        crust,
        "food",
    )
    fruit_bowl(scene, place @ translate(scene.rng.uniform(-0.08, 0.08), 0.0))
    glass = scene.plain(scene.rng.uniform(), 0.5, 0.35)
    scene.frustum(place, (-0.22, 0.0, 0), 0.037, 0.19, glass, "tableware")
    scene.frustum(place, (-0.22, 0.0, 0.19), 0.037, 0.05, glass, "tableware", top=0.014)
    scene.frustum(place, (-0.22, 0.0, 0.24), 0.014, 0.06, glass, "tableware")


def _shade_lights(
    scene: SceneBuilder, place: np.ndarray, z: float, radius: float, power: float
) -> None:
    """Adds eight light points around a lampshade."""
    for i in range(8):
        angle = i * np.pi / 4
        at = (radius * np.cos(angle), radius * np.sin(angle), z + 0.05 * (-1) ** i)
        scene.point_light(place, at, (0, 0, 0), power / 8 * np.array([1.0, 0.8, 0.58]))


def _shade_material(scene: SceneBuilder, emission: float) -> int:
    warm = hsv(0.1, scene.rng.uniform(0.1, 0.35), 0.95)
    return (
        scene.plain(0.1, 0.2, 0.9, emission=emission)
        if scene.rng.uniform() < 0.5
        else scene.material(
            "stripes",
            warm,
            tuple(0.8 * c for c in warm),
            pattern_frequency=(14.0, 1.0),
            emission=emission,
        )
    )


def table_lamp(scene: SceneBuilder, place: np.ndarray) -> None:
    """Adds a lamp about 0.45 m tall."""
    foot = scene.choose([scene.metal, *scene.paints, *scene.woods])
    scene.ellipsoid(place, (0, 0, 0.1), (0.075, 0.075, 0.1), foot, "lamp")
    scene.frustum(place, (0, 0, 0.18), 0.012, 0.1, scene.metal, "lamp")
    scene.frustum(
        place, (0, 0, 0.25), 0.14, 0.19, _shade_material(scene, 0.55), "lamp", top=0.09
    )
    _shade_lights(scene, place, 0.33, 0.17, 0.35)


def floor_lamp(scene: SceneBuilder, place: np.ndarray) -> None:
    """Adds a standing lamp about 1.6 m tall, centred."""
    height = scene.rng.uniform(1.35, 1.5)
    scene.frustum(place, (0, 0, 0), 0.15, 0.025, scene.metal, "lamp")
    scene.frustum(place, (0, 0, 0.025), 0.016, height, scene.metal, "lamp")
    scene.frustum(
        place,
        (0, 0, height - 0.05),
        0.2,
        0.26,
        _shade_material(scene, 0.55),
        "lamp",
        top=0.13,
    )
    _shade_lights(scene, place, height + 0.08, 0.24, 0.9)


def pendant(scene: SceneBuilder, place: np.ndarray, ceiling: float) -> None:
    """Adds a lamp that hangs from the ceiling."""
    low = ceiling - scene.rng.uniform(0.42, 0.5)
    radius = scene.rng.uniform(0.2, 0.28)
    shade = scene.choose([scene.off_white, scene.metal, *scene.paints])
    scene.frustum(place, (0, 0, ceiling - 0.03), 0.06, 0.03, scene.metal, "lamp")
    scene.frustum(
        place, (0, 0, low + 0.16), 0.008, ceiling - 0.19 - low, scene.metal, "lamp"
    )
    scene.frustum(place, (0, 0, low), radius, 0.16, shade, "lamp", top=0.06)
    bulb = scene.plain(0.12, 0.1, 0.95, emission=1.2)
    scene.frustum(place, (0, 0, low - 0.012), 0.8 * radius, 0.012, bulb, "lamp")
    for i in range(16):
        far, angle = radius * np.sqrt((i + 0.5) / 16), i * 2.39996
        at = (far * np.cos(angle), far * np.sin(angle), low - 0.03)
        scene.point_light(place, at, (0, 0, -1), 3.4 / 16 * np.array([1.0, 0.88, 0.72]))
    # Light that the shade and the ceiling scatter upwards.
    for i in range(4):
        angle = i * np.pi / 2
        at = (0.35 * np.cos(angle), 0.35 * np.sin(angle), low + 0.1)
        scene.point_light(place, at, (0, 0, 0), 0.5 / 4 * np.array([1.0, 0.88, 0.72]))


def plant(scene: SceneBuilder, place: np.ndarray, height: float, radius: float) -> None:
    """Adds a potted plant, centred: pot, soil, stem and leaves."""
    pot = scene.choose([*scene.paints, scene.off_white, scene.woods[1]])
    pot_r, pot_h = 0.55 * radius, 0.3 * height
    scene.frustum(place, (0, 0, 0), 0.72 * pot_r, pot_h, pot, "plant", top=pot_r)
    soil = scene.plain(0.07, 0.6, 0.2)
    scene.frustum(place, (0, 0, pot_h), 0.9 * pot_r, 0.01, soil, "plant")
    hue = scene.rng.uniform(0.24, 0.36)
    leaf = [
        scene.material(
            "marble",
            hsv(hue, 0.65, v),
            hsv(hue - 0.04, 0.55, v + 0.15),
            noise_frequency=(14.0,) * 3,
        )
        for v in (0.3, 0.42, 0.55)
    ]
    stem = scene.plain(0.12, 0.5, 0.3)
    scene.frustum(place, (0, 0, pot_h), 0.09 * radius, 0.45 * height, stem, "plant")
    for i in range(14):
        angle = 2.39996 * i + scene.rng.uniform(-0.3, 0.3)
        level = (i + 0.5) / 14
        far = radius * (0.75 - 0.45 * level) * scene.rng.uniform(0.7, 1.0)
        z = pot_h + (0.12 + 0.76 * level) * (height - pot_h)
        tilt = rotate(2, angle) @ rotate(1, scene.rng.uniform(-0.6, 0.2))
        size = (0.36 * radius, 0.17 * radius, 0.1 * radius + 0.03 * height)
        at = (far * np.cos(angle), far * np.sin(angle), z)
        scene.ellipsoid(place, at, size, scene.choose(leaf), "plant", tilt=tilt)


def ornament(
    scene: SceneBuilder, place: np.ndarray, radius: float, height: float
) -> None:
    """Adds a vase, a figure, a box or a small plant of at most the given size."""
    paint = scene.choose([*scene.paints, *scene.woods, scene.off_white])
    style = int(scene.rng.integers(4))
    tall = height * scene.rng.uniform(0.7, 1.0)
    if style == 0:
        scene.ellipsoid(
            place,
            (0, 0, 0.35 * tall),
            (0.9 * radius, 0.9 * radius, 0.35 * tall),
            paint,
            "ornament",
        )
        scene.frustum(
            place,
            (0, 0, 0.62 * tall),
            0.3 * radius,
            0.38 * tall,
            paint,
            "ornament",
            top=0.5 * radius,
        )
    elif style == 1:
        scene.frustum(
            place,
            (0, 0, 0),
            0.8 * radius,
            0.55 * tall,
            paint,
            "ornament",
            top=0.35 * radius,
        )
        scene.ellipsoid(
            place,
            (0, 0, 0.7 * tall),
            (0.5 * radius, 0.5 * radius, 0.22 * tall),
            paint,
            "ornament",
        )
    elif style == 2:
        tilt = rotate(2, scene.rng.uniform(-0.4, 0.4))
        scene.box(
            place,
            (0, 0, 0.2 * tall),
            (1.3 * radius, 1.1 * radius, 0.4 * tall),
            paint,
            "ornament",
            tilt=tilt,
        )
        scene.ellipsoid(
            place,
            (0, 0, 0.4 * tall + 0.5 * radius),
            np.full(3, 0.5 * radius),
            scene.choose(scene.paints),
            "ornament",
        )
    else:
        plant(scene, place, tall, 0.95 * radius)


def basket(scene: SceneBuilder, place: np.ndarray) -> None:
    """Adds a woven basket with a blanket, centred."""
    weave = scene.material(
        "checker",
        hsv(0.09, 0.5, 0.68),
        hsv(0.08, 0.55, 0.45),
        pattern_frequency=(22.0, 22.0),
    )
    scene.frustum(place, (0, 0, 0), 0.18, 0.32, weave, "basket", top=0.23)
    scene.ellipsoid(
        place,
        (0.02, 0, 0.32),
        (0.17, 0.16, 0.07),
        scene.choose(scene.fabrics),
        "basket",
    )
