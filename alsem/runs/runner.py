"""One run from its config to its report: start, resume, reopen."""

import contextlib
import dataclasses
import fcntl
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import ml_collections

from alsem.active import report_data
from alsem.active.geometry_check import GeometryVerdict
from alsem.active.loop import NO_CANDIDATE, run_rounds
from alsem.active.model import Model
from alsem.core import progress, signals
from alsem.core.errors import InputError
from alsem.core.files import write_errors
from alsem.data import Scene
from alsem.policy.query_policy import LearnedPolicy
from alsem.policy.weights import save_weights
from alsem.reporting import run_dir
from alsem.reporting.json_records import write_json
from alsem.runs import build, config_checks, environment
from alsem.runs.stages import OpenRun, open_run


def start_run(
    config: Any,
    workdir: Path,
    *,
    policy: LearnedPolicy | None = None,
) -> bool:
    """Starts or resumes a run; False if it waits for its annotator.

    Args:
        config: The whole config.
        workdir: The run directory.
        policy: Query policy that learns beside the config's strategy; None for the
            config's own.

    Raises:
        InputError: Bad config or input, found before ``workdir`` is made; or later a
            full disk, or labels that are missing.
        Interrupted: Asked to end; the state is saved.
    """
    begun = time.monotonic()
    use_compilation_cache()
    plain = json.loads(config.to_json_best_effort())
    check_workdir(plain, workdir)
    config_checks.check(config)
    strategy = build.make_strategy(config)
    policy = policy or build.make_policy(config)
    scene, truth = build.open_scene(config, workdir.parent / "rooms")
    make_annotator = build.annotator_maker(config, scene, truth)
    print(
        _summary(scene),
        *(f"doubtful: {line}" for line in scene.doubts),
        sep="\n",
        flush=True,
    )
    with contextlib.ExitStack() as stack:
        stack.enter_context(_lock(workdir))
        earlier = _record_start(plain, workdir)
        signals.check()
        run = open_run(config, workdir, scene, truth, strategy, policy, stack)
        _check_verdict(config, scene, run.geometry.verdict)

        def clock() -> float:
            return earlier + time.monotonic() - begun

        model, ended_by = run_rounds(
            build.loop_options(config),
            run.stages,
            run.fitter,
            run.store,
            make_annotator(unit_pixels=run.pool.units.unit_pixels),
            run.log,
            seconds_before=run.geometry.seconds,
            clock=clock,
            callback=_print_round,
        )
        rows = run.log.rounds()
        if ended_by == NO_CANDIDATE and not rows:
            raise InputError(
                f"{scene.name}: no ray ends on a surface that may be queried; lower"
                " active.min_purity"
            )
        if rows:
            run_dir.write_summary(
                workdir,
                rows,
                wall_seconds=clock(),
                seconds_to_first_model_query=_first_model_query(rows),
                ended_by=ended_by,
                geometry=dataclasses.asdict(run.geometry.verdict),
            )
        if model is not None:
            if policy is not None:
                save_weights(workdir / "policy" / "policy.npz", model.policy)
            report_data.write(
                workdir,
                plain,
                scene,
                truth,
                run.predictor,
                model,
                run.store.annotations(),
                rows,
                geometry=run.geometry.verdict.line(),
                wall_seconds=clock(),
            )
            print(f"report: {workdir / 'report' / 'index.html'}", flush=True)
        waiting, path = run.store.queries(status="open"), workdir / "queries.csv"
        report_data.write_open_queries(
            workdir, scene, waiting, run.pool.units, config.active.answers
        )
        is_waiting = len(waiting.query_id) > 0
        if is_waiting:
            asked = run.store.queries(int(waiting.round[0]))
            print(
                f"waiting for {len(waiting.query_id)} of {len(asked.query_id)} answers"
                f" to {path}, drawn in {workdir / 'queries' / 'index.html'}: write them"
                f" to {config.active.answers} and run the same command again",
                flush=True,
            )
        return not is_waiting


