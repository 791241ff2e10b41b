"""The report of a run, from its last model and its files."""

import csv
from pathlib import Path
from typing import Any

import numpy as np

from alsem import surface
from alsem.active.model import Model
from alsem.active.predict import Predictor
from alsem.annotation import Annotations, Queries
from alsem.data import GroundTruth, Scene
from alsem.reporting import html_report, top_view
from alsem.reporting.html_report import FrameView, QueryView, ReportData

TOP_VIEW_POINTS = 300_000


def write(
    workdir: Path,
    config: dict[str, Any],
    scene: Scene,
    truth: GroundTruth,
    predictor: Predictor,
    model: Model,
    annotations: Annotations,
    rows: list[dict[str, Any]],
    *,
    wall_seconds: float,
) -> None:
    """Writes ``report/index.html``."""
    data = ReportData(
        title=f"{scene.name}: {config['active']['strategy']}",
        config=config,
        class_names=scene.class_names,
        rounds=rows,
        scene=scene.name,
        frames=_frames(scene, truth, predictor, model),
        queried=_queried(scene, annotations),
        top_view=_top_view(predictor, model),
        wall_seconds=wall_seconds,
    )
    html_report.write_report(workdir, data)


def write_open_queries(path: Path, scene: Scene, queries: Queries) -> None:
    """Writes ``queries.csv``, what waits for an answer, if anything does.

    The first three cells of a row and a label are a row for a file of answers; rows and
    columns count the pixels of the images as they were read, after any downscaling.

    Args:
        path: The file; removed where nothing waits.
        scene: Names of the photographs.
        queries: The open queries.
    """
    if not len(queries.query_id):
        path.unlink(missing_ok=True)
        return
    names = scene.train.names
    columns = (queries.frame.tolist(), queries.row.tolist(), queries.col.tolist())
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["frame", "row", "col", "photograph"])
        for frame, row, col in zip(*columns, strict=True):
            writer.writerow([frame, row, col, names[frame]])


def _frames(
    scene: Scene, truth: GroundTruth, predictor: Predictor, model: Model
) -> tuple[FrameView, ...]:
    frames, cache = scene.test, model.test_cache
    prediction = predictor.predict_test(model)
    shape = frames.rgb.shape[:3]
    label = prediction.label.reshape(shape).astype(np.int32)
    uncertainty = prediction.uncertainty.reshape(shape)
    rgb = cache.arrays["rgb"].reshape(frames.rgb.shape)
    depth_z = cache.arrays["depth_z"].reshape(shape)
    return tuple(
        FrameView(
            name=frames.names[i],
            rgb=frames.rgb[i],
            rgb_rendered=np.asarray(rgb[i]),
            label=label[i],
            uncertainty=uncertainty[i],
            label_true=None if truth.test_labels is None else truth.test_labels[i],
            depth_z=np.asarray(depth_z[i]),
            depth_z_true=(
                None if truth.test_depth_z is None else truth.test_depth_z[i]
            ),
        )
        for i in range(shape[0])
    )


def _queried(scene: Scene, answers: Annotations) -> tuple[QueryView, ...]:
    frames = scene.train
    # One place a query: an exact answer has many rows, the first of them will do.
    first = np.zeros(len(answers.query_id), bool)
    first[np.unique(answers.query_id, return_index=True)[1]] = True
    points = first & (answers.row >= 0)
    return tuple(
        QueryView(
            name=frames.names[frame],
            rgb=frames.rgb[frame],
            rows=answers.row[here],
            cols=answers.col[here],
            labels=answers.label[here],
            rounds=answers.round[here],
        )
        for frame in np.unique(answers.frame[points])
        for here in [points & (answers.frame == frame)]
    )


def _top_view(predictor: Predictor, model: Model) -> top_view.TopView | None:
    pool = model.train_cache
    step = max(1, pool.num_rays // TOP_VIEW_POINTS)
    ids = np.arange(0, pool.num_rays, step)
    ids = ids[pool.arrays["depth_z"][ids] > 0]
    if not len(ids):
        return None
    return top_view.draw_top_view(
        surface.end_points(pool)[ids],
        predictor.labels_at(model, ids),
        np.asarray(pool.arrays["diffuse"][ids, 0]),
    )
