"""Trains the query policy on procedural rooms and writes its file.

Run: python -m alsem.pretrain_policy --out=FILE.npz --folder=DIR
"""

from pathlib import Path

from absl import flags

from alsem.core.errors import InputError
from alsem.runs import cli_errors, config_files

_OUT = flags.DEFINE_string("out", None, "Policy file to write.")
_FOLDER = flags.DEFINE_string("folder", None, "Where rooms and runs are kept.")
_ROOMS = flags.DEFINE_integer("rooms", 6, "Rooms to learn from; one more judges.")
_SEED = flags.DEFINE_integer("seed", 100, "Seed of the first room.")
_CONFIG = flags.DEFINE_string("config", "configs/room.py", "Config of the runs.")


def main(argv: list[str]) -> None:
    """Labels the rooms, learns from it, and then again with the policy's own picks."""
    del argv
    if not _OUT.value or not _FOLDER.value:
        raise InputError("--out=FILE.npz and --folder=DIR are needed")
    if _ROOMS.value < 1:
        raise InputError(f"--rooms is {_ROOMS.value}; give 1 or more")
    import jax  # slow to import: flags are read first

    from alsem.policy import targets, weight_files
    from alsem.runs import policy_rooms

    config = config_files.load(_CONFIG.value)
    if "room" not in config.data:
        raise InputError(f"{_CONFIG.value}: makes no rooms; give configs/room.py")
    folder = Path(_FOLDER.value)
    seeds = range(_SEED.value, _SEED.value + _ROOMS.value + 1)
    options, start, teachers = config.train.policy, None, policy_rooms.TEACHERS
    head = policy_rooms.PolicyHead(width=options.width, depth=options.depth)
    out = Path(_OUT.value)
    for again in (False, True):
        if again:  # what it would ask for now, its teachers may never have asked
            teachers, start = (*teachers, "policy"), weight_files.load(out, head)
        rooms = policy_rooms.teach(
            config, folder, rooms=seeds, teachers=teachers, start=start, tell=_tell
        )
        params = policy_rooms.learn(
            head, targets.joined(rooms[:-1]), jax.random.key(_SEED.value)
        )
        weight_files.save(out, params)
        agreement = policy_rooms.rank_agreement(head, params, rooms[-1])
        _tell(f"{out}: rank correlation {agreement:.3f} on the room left out")


def _tell(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    cli_errors.run("alsem.pretrain_policy", main)
