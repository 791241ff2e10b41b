"""Checkpoints, saved by Orbax: the only module that uses it.

A save is atomic: a kill in the middle of one leaves the one before it.
"""

import contextlib
import dataclasses
import logging
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp

from alsem.core import signals
from alsem.core.errors import InputError
from alsem.core.files import write_errors


class Checkpoints:
    """The checkpoints of one folder, numbered by a growing step."""

    def __init__(self, folder: Path, *, keep: int = 2, interval_s: float = 15.0):
        """Opens the folder.

        Args:
            folder: Made if it is missing.
            keep: How many to keep.
            interval_s: Seconds after a save until `is_due`.

        Raises:
            InputError: The folder cannot be made.
        """
        logging.getLogger("absl").setLevel(logging.CRITICAL)  # Orbax logs every step
        with write_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._manager = ocp.CheckpointManager(
            folder.absolute(),
            options=ocp.CheckpointManagerOptions(max_to_keep=keep, create=True),
        )
        self._interval_s = interval_s
        self._last = time.monotonic()

    def latest(self) -> int | None:
        """Number of the newest complete checkpoint."""
        return self._manager.latest_step()

    def save(self, step: int, state: Any, meta: dict[str, Any]) -> None:
        """Saves a pytree of arrays and a JSON-like dict, in the background.

        Raises:
            InputError: The disk is full: for this save or for the one before it.
        """
        self._require_space(state)
        with self._writing():
            self._manager.save(
                step,
                args=ocp.args.Composite(
                    state=ocp.args.StandardSave(state),  # pyright: ignore
                    meta=ocp.args.JsonSave(meta),  # pyright: ignore
                ),
            )
        self._last = time.monotonic()

    def is_due(self) -> bool:
        """Whether the last save is long enough ago."""
        return time.monotonic() - self._last >= self._interval_s

    def meta(self, step: int) -> dict[str, Any]:
        """The dict saved with a checkpoint."""
        restored = self._manager.restore(
            step,
            args=ocp.args.Composite(meta=ocp.args.JsonRestore()),  # pyright: ignore
        )
        return restored["meta"]

    def restore(self, step: int, like: Any) -> Any:
        """The pytree saved, with the structure, types and placement of ``like``."""
        abstract = jax.tree.map(ocp.utils.to_shape_dtype_struct, like)
        restored = self._manager.restore(
            step,
            args=ocp.args.Composite(
                state=ocp.args.StandardRestore(abstract)  # pyright: ignore
            ),
        )
        return restored["state"]

    def wait(self) -> None:
        """Waits for the save in progress: from then on no kill can lose it.

        Raises:
            InputError: The disk is full.
        """
        with self._writing():
            self._manager.wait_until_finished()

    def close(self) -> None:
        """Waits for the save in progress and closes the folder.

        Raises:
            InputError: The disk is full.
        """
        self.wait()
        self._manager.close()

    def _require_space(self, state: Any) -> None:
        """Refuses a save that will not fit, before Orbax leaves half of it."""
        size = sum(leaf.nbytes for leaf in jax.tree.leaves(state))
        needed = 2 * size + 2**20  # written once, then merged into one file
        if shutil.disk_usage(self._folder).free < needed:
            raise InputError(
                f"{self._folder}: No space left on device for {needed / 2**20:.0f} MiB;"
                " free some and run the same command again"
            )

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Turns what the disk refuses into one line that names the folder."""
        try:
            yield
        except Exception as error:  # tensorstore has no class for it
            if not isinstance(error, OSError) and "os_error_code" not in str(error):
                raise
            cause = "No space left on device"
            if cause not in str(error):
                cause = " ".join(str(error).split())
            raise InputError(
                f"{self._folder}: {cause}; free some space and run the same command"
                " again"
            ) from error


@dataclasses.dataclass(frozen=True)
class PeriodicSaver:
    """Saves a fit every few seconds, and when the process is asked to end.

    Attributes:
        checkpoints: Where to.
        meta: Saved with every checkpoint.
        first: Number of a checkpoint of step 0.
    """

    checkpoints: Checkpoints
    meta: dict[str, Any]
    first: int = 0

    def is_due(self) -> bool:
        """Whether the last save is long enough ago, or the process is asked to end."""
        return signals.requested() or self.checkpoints.is_due()

    def save(self, step: int, state: Any) -> None:
        """Saves the state after ``step`` steps.

        Raises:
            InputError: The disk is full.
            Interrupted: The process is asked to end; the state is on disk.
        """
        number = self.first + step
        if number != self.checkpoints.latest():
            self.checkpoints.save(number, state, self.meta)
        if signals.requested():
            self.checkpoints.wait()
            signals.check()
