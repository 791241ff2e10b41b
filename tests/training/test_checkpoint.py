"""Checkpoints: saved whole or not at all, restored as they were."""

from contextlib import closing

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from alsem import training
from alsem.core.errors import InputError
from alsem.training import checkpoint
from alsem.training.checkpoint import Checkpoints, PeriodicSaver


def state(seed=0, grid=True):
    table = np.random.default_rng(seed).normal(size=(64, 4)).astype(np.float32)
    params = {"table": jnp.asarray(table), "heads": [{"bias": jnp.arange(3.0)}]}
    grid = jnp.ones((2, 3, 4)) if grid else None
    return training.init_state(params, optax.adam(1e-2), num_steps=5, grid=grid)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "c"


@pytest.mark.parametrize("grid", [True, False])
def test_what_is_saved_comes_back_bit_for_bit(folder, grid):
    with closing(Checkpoints(folder)) as checkpoints:
        assert checkpoints.latest() is None
        checkpoints.save(7, state(1, grid), {"complete": True, "round": 3})
    with closing(Checkpoints(folder)) as checkpoints:
        assert checkpoints.latest() == 7
        assert checkpoints.meta(7) == {"complete": True, "round": 3}
        restored = checkpoints.restore(7, state(2, grid))
    jax.tree.map(np.testing.assert_array_equal, restored, state(1, grid))


def test_only_the_newest_are_kept(folder):
    with closing(Checkpoints(folder, keep=2)) as checkpoints:
        for step in (1, 2, 3):
            checkpoints.save(step, state(step), {})
    assert sorted(path.name for path in folder.iterdir()) == ["2", "3"]


def test_a_save_is_due_after_the_interval(folder, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: now[0])
    due = []
    with closing(Checkpoints(folder, interval_s=15.0)) as checkpoints:
        saver = PeriodicSaver(checkpoints, {"round": 3}, first=10)
        for step, seconds in ((1, 110.0), (2, 115.0), (3, 129.0), (4, 130.0)):
            now[0] = seconds
            if saver.is_due():
                due.append(step)
                saver.save(step, state())
        checkpoints.wait()
        assert due == [2, 4] and checkpoints.latest() == 14
        assert checkpoints.meta(14) == {"round": 3}


def test_what_the_disk_refuses_names_the_folder(folder, monkeypatch):
    def refuse(*args, **kwargs):
        raise ValueError("RESOURCE_EXHAUSTED: Failed [os_error_code='28']")

    with closing(Checkpoints(folder)) as checkpoints:
        monkeypatch.setattr(checkpoints._manager, "save", refuse)
        with pytest.raises(InputError, match=r"/c: RESOURCE_EXHAUSTED.*same command"):
            checkpoints.save(1, state(), {})


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="Not a directory"):
        Checkpoints(tmp_path / "file" / "c")
