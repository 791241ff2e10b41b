"""The report of a run, from its last model and its files."""

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np

from alsem import surface
from alsem.acquisition.units.units import Units
from alsem.active.model import Model
from alsem.active.predict import Predictor
from alsem.annotation import Annotations, Queries
from alsem.core.files import remove, replace_file
from alsem.core.types import Intrinsics
from alsem.data import GroundTruth, Scene
from alsem.reporting import html_report, query_folder, top_view
from alsem.reporting.html_report import FrameView, QueryView, ReportData
from alsem.reporting.query_pictures import OpenQuery

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
    geometry: str,
    wall_seconds: float,
) -> None:
    """Writes ``report/index.html``; ``geometry`` is the verdict on it, a line."""
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
        geometry=geometry,
    )
    html_report.write_report(workdir, data)


def write_open_queries(
    workdir: Path, scene: Scene, queries: Queries, units: Units, answers: str
) -> None:
    """Writes ``queries.csv`` and ``queries/``, what waits for an answer, if any does.

    The first three cells of a row and a label are a row for a file of answers; rows and
    columns count the pixels of the images as they were read, after any downscaling.

    Args:
        workdir: The run directory; both are removed from it where nothing waits.
        scene: The photographs.
        queries: The open queries.
        units: What they cover.
        answers: The file that answers are read from.

    Raises:
        InputError: The disk refuses, or a photograph cannot be read any more.
    """
    frames, camera = scene.train, scene.intrinsics
    listed = [
        OpenQuery(
            frame=frame,
            row=row,
            col=col,
            name=frames.names[frame],
            place=(col + 0.5 + scene.pixel_offset[1], row + 0.5 + scene.pixel_offset[0])
            if row >= 0
            else None,
            unit=None
            if units.granularity == "point"
            else _in_frame(units.unit_pixels(unit), frame, camera),
        )
        for frame, row, col, unit in zip(
            *(c.tolist() for c in (queries.frame, queries.row, queries.col)),
            queries.unit.tolist(),
            strict=True,
        )
    ]

    def photograph(frame: int) -> np.ndarray:
        if frames.photographs:
            return frames.photographs[frame].read()
        return frames.rgb[frame]

    # The pictures first: where the table is, they are.
    query_folder.write_queries(
        workdir / "queries",
        listed,
        photograph,
        (camera.width, camera.height),
        scene.class_names,
        answers,
    )
    if not listed:
        remove(workdir / "queries.csv")
        return
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["frame", "row", "col", "photograph"])
    writer.writerows([q.frame, q.row, q.col, q.name] for q in listed)
    replace_file(workdir / "queries.csv", text.getvalue().encode("utf-8", "replace"))


def _in_frame(pixels: np.ndarray, frame: int, camera: Intrinsics) -> np.ndarray:
    """Mask ``[h w]`` of the pool's pixels that lie in a frame."""
    count = camera.height * camera.width
    mask, start = np.zeros(count, bool), frame * count
    mask[pixels[(pixels >= start) & (pixels < start + count)] - start] = True
    return mask.reshape(camera.height, camera.width)


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
