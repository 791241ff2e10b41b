"""Training rooms of the query policy: from labelled rooms to targets."""

import numpy as np
import pytest
import tiny

from alsem.core.errors import InputError
from alsem.runs import policy_rooms


def label_room(config, folder, monkeypatch):
    monkeypatch.setattr(policy_rooms, "ROUNDS", 3)
    lines = []
    (found,) = policy_rooms.label_rooms(
        config,
        folder,
        rooms=[0],
        strategies=["random"],
        start=None,
        callback=lines.append,
    )
    return found, lines


def test_a_labelled_room_gives_targets_of_its_queries(tmp_path, monkeypatch):
    tiny.write_box(tmp_path / "captures")
    config = tiny.config(tmp_path / "captures")
    found, lines = label_room(config, tmp_path / "runs", monkeypatch)
    # Of three rounds only the second has a model before and after it.
    assert len(found) == 8 and lines == ["room 0, random: 8 queries"]
    assert set(found.wrong) <= {0.0, 1.0}
    assert np.isfinite(found.gain).all() and found.gain.any()
    again, _ = label_room(config, tmp_path / "runs", monkeypatch)
    np.testing.assert_array_equal(again.gain, found.gain)
    other = tiny.config(tmp_path / "captures", active__initial_clicks=9)
    with pytest.raises(InputError, match=r"active\.initial_clicks"):
        label_room(other, tmp_path / "runs", monkeypatch)
