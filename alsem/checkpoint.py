"""Checkpoints by Orbax; nobody else knows it.

A save is atomic: a kill in the middle of one leaves the one before it.
"""

import logging
import time
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp

from alsem.types import InputError


class Checkpoints:
    """The checkpoints of one folder, numbered by a growing step."""

    def __init__(self, folder: Path, *, keep: int = 2, interval_s: float = 15.0):
        """Opens the folder.

        Args:
            folder: Made if it is not there.
            keep: How many to keep.
            interval_s: `save_if_due` saves when this many seconds have passed.

        Raises:
            InputError: The folder cannot be made.
        """
        logging.getLogger("absl").setLevel(logging.ERROR)  # Orbax tells every step
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"{folder}: {error.strerror}; free some space or choose another place"
            ) from None
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
        """Saves a pytree of arrays and a JSON-like dict, in the background."""
        self._manager.save(
            step,
            args=ocp.args.Composite(
                state=ocp.args.StandardSave(state),  # pyright: ignore[reportCallIssue]
                meta=ocp.args.JsonSave(meta),  # pyright: ignore[reportCallIssue]
            ),
        )
        self._last = time.monotonic()

    def save_if_due(self, step: int, state: Any, meta: dict[str, Any]) -> None:
        """Saves if the last save is long enough ago."""
        if time.monotonic() - self._last >= self._interval_s:
            self.save(step, state, meta)

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

    def close(self) -> None:
        """Waits for the save in progress and lets go of the folder."""
        self._manager.wait_until_finished()
        self._manager.close()
