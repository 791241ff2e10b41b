"""Checkpoints: saved whole or not at all, restored as they were."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from alsem import training
from alsem.core import signals
from alsem.core.errors import InputError
from alsem.training import checkpoint
from alsem.training.checkpoint import Checkpoints


def state(seed=0, grid=True):
    table = jax.random.normal(jax.random.key(seed), (64, 4))
    params = {"table": table, "heads": [{"bias": jnp.arange(3.0)}]}
    grid = jnp.ones((2, 3, 4)) if grid else None
    return training.init_state(params, optax.adam(1e-2), num_steps=5, grid=grid)


@pytest.mark.parametrize("grid", [True, False])
def test_what_is_saved_comes_back_bit_for_bit(tmp_path, grid):
    checkpoints = Checkpoints(tmp_path / "c")
    assert checkpoints.latest() is None
    checkpoints.save(7, state(1, grid), {"complete": True, "round": 3})
    checkpoints.close()
    checkpoints = Checkpoints(tmp_path / "c")
    assert checkpoints.latest() == 7
    assert checkpoints.meta(7) == {"complete": True, "round": 3}
    restored = checkpoints.restore(7, state(2, grid))
    checkpoints.close()
    assert jax.tree.structure(restored) == jax.tree.structure(state(1, grid))
    jax.tree.map(np.testing.assert_array_equal, restored, state(1, grid))


def test_only_the_newest_are_kept(tmp_path):
    checkpoints = Checkpoints(tmp_path / "c", keep=2)
    for step in (1, 2, 3):
        checkpoints.save(step, state(step), {})
    checkpoints.close()
    names = sorted(path.name for path in (tmp_path / "c").iterdir())
    assert names == ["2", "3"]


def test_a_save_is_due_after_the_interval(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: now[0])
    checkpoints = Checkpoints(tmp_path / "c", interval_s=15.0)
    saver = checkpoint.PeriodicSaver(checkpoints, {"round": 3}, first=10)
    due = []
    for step, seconds in ((1, 110.0), (2, 115.0), (3, 129.0), (4, 130.0)):
        now[0] = seconds
        if saver.is_due():
            due.append(step)
            saver.save(step, state())
    checkpoints.wait()
    assert due == [2, 4] and checkpoints.latest() == 14
    assert checkpoints.meta(14) == {"round": 3}
    checkpoints.close()


def test_a_request_to_end_saves_and_interrupts(tmp_path, monkeypatch):
    monkeypatch.setattr(signals, "_requested", True)
    checkpoints = Checkpoints(tmp_path / "c")
    saver = checkpoint.PeriodicSaver(checkpoints, {})
    for _ in range(2):  # a step that is on disk already is not saved again
        assert saver.is_due()
        with pytest.raises(signals.Interrupted):
            saver.save(5, state())
    assert checkpoints.latest() == 5
    checkpoints.close()


def test_a_save_that_a_kill_cut_short_is_not_the_latest(tmp_path):
    checkpoints = Checkpoints(tmp_path / "c")
    checkpoints.save(1, state(), {})
    checkpoints.close()
    half = tmp_path / "c" / "2.orbax-checkpoint-tmp"
    half.mkdir()
    (half / "state").write_text("half of it")
    checkpoints = Checkpoints(tmp_path / "c")
    assert checkpoints.latest() == 1
    checkpoints.save(2, state(5), {})
    checkpoints.close()
    assert Checkpoints(tmp_path / "c").latest() == 2


def test_a_save_that_will_not_fit_is_one_line_and_leaves_nothing(tmp_path, monkeypatch):
    checkpoints = Checkpoints(tmp_path / "c")
    used = checkpoint.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(
        checkpoint.shutil, "disk_usage", lambda _: used._replace(free=2**20)
    )
    with pytest.raises(InputError, match="c: No space left on device"):
        checkpoints.save(1, state(), {})
    assert checkpoints.latest() is None
    checkpoints.close()
    assert list((tmp_path / "c").iterdir()) == []


def test_what_the_disk_refuses_names_the_folder(tmp_path, monkeypatch):
    checkpoints = Checkpoints(tmp_path / "c")

    def refuse(*args, **kwargs):
        raise ValueError("RESOURCE_EXHAUSTED: Failed [os_error_code='28']")

    monkeypatch.setattr(checkpoints._manager, "save", refuse)
    with pytest.raises(InputError, match=r"/c: RESOURCE_EXHAUSTED.*same command"):
        checkpoints.save(1, state(), {})
    checkpoints.close()


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="Not a directory"):
        Checkpoints(tmp_path / "file" / "c")