@contextlib.contextmanager
def reopen_run(workdir: Path) -> Iterator[tuple[OpenRun, Model]]:
    """Opens a run that has finished a round, and its last model.

    Raises:
        InputError: There is no such run, an earlier version wrote it, or a process is
            running it.
    """
    rows = run_dir.read_rounds(workdir)
    if not (workdir / "config.json").exists() or not rows:
        raise InputError(f"{workdir}: no run directory with a finished round")
    use_compilation_cache()
    plain = run_dir.read_config(workdir)
    config_checks.check_complete(plain, workdir)
    config = ml_collections.ConfigDict(plain)
    strategy, policy = build.make_strategy(config), build.make_policy(config)
    scene, truth = build.open_scene(config, workdir.parent / "rooms")
    with contextlib.ExitStack() as stack:
        stack.enter_context(_lock(workdir))
        run = open_run(config, workdir, scene, truth, strategy, policy, stack)
        last = run.log.rounds()[-1]["round"]
        yield run, run.fitter.restore(last, progress.Stopwatch(*run_dir.STAGES))


def _summary(scene: Scene) -> str:
    """One line on what is labelled, and where it is computed."""
    camera = scene.intrinsics
    return (
        f"{scene.name}: {len(scene.train.names)} training and {len(scene.test.names)}"
        f" test frames of {camera.width}x{camera.height}, {len(scene.class_names)}"
        f" classes; {jax.device_count()} {jax.default_backend()} device(s)"
    )


def _check_verdict(config: Any, scene: Scene, verdict: GeometryVerdict) -> None:
    """Prints the verdict on geometry, and ends before a person is asked in vain.

    Raises:
        InputError: It failed, a person would answer, and the config does not accept it.
    """
    print(verdict.line(), flush=True)
    is_asked = config.active.annotator != "simulated"
    accepts = config.train.geometry.accept_failed
    if verdict.grade == "failed" and is_asked and not accepts:
        raise InputError(
            f"{scene.name}: {verdict.line()}; labels would not reach other photographs,"
            " so nobody is asked unless train.geometry.accept_failed=True"
        )


def _print_round(row: dict[str, Any]) -> None:
    """One line a round, for a terminal or a log."""
    score = "test frames have no labels"
    if row["miou"] is not None:
        score = f"mIoU {row['miou']:.3f}, {row['total_acc']:.1%} of pixels right"
    print(
        f"round {row['round']}: {row['clicks']} clicks, {score},"
        f" {row['seconds_since_start']:.0f} s so far",
        flush=True,
    )


def use_compilation_cache() -> None:
    """Keeps compiled programs on disk, so that a resumed run starts at once."""
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        home = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
        jax.config.update("jax_compilation_cache_dir", str(home / "alsem" / "jax"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)


def check_workdir(config: dict[str, Any], workdir: Path) -> None:
    """Refuses a work directory of something else, before anything is made.

    Raises:
        InputError: It is a file, no run directory, or of a run with another config.
    """
    if workdir.exists() and not workdir.is_dir():
        raise InputError(f"{workdir}: is a file; give another --workdir")
    if (workdir / "config.json").exists():
        done = len(run_dir.read_rounds(workdir))
        before = run_dir.read_config(workdir)
        config_checks.check_continues(before, config, workdir, rounds_done=done)
    elif workdir.exists() and {*workdir.iterdir()} - {run_dir.lock_path(workdir)}:
        raise InputError(
            f"{workdir}: is not empty and no run directory; give another --workdir"
        )


def _record_start(config: dict[str, Any], workdir: Path) -> float:
    """Writes the config and the environment; wall seconds that the run took before."""
    write_json(workdir / "config.json", config)
    repo = Path(__file__).resolve().parents[2]
    environment.write(workdir, environment.describe(config["seed"], repo))
    rows = run_dir.read_rounds(workdir)
    return float(rows[-1]["seconds_since_start"]) if rows else 0.0


@contextlib.contextmanager
def _lock(workdir: Path) -> Iterator[None]:
    """Makes and holds a run directory for one process; a kill releases it."""
    with write_errors(workdir):
        workdir.mkdir(parents=True, exist_ok=True)
        handle = run_dir.lock_path(workdir).open("w")
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InputError(
                f"{workdir}: another process is running it; wait for it, or end it"
            ) from None
        yield


def _first_model_query(rows: list[dict]) -> float | None:
    """Seconds from the start to the first queries that a model chose."""
    # Rows of earlier versions do not say so.
    by_model = (row for row in rows if row.get("chosen_by_model"))
    return next((row["seconds_to_queries"] for row in by_model), None)
