"""The environment of a run: commit, package versions, devices."""

import contextlib
import importlib.metadata
import json
import os
import platform
import subprocess
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax

from alsem.reporting.json_records import plain, write_json

PACKAGES = (
    "jax jaxlib flax optax orbax-checkpoint numpy ml_collections tensorboardX "
    "matplotlib pillow scikit-image scipy tqdm"
).split()


def write(workdir: str | os.PathLike[str], now: Mapping[str, Any]) -> None:
    """Writes ``environment.json``; a resumed run adds what differs under "resumed_in".

    Raises:
        InputError: The disk is full, or the directory cannot be written.
    """
    path = Path(workdir) / "environment.json"
    first = json.loads(path.read_text()) if path.exists() else dict(now)
    later = first.pop("resumed_in", [])
    known = [first, *later]
    if plain(now) not in known:
        later = [*later, dict(now)]
    write_json(path, first | ({"resumed_in": later} if later else {}))


def describe(seed: int, repo_dir: str | os.PathLike[str]) -> dict[str, Any]:
    """The environment as plain data, with None for what cannot be found out.

    Args:
        seed: Seed of the run.
        repo_dir: Top folder of the checkout. A copy that lies inside another project's
            checkout has no commit.
    """

    def git(*command: str) -> str | None:
        # Inside a git hook these variables name another repository.
        env = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
        call = ["git", "--no-optional-locks", "-C", os.fspath(repo_dir), *command]
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            done = subprocess.run(call, env=env, capture_output=True, timeout=20)
            return done.stdout.decode().strip() if done.returncode == 0 else None

    def version(package: str) -> str | None:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            return importlib.metadata.version(package)

    top = git("rev-parse", "--show-toplevel")
    is_ours = top is not None and Path(top).resolve() == Path(repo_dir).resolve()
    commit = git("rev-parse", "HEAD") if is_ours else None
    status = git("status", "--porcelain") if is_ours else None
    kinds = Counter((d.platform, d.device_kind) for d in jax.devices())
    return {
        "git_commit": commit,
        "git_dirty": None if status is None else bool(status),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: version(name) for name in PACKAGES},
        "devices": [
            {"platform": p, "kind": k, "count": n} for (p, k), n in kinds.items()
        ],
        "hosts": jax.process_count(),
        "cpu_count": os.cpu_count(),
        "seed": int(seed),
    }
