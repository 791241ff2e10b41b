"""Queries, answers and units that the tests of the annotation package share."""

import sqlite3

import numpy as np

from alsem.annotation import LabelStore, SimulatedAnnotator, point_cost

FRAMES, SIZE = 3, (9, 11)  # frames, and rows and columns of each
PATCHES_PER_FRAME = 3 * 4
NUM_PATCHES = FRAMES * PATCHES_PER_FRAME


def write_points(store, round=0, n=4, first=0, granularity="point"):
    """Writes n queries at pixels (frame 2, row i, column i + 1) of units i."""
    i = np.arange(first, first + n)
    place = dict(frame=np.full(n, 2), row=i, col=i + 1)
    return store.write_queries(round, granularity, **place, unit=i, score=i / 8)


def write_unit(store, round=0, granularity="patch", unit=0, row=0, col=0):
    """Writes one query in frame 0."""
    place = dict(frame=0, row=row, col=col)
    return store.write_queries(round, granularity, **place, unit=[unit], score=0.0)


def answer_points(store, query_ids, labels, **fields):
    clicks, pixels = point_cost(np.asarray(labels))
    columns = dict(clicks=clicks, pixels=pixels, annotator="test", seconds=1.5)
    store.answer(query_ids, labels, **(columns | fields))


def as_rows(columns, *names):
    """Queries or annotations as tuples of some of their columns, or of all."""
    found = (getattr(columns, name).tolist() for name in names or vars(columns))
    return list(zip(*found, strict=True))


def rows(store, sql):
    """Reads the file with a connection of its own."""
    with sqlite3.connect(store.path) as db:
        found = db.execute(sql).fetchall()
    db.close()
    return found


def check_batches(path):
    """Every round has all its 500 queries, and all or none of them answered."""
    with LabelStore(path) as store:
        answered = store.queries(status="answered").query_id
        assert set(np.bincount(store.queries().round).tolist()) <= {500}
        assert answered.size % 500 == 0
        np.testing.assert_array_equal(store.annotations().query_id, answered)
        assert store._db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert store._db.execute("PRAGMA foreign_key_check").fetchall() == []


def label_images(seed=1, num_classes=3):
    """Label images [f h w] of blocks with ragged edges, -1 among them."""
    generator = np.random.default_rng(seed)
    blocks = generator.integers(-1, num_classes, (FRAMES, 3, 4))
    labels = blocks.repeat(3, 1).repeat(3, 2)[:, :, : SIZE[1]].astype(np.int16)
    specks = generator.integers(-1, num_classes, labels.shape)
    labels = np.where(generator.random(labels.shape) < 0.1, specks, labels)
    labels[0, 3:6, 3:6] = -1  # patch 5 is all void
    return labels


def patch_pixels(unit):
    """Pixels of a unit: 3 x 3 blocks, every second one without one corner."""
    frame, place = divmod(unit, PATCHES_PER_FRAME)
    row, col = np.divmod(np.arange(9 - unit % 2), 3)
    row, col = row + 3 * (place // 4), col + 3 * (place % 4)
    inside = col < SIZE[1]
    return ((frame * SIZE[0] + row) * SIZE[1] + col)[inside][::-1]  # in any order


def write_patches(store, round=0, units=range(NUM_PATCHES)):
    """Queries patches at their first pixels, the last unit first."""
    units = np.array(units)[::-1]
    pixel = np.array([patch_pixels(unit).min() for unit in units.tolist()])
    frame, row = np.divmod(pixel // SIZE[1], SIZE[0])
    place = dict(frame=frame, row=row, col=pixel % SIZE[1])
    return store.write_queries(round, "patch", **place, unit=units, score=0.0)


def simulated(labels, mode, **options):
    """A simulated annotator of patches of label images."""
    usual = dict(
        num_classes=int(labels.max()) + 1,
        seed=3,
        granularity="patch",
        unit_pixels=patch_pixels,
        image_size=SIZE,
        mode=mode,
    )
    return SimulatedAnnotator(lambda *pixel: labels[pixel], **(usual | options))


def simulated_frame(image, mode, **options):
    """A simulated annotator whose one unit is a whole label image."""
    usual = dict(
        granularity="frame",
        unit_pixels=lambda _: np.arange(image.size),
        image_size=image.shape,
    )
    return simulated(image[None], mode, **(usual | options))
