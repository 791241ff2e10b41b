"""Training rooms of the query policy: from labelled rooms to targets."""

import numpy as np
import pytest
import tiny

from alsem.core.errors import InputError
from alsem.runs import policy_rooms


def test_a_labelled_room_gives_targets_of_its_queries(runs, monkeypatch):
    monkeypatch.setattr(policy_rooms, "ROUNDS", 3)
    lines = []

    def label_room(**overrides):
        (found,) = policy_rooms.label_rooms(
            tiny.config(runs / "captures", **overrides),
            runs,
            rooms=[0],
            strategies=["random"],
            start=None,
            callback=lines.append,
        )
        return found

    found = label_room()
    # Of three rounds only the second has a model before and after it.
    assert len(found) == 8 and lines == ["room 0, random: 8 queries"]
    assert set(found.wrong) <= {0.0, 1.0}
    assert np.isfinite(found.gain).all() and found.gain.any()
    np.testing.assert_array_equal(label_room().gain, found.gain)
    with pytest.raises(InputError, match=r"active\.initial_clicks"):
        label_room(active__initial_clicks=9)
