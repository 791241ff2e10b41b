"""One run from its config to its report: what `alsem.main` does, as a function."""

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import ml_collections

from alsem.reporting import json_records
from alsem.core import progress
from alsem.runs import build, config_checks, environment
from alsem.active import geometry_stage, report_data
from alsem.core import signals
from alsem.reporting import run_log, run_dir
from alsem.policy import weight_files
from alsem.acquisition import STRATEGIES
from alsem.active.loop import Run
from alsem.active.experiment import Experiment
from alsem.active.geometry_stage import Model
from alsem.annotation import (Annotator, CostModel, FileAnnotator, LabelStore, SimulatedAnnotator, UnitPixelsFn, parse_label_set,)
from alsem.reporting.json_records import write_json
from alsem.active.semantic_stage import RoundFitter
from alsem.core.errors import InputError


def run(config: ml_collections.ConfigDict, workdir: Path) -> bool:
    """Runs or resumes a run; False if it waits for its annotator.

    Raises:
        InputError: Bad config or input, found before ``workdir`` is made; or later a
            full disk, or labels that are missing.
        Interrupted: Asked to end; the state is saved.
    """
    begun = time.monotonic()
    _use_compilation_cache()
    check_workdir(json.loads(config.to_json_best_effort()), workdir)
    return run_experiment(build.build(config, workdir), begun)


def run_experiment(experiment: Experiment, begun: float) -> bool:
    """The same of an experiment that is built; ``begun`` is on the monotonic clock."""
    workdir = experiment.workdir
    # The run is not there yet, but it is when a unit's pixels are asked for.
    annotator = _annotator(experiment, lambda unit: run.pool.units.members(unit))
    with contextlib.ExitStack() as stack:
        earlier = _open_workdir(experiment)
        stack.enter_context(_alone(workdir))
        signals.check()
        scene = geometry_stage.fit_scene(experiment)
        store = stack.enter_context(LabelStore(workdir / "labels.sqlite"))
        log = run_log.RunLog(workdir)
        stack.callback(log.close)
        fitter = RoundFitter(experiment, scene)
        stack.callback(fitter.close)  # waits: a save half done would be lost
        run = Run(experiment, scene, fitter, store, annotator, log)
        model = run.rounds(lambda: earlier + time.monotonic() - begun, _tell)
        wall_seconds = earlier + time.monotonic() - begun
        rows = log.rounds()
        if rows:
            run_log.write_summary(
                workdir,
                rows,
                wall_seconds=wall_seconds,
                seconds_to_first_model_query=_first_model_query(rows),
                ended_by=run.ended_by,
            )
        if model is not None:
            if model.policy is not None:
                weight_files.save(workdir / "policy" / "policy.npz", model.policy)
            report_data.write(
                experiment, run.beliefs, model, store, log, wall_seconds=wall_seconds
            )
        waiting = store.queries(status="open")
        if len(waiting.query_id):
            report_data.write_open_queries(experiment, waiting)
        else:
            (workdir / "queries.csv").unlink(missing_ok=True)
    if model is not None:
        print(f"report: {workdir / 'report' / 'index.html'}", flush=True)
    if len(waiting.query_id):
        print(f"waiting for answers to {workdir / 'queries.csv'}:", end=" ")
        print(f"write them to {experiment.active.answers}", end=" ")
        print("and run the same command again", flush=True)
    return not len(waiting.query_id)


@contextlib.contextmanager
def reopen(workdir: Path) -> Iterator[tuple[Run, Model]]:
    """A run that has finished a round, and its last model, to be looked at.

    Raises:
        InputError: There is no such run.
    """
    if not (workdir / "config.json").exists() or not json_records.read_jsonl(
        workdir / "rounds.jsonl"
    ):
        raise InputError(f"{workdir}: no run directory with a finished round")
    _use_compilation_cache()
    config = ml_collections.ConfigDict(run_dir.read_config(workdir))
    experiment = build.build(config, workdir)
    scene = geometry_stage.fit_scene(experiment)
    with contextlib.ExitStack() as stack:
        store = stack.enter_context(LabelStore(workdir / "labels.sqlite"))
        log = run_log.RunLog(workdir)
        stack.callback(log.close)
        fitter = RoundFitter(experiment, scene)
        stack.callback(fitter.close)
        nobody = _annotator(experiment, lambda unit: run.pool.units.members(unit))
        run = Run(experiment, scene, fitter, store, nobody, log)
        last = log.rounds()[-1]["round"]
        yield run, fitter.restore(last, progress.Stopwatch(*run_log.STAGES))


