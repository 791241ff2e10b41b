"""What a person is shown of the queries that wait."""

import csv

import numpy as np
import tiny

from alsem.acquisition.units.units import Units
from alsem.active import report_data
from alsem.annotation import Queries
from alsem.data import open_capture
from alsem.reporting import query_folder

PIXELS = (tiny.HEIGHT // 2) * (tiny.WIDTH // 2)  # of a frame, downscaled by two


def units(granularity):
    """Units of two pixels each, one after the other; each second one reaches on."""
    ids = np.arange(PIXELS * tiny.TRAIN_FRAMES, dtype=np.int32)
    return Units(
        granularity=granularity,
        unit=ids // 2,
        anchor=ids[::2].astype(np.int64),
        sizes=np.full(len(ids) // 2, 2),
        order=ids,
        start=np.arange(0, len(ids) + 1, 2),
    )


def test_queries_are_shown_where_they_are(tmp_path, monkeypatch):
    tiny.write_box(tmp_path)
    scene, _ = open_capture(
        dir=tmp_path / "box",
        downscale=2,
        train_split="Sequence_1[:]",
        test_split="Sequence_2[:]",
    )
    shown = []

    def keep(folder, queries, photograph, size, *rest):
        shown.append((queries, photograph(1), size))

    monkeypatch.setattr(query_folder, "write_queries", keep)
    column = np.array([1], np.int32)
    queries = Queries(
        query_id=np.array([1]),
        round=column,
        granularity=np.array(["patch"]),
        frame=column,
        row=column + 2,
        col=column,
        unit=np.array([(PIXELS + 3 * tiny.WIDTH // 2) // 2]),
        score=np.array([0.0]),
    )
    for granularity in ("patch", "point"):
        report_data.write_open_queries(
            tmp_path, scene, queries, units(granularity), "answers.csv"
        )
    for (query,), photograph, size in shown:
        assert size == (tiny.WIDTH // 2, tiny.HEIGHT // 2)
        assert photograph.shape == (tiny.HEIGHT, tiny.WIDTH, 3)
        assert (query.frame, query.row, query.col) == (1, 3, 1)
        # Of blocks of 2 x 2 the upper left pixel is labelled.
        assert query.place == (1.25, 3.25)
    assert np.argwhere(shown[0][0][0].unit).tolist() == [[3, 0], [3, 1]]
    assert shown[1][0][0].unit is None
    (row,) = csv.DictReader((tmp_path / "queries.csv").read_text().splitlines())
    assert list(row.values()) == ["1", "3", "1", "Sequence_1/1"]
    none = queries.take(slice(0))
    report_data.write_open_queries(tmp_path, scene, none, units("point"), "")
    assert not (tmp_path / "queries.csv").exists()
