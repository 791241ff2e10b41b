"""One run from its config to its report: what `alsem.main` does, as a function."""

import json
import os
import time
from pathlib import Path

import jax
import ml_collections

from alsem import build, fitted, interrupt, logs, present
from alsem.acquisition import STRATEGIES
from alsem.active import Run, train_labels
from alsem.experiment import Experiment
from alsem.labels import Annotator, FileAnnotator, LabelStore, SimulatedAnnotator
from alsem.logs import write_json
from alsem.types import InputError


def run(config: ml_collections.ConfigDict, workdir: Path) -> bool:
    """Runs or resumes a run; False if it waits for its annotator.

    Raises:
        InputError: Bad config or input, found before ``workdir`` is made; or later a
            full disk, or labels that are missing.
        Interrupted: Asked to end; the state is saved.
    """
    begun = time.monotonic()
    _use_compilation_cache()
    experiment = build.build(config, workdir)
    annotator = _annotator(experiment)
    earlier = _open_workdir(experiment)
    interrupt.check()
    scene = fitted.fit_scene(experiment)
    with LabelStore(workdir / "labels.sqlite") as store:
        log = logs.RunLog(workdir)
        run = Run(experiment, scene, store, annotator, log)
        model = run.rounds(lambda: earlier + time.monotonic() - begun, _tell)
        wall_seconds = earlier + time.monotonic() - begun
        rows = log.rounds()
        if rows:
            logs.write_summary(
                workdir,
                rows,
                wall_seconds=wall_seconds,
                seconds_to_first_model_query=_first_model_query(rows),
            )
        if model is not None:
            present.write(
                experiment, run.fitter, model, store, log, wall_seconds=wall_seconds
            )
        run.fitter.close()
        log.close()
    return model is not None


def _tell(row: dict) -> None:
    """One line a round, for whoever watches or reads a log."""
    print(
        f"round {row['round']}: {row['clicks']} clicks, mIoU {row['miou']:.3f},"
        f" {row['total_acc']:.1%} of pixels right, {row['seconds_since_start']:.0f} s",
        flush=True,
    )


def _use_compilation_cache() -> None:
    """Compiled programs outlive the process, so a resumed run starts at once."""
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        home = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
        jax.config.update("jax_compilation_cache_dir", str(home / "alsem" / "jax"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)


def _annotator(experiment: Experiment) -> Annotator:
    """Who answers; the simulated one looks ground truth up."""
    options, scene = experiment.active, experiment.scene
    if options.annotator == "file":
        return FileAnnotator(options.answers, scene.class_names)
    labels = train_labels(experiment)
    return SimulatedAnnotator(
        lambda frame, row, col: labels[frame, row, col],
        num_classes=len(scene.class_names),
        seed=experiment.seed,
        noise_rate=options.noise_rate,
        seconds_per_click=options.seconds_per_click,
    )


def _open_workdir(experiment: Experiment) -> float:
    """Makes or recognises the run directory; wall seconds spent in it before."""
    workdir = experiment.workdir
    config_file = workdir / "config.json"
    if config_file.exists():
        build.check_continues(
            json.loads(config_file.read_text()), experiment.config, workdir
        )
    elif workdir.exists() and any(workdir.iterdir()):
        raise InputError(
            f"{workdir}: is not empty and no run directory; give another --workdir"
        )
    try:
        workdir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{workdir}: {error.strerror}; give another --workdir"
        ) from None
    write_json(config_file, experiment.config)
    repo = Path(__file__).resolve().parents[1]
    write_json(workdir / "environment.json", logs.environment(experiment.seed, repo))
    rows = logs.read_jsonl(workdir / "rounds.jsonl")
    return float(rows[-1]["seconds_since_start"]) if rows else 0.0


def _first_model_query(rows: list[dict]) -> float | None:
    """Seconds from the start to the first queries that a model chose."""
    by_model = {name for name, row in STRATEGIES.items() if row.needs_model}
    return next(
        (r["seconds_to_queries"] for r in rows if r["chosen_by"] in by_model), None
    )
