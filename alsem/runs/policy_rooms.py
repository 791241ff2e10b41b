"""Training rooms of the query policy: procedural rooms whose labels are all known.

Several strategies label each room while the query log is kept; afterwards every change
of a prediction, anywhere in the pool, is credited to the query nearest to it by its
change of mIoU. The policy learns to forecast that credit from what was known before the
query. Ground truth is used as an annotator would; the policy's weights hold none of it.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from alsem import acquisition
from alsem.active.pool import open_pool
from alsem.core import mesh as devices
from alsem.policy.features import policy_names
from alsem.policy.head import PolicyHead
from alsem.policy.loss import PolicyLoss
from alsem.policy.query_log import QueryLog
from alsem.policy.query_policy import LearnedPolicy
from alsem.policy.targets import (
    PolicyTargets,
    credit,
    joined,
    mistakes,
    no_targets,
    relative,
)
from alsem.runs import build, runner
from alsem.runs.geometry import fit_geometry
from alsem.runs.runner import use_compilation_cache

MAX_JUDGES = 1 << 17  # pool pixels whose predictions are compared, at most
ROUNDS = 10  # of a run: some hundred clicks to more than a thousand
STRATEGY_NAMES = ("random", "margin", "geometry")  # that label the rooms, one run each


def label_rooms(
    config: Any,
    folder: Path,
    *,
    rooms: Sequence[int],
    strategies: Sequence[str],
    start: dict[str, np.ndarray] | None,
    callback: Callable[[str], None],
) -> list[PolicyTargets]:
    """Labels rooms by several strategies; returns the targets of each room's queries.

    Args:
        config: ``configs/room.py``; its seed, room and strategy are replaced.
        folder: Where rooms, geometry and runs are kept; finished runs are not
            repeated, unless they had another start.
        rooms: Seeds of the rooms.
        strategies: Names of strategies.
        start: Weights to start from, for the strategy ``policy``.
        callback: Called with one line per run.

    Raises:
        InputError: The folder holds runs of another config.
    """
    targets = []
    for room in rooms:
        parts = []
        for strategy in strategies:
            workdir = folder / f"room_{room}_{strategy}{_fingerprint(start)}"
            run_config = _config(config, room, strategy)
            runner.check_workdir(json.loads(run_config.to_json_best_effort()), workdir)
            if not (workdir / "summary.json").exists():
                policy = _policy(config.train.policy, start)
                runner.start_run(run_config, workdir, policy=policy)
            parts.append(room_targets(run_config, workdir))
            callback(f"room {room}, {strategy}: {len(parts[-1])} queries")
        targets.append(joined(parts))
    return targets


def _fingerprint(start: dict[str, np.ndarray] | None) -> str:
    """Names the weights that a run started from; empty without."""
    if start is None:
        return ""
    arrays = b"".join(start[name].tobytes() for name in sorted(start))
    return f"_{hashlib.sha256(arrays).hexdigest()[:8]}"


def _config(config: Any, room: int, strategy: str) -> Any:
    """The config of one strategy's run in one room."""
    config = config.copy_and_resolve_references()
    config.data.room.seed = room
    config.seed = room
    config.active.strategy = strategy
    config.active.rounds = ROUNDS
    return config


def _policy(options: Any, start: dict[str, np.ndarray] | None) -> LearnedPolicy:
    """The policy whose queries are logged; the strategies select from the start."""
    head = PolicyHead(width=options.width, depth=options.depth)
    loss = PolicyLoss(head=head, weight=options.weight, batch=options.batch)
    return LearnedPolicy(loss=loss, start=start, prior=options.prior, least=0)


def room_targets(config: Any, workdir: Path) -> PolicyTargets:
    """Targets of a finished run's queries, judged by the true labels of the pool."""
    use_compilation_cache()
    scene, truth = build.open_scene(config, workdir.parent / "rooms")
    _, geometry = fit_geometry(config, workdir, scene, devices.make_mesh())
    pool = open_pool(geometry.train_cache, scene.train, build.pool_options(config))
    assert truth.train_labels is not None  # of a procedural room
    label = truth.train_labels.reshape(-1)
    labelled = np.flatnonzero(label >= 0)
    judges = np.flatnonzero(pool.candidates.is_valid & (label >= 0))
    judges = judges[:: 1 + len(judges) // MAX_JUDGES]
    query_log = QueryLog(workdir / "policy")
    parts = [no_targets(len(policy_names()))]
    for number in range(1, config.active.rounds - 1):
        now, after = query_log.read(number), query_log.read(number + 1)
        if now is None or after is None:
            continue
        change = credit(
            acquisition.surface_coordinates(pool.candidates, now.pixel),
            acquisition.surface_coordinates(pool.candidates, judges),
            label[judges],
            now.predicted[judges],
            after.predicted[judges],
        )
        at_query = now.predicted[now.pixel]
        wrong = mistakes(now.pixel, at_query, labelled, label[labelled])
        gain = relative(change).astype(np.float32)
        parts.append(PolicyTargets(now.pixel, now.cues, wrong, gain))
    return joined(parts)
