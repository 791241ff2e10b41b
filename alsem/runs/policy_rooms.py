"""Learning a query policy offline, on procedural rooms whose labels are all known.

Several strategies label each room while the diary is kept; afterwards every change of
a prediction, anywhere in the pool, is credited to the query nearest to it by what it
did to mIoU. A policy learns to expect that credit from what was known when asking.
The rooms' truth is used as an annotator's would be: none of it is in the file.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from alsem import acquisition
from alsem.active.pool import open_pool
from alsem.core import mesh as devices
from alsem.policy import features, targets, weight_files
from alsem.policy.head import PolicyHead
from alsem.policy.learned import LearnedPolicy
from alsem.policy.loss import PolicyLoss, policy_loss
from alsem.policy.targets import PolicyTargets, QueryLog
from alsem.runs import build, runner, stages
from alsem.runs.runner import use_compilation_cache

JUDGES = 1 << 17  # pool pixels that judge a round, at most
ROUNDS = 10  # of a run: some hundred clicks to more than a thousand
TEACHERS = ("random", "margin", "geometry")  # what labels the rooms, one run each


def teach(
    config: Any,
    folder: Path,
    *,
    rooms: Sequence[int],
    teachers: Sequence[str],
    start: dict[str, np.ndarray] | None,
    tell: Callable[[str], None],
) -> list[PolicyTargets]:
    """Labels rooms by several strategies; what became of the queries, one a room.

    Args:
        config: ``configs/room.py``; its seed, room and strategy are replaced.
        folder: Where rooms, geometry and runs are kept; what is done is not repeated,
            unless it was done with another start.
        rooms: Seeds of the rooms.
        teachers: Rows of `STRATEGIES`.
        start: Policy to begin from, for the teacher ``policy``.
        tell: Called with one line a run.

    Raises:
        InputError: The folder holds runs of another config.
    """
    policy_targets = []
    for room in rooms:
        parts = []
        for teacher in teachers:
            workdir = folder / f"room_{room}_{teacher}{_fingerprint(start)}"
            taught = _config(config, room, teacher)
            runner.check_workdir(json.loads(taught.to_json_best_effort()), workdir)
            if not (workdir / "summary.json").exists():
                policy = _policy(config.train.policy, start)
                runner.start_run(taught, workdir, policy=policy)
            parts.append(hindsight(taught, workdir))
            tell(f"room {room}, {teacher}: {len(parts[-1])} queries")
        policy_targets.append(targets.joined(parts))
    return policy_targets


def _fingerprint(start: dict[str, np.ndarray] | None) -> str:
    """Tells runs that began with one policy from runs that began with another."""
    if start is None:
        return ""
    arrays = b"".join(start[name].tobytes() for name in sorted(start))
    return f"_{hashlib.sha256(arrays).hexdigest()[:8]}"


def _config(config: Any, room: int, teacher: str) -> Any:
    """The config of one strategy's run in one room."""
    config = config.copy_and_resolve_references()
    config.data.room.seed = room
    config.seed = room
    config.active.strategy = teacher
    config.active.rounds = ROUNDS
    return config


def _policy(options: Any, start: dict[str, np.ndarray] | None) -> LearnedPolicy:
    """The policy whose queries are logged; the strategies select from the start."""
    head = PolicyHead(width=options.width, depth=options.depth)
    loss = PolicyLoss(head=head, weight=options.weight, batch=options.batch)
    return LearnedPolicy(loss=loss, start=start, prior=options.prior, least=0)


def hindsight(config: Any, workdir: Path) -> PolicyTargets:
    """Targets of a finished run's queries, judged by the true labels of the pool."""
    use_compilation_cache()
    scene, truth = build.open_scene(config, workdir.parent / "rooms")
    _, geometry = stages.fit_geometry(config, workdir, scene, devices.make_mesh())
    pool = open_pool(geometry.pool, scene.train, build.pool_options(config))
    assert truth.train_labels is not None  # of a procedural room
    label = truth.train_labels.reshape(-1)
    judges = np.flatnonzero(pool.candidates.is_valid & (label >= 0))
    judges = judges[:: 1 + len(judges) // JUDGES]
    query_log = QueryLog(workdir / "policy")
    parts = [targets.nothing(len(features.policy_names()))]
    for number in range(1, config.active.rounds - 1):
        asked, after = query_log.read(number), query_log.read(number + 1)
        if asked is None or after is None:
            continue
        gain = targets.credit(
            acquisition.likeness(pool.candidates, asked.pixel),
            acquisition.likeness(pool.candidates, judges),
            label[judges],
            asked.predicted[judges],
            after.predicted[judges],
        )
        known = label[asked.pixel]
        wrong = np.where(known >= 0, asked.predicted[asked.pixel] != known, -1)
        parts.append(
            PolicyTargets(
                asked.pixel,
                asked.cues,
                wrong.astype(np.float32),
                targets.relative(gain).astype(np.float32),
            )
        )
    return targets.joined(parts)


def learn(
    head: PolicyHead,
    policy_targets: PolicyTargets,
    key: jax.Array,
    *,
    steps: int = 3000,
    batch: int = 1024,
    learning_rate: float = 3e-3,
) -> Any:
    """Parameters of a policy fitted to outcomes of any rooms."""
    params = weight_files.fresh(head, key, 1, {})
    tx = optax.adamw(
        optax.cosine_decay_schedule(learning_rate, steps, 0.02), weight_decay=1e-3
    )
    columns = [jnp.asarray(c) for c in (policy_targets.cues, policy_targets.wrong, policy_targets.gain)]

    def step(carry: Any, key: jax.Array):
        params, opt_state = carry
        chosen = jax.random.randint(key, (batch,), 0, len(policy_targets))
        cues, wrong, gain = (column[chosen] for column in columns)
        nowhere = jnp.zeros((batch, 1))
        value, grads = jax.value_and_grad(
            lambda p: policy_loss(head, p, cues, nowhere, wrong, gain)
        )(params)
        updates, opt_state = tx.update(grads, opt_state, params)
        return (optax.apply_updates(params, updates), opt_state), value

    keys = jax.random.split(key, steps)
    (params, _), _ = jax.jit(lambda c: jax.lax.scan(step, c, keys))(
        (params, tx.init(params))
    )
    return params


def rank_agreement(head: PolicyHead, params: Any, policy_targets: PolicyTargets) -> float:
    """Rank correlation of expected and observed gains, on rooms not learnt from."""
    forecast: Any = head.apply(
        params, jnp.asarray(policy_targets.cues), jnp.zeros((len(policy_targets), 1))
    )
    expected, observed = (
        np.argsort(np.argsort(values))
        for values in (np.asarray(forecast.gain), policy_targets.gain)
    )
    return float(np.corrcoef(expected, observed)[0, 1])
