"""The report of a run, from its last model and its files."""

import csv

import numpy as np

from alsem import surface
from alsem.active.experiment import Experiment
from alsem.active.geometry_stage import Model
from alsem.active.predict import Predictor
from alsem.annotation import LabelStore, Queries
from alsem.reporting import html_report, run_log
from alsem.reporting.html_report.data import FrameView, QueryView, ReportData

FRAMES_SHOWN = 6
TOP_VIEW_POINTS = 300_000


def write(
    experiment: Experiment,
    beliefs: Predictor,
    model: Model,
    store: LabelStore,
    log: run_log.RunLog,
    *,
    wall_seconds: float,
) -> None:
    """Writes ``report/index.html``."""
    scene = experiment.scene
    data = ReportData(
        title=f"{scene.name}: {experiment.active.strategy}",
        config=experiment.config,
        class_names=scene.class_names,
        rounds=log.rounds(),
        scene=scene.name,
        frames=_frames(experiment, beliefs, model),
        queried=_queried(experiment, store),
        top_view=_top_view(beliefs, model),
        wall_seconds=wall_seconds,
    )
    html_report.write_report(experiment.workdir, data)


def write_open_queries(experiment: Experiment, queries: Queries) -> None:
    """Writes ``queries.csv``: what waits for an answer, and on which photograph.

    A row for a label file is its first three cells and the label; rows and columns
    count the pixels of the images as they were read, after any downscaling.
    """
    names = experiment.scene.train.names
    path = experiment.workdir / "queries.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["frame", "row", "col", "photograph"])
        for frame, row, col in zip(
            queries.frame.tolist(),
            queries.row.tolist(),
            queries.col.tolist(),
            strict=True,
        ):
            writer.writerow([frame, row, col, names[frame]])


def _frames(
    experiment: Experiment, beliefs: Predictor, model: Model
) -> tuple[FrameView, ...]:
    frames, truth, cache = experiment.scene.test, experiment.truth, model.test
    prediction = beliefs.test(model)
    shape = frames.rgb.shape[:3]
    label = prediction.label.reshape(shape).astype(np.int32)
    uncertainty = prediction.uncertainty.reshape(shape)
    rgb = cache.arrays["rgb"].reshape(frames.rgb.shape)
    depth_z = cache.arrays["depth_z"].reshape(shape)
    valid_mask = np.unique(
        np.linspace(0, shape[0] - 1, FRAMES_SHOWN).round().astype(int)
    )
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
        for i in valid_mask
    )


def _queried(experiment: Experiment, store: LabelStore) -> tuple[QueryView, ...]:
    answers, frames = store.annotations(), experiment.scene.train
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


def _top_view(beliefs: Predictor, model: Model) -> html_report.TopView | None:
    pool = model.pool
    step = max(1, pool.num_rays // TOP_VIEW_POINTS)
    ids = np.arange(0, pool.num_rays, step)
    ids = ids[pool.arrays["depth_z"][ids] > 0]
    if not len(ids):
        return None
    return html_report.top_view(
        surface.end_points(pool)[ids],
        beliefs.labels(model, ids),
        np.asarray(pool.arrays["diffuse"][ids, 0]),
    )
