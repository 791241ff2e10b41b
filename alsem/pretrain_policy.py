"""Trains the query policy on procedural rooms and writes its weights.

Run: python -m alsem.pretrain_policy --out=FILE.npz --folder=DIR
"""

import functools
from pathlib import Path

from absl import flags

from alsem.core.errors import InputError
from alsem.runs import cli_errors, config_files

_OUT = flags.DEFINE_string("out", None, "File of weights to write.")
_FOLDER = flags.DEFINE_string("folder", None, "Where rooms and runs are kept.")
_ROOMS = flags.DEFINE_integer("rooms", 6, "Training rooms; one more is held out.")
_SEED = flags.DEFINE_integer("seed", 100, "Seed of the first room.")
_CONFIG = flags.DEFINE_string("config", "configs/room.py", "Config of the runs.")


def main(argv: list[str]) -> None:
    """Trains on queries of other strategies, then also on the policy's own."""
    del argv
    if not _OUT.value or not _FOLDER.value:
        raise InputError("--out=FILE.npz and --folder=DIR are needed")
    if _ROOMS.value < 1:
        raise InputError(f"--rooms is {_ROOMS.value}; give 1 or more")
    import jax  # slow to import: flags are read first

    from alsem.policy import pretrain, targets, weights
    from alsem.policy.head import PolicyHead
    from alsem.runs import policy_rooms

    config = config_files.load(_CONFIG.value)
    if "room" not in config.data:
        raise InputError(f"{_CONFIG.value}: makes no rooms; give configs/room.py")
    out, rooms = Path(_OUT.value), range(_SEED.value, _SEED.value + _ROOMS.value + 1)
    options, start, strategies = config.train.policy, None, policy_rooms.STRATEGY_NAMES
    head = PolicyHead(width=options.width, depth=options.depth)
    report = functools.partial(print, flush=True)
    for repeat in (False, True):
        if repeat:  # the other strategies may never query what the policy would
            strategies, start = (*strategies, "policy"), weights.load_weights(out, head)
        *train, held_out = policy_rooms.label_rooms(
            config,
            Path(_FOLDER.value),
            rooms=rooms,
            strategies=strategies,
            start=start,
            callback=report,
        )
        key = jax.random.key(_SEED.value)
        params = pretrain.fit_policy(head, targets.joined(train), key)
        weights.save_weights(out, params)
        agreement = pretrain.rank_agreement(head, params, held_out)
        report(f"{out}: rank correlation {agreement:.3f} on the held-out room")


if __name__ == "__main__":
    cli_errors.run("alsem.pretrain_policy", main)