def _tell(row: dict) -> None:
    """One line a round, for whoever watches or reads a log."""
    score = "test frames have no labels"
    if row["miou"] is not None:
        score = f"mIoU {row['miou']:.3f}, {row['total_acc']:.1%} of pixels right"
    print(
        f"round {row['round']}: {row['clicks']} clicks, {score},"
        f" {row['seconds_since_start']:.0f} s",
        flush=True,
    )


def _use_compilation_cache() -> None:
    """Compiled programs outlive the process, so a resumed run starts at once."""
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        home = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
        jax.config.update("jax_compilation_cache_dir", str(home / "alsem" / "jax"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)


def _annotator(experiment: Experiment, unit_pixels: UnitPixelsFn) -> Annotator:
    """Who answers; the simulated one looks ground truth up."""
    options, scene = experiment.active, experiment.scene
    cost = CostModel(counts=options.cost, seconds=options.seconds)
    if options.annotator == "file":
        return FileAnnotator(
            options.answers,
            scene.class_names,
            cost=cost,
            granularity=options.granularity,
            mode=options.answer,
            unit_pixels=unit_pixels,
        )
    labels = experiment.truth.train_labels
    if labels is None:
        raise InputError(
            f"{scene.name}: the training frames have no labels to simulate an annotator"
            " with; set active.annotator='file' (full supervision needs labels)"
        )
    if options.label_set:
        labels = parse_label_set(options.label_set).draw(
            labels, num_classes=len(scene.class_names), seed=experiment.seed
        )
    return SimulatedAnnotator(
        lambda frame, row, col: labels[frame, row, col],
        num_classes=len(scene.class_names),
        seed=experiment.seed,
        noise_rate=options.noise_rate,
        cost=cost,
        granularity=options.granularity,
        mode=options.answer,
        mixed_below=options.mixed_below,
        unit_pixels=unit_pixels,
        image_size=(scene.intrinsics.height, scene.intrinsics.width),
    )


def check_workdir(config: dict[str, Any], workdir: Path) -> None:
    """Refuses a work directory of something else, before anything is made.

    Raises:
        InputError: It is a file, no run directory, or of a run with another config.
    """
    if workdir.exists() and not workdir.is_dir():
        raise InputError(f"{workdir}: is a file; give another --workdir")
    if (workdir / "config.json").exists():
        done = len(json_records.read_jsonl(workdir / "rounds.jsonl"))
        before = run_dir.read_config(workdir)
        config_checks.check_continues(before, config, workdir, rounds_done=done)
    elif workdir.exists() and any(workdir.iterdir()):
        raise InputError(
            f"{workdir}: is not empty and no run directory; give another --workdir"
        )


def _open_workdir(experiment: Experiment) -> float:
    """Makes or goes on with the run directory; wall seconds spent in it before."""
    workdir = experiment.workdir
    try:
        workdir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{workdir}: {error.strerror}; give another --workdir"
        ) from None
    write_json(workdir / "config.json", experiment.config)
    repo = Path(__file__).resolve().parents[1]
    environment.write(workdir, environment.describe(experiment.seed, repo))
    rows = json_records.read_jsonl(workdir / "rounds.jsonl")
    return float(rows[-1]["seconds_since_start"]) if rows else 0.0


@contextlib.contextmanager
def _alone(workdir: Path) -> Iterator[None]:
    """Holds a run directory for one process; the system lets go of it on a kill."""
    with run_dir.lock_path(workdir).open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InputError(
                f"{workdir}: another process is running it; wait for it, or end it"
            ) from None
        yield


def _first_model_query(rows: list[dict]) -> float | None:
    """Seconds from the start to the first queries that a model chose."""
    by_model = {name for name, row in STRATEGIES.items() if "model" in row.needs}
    return next(
        (r["seconds_to_queries"] for r in rows if r["chosen_by"] in by_model), None
    )
