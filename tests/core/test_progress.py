import sys

import numpy as np
import pytest

from alsem.core import progress


@pytest.fixture
def clock(monkeypatch):
    """A clock that is set by hand: ``clock[0]`` seconds."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now[0])
    return now


def test_bars_are_drawn_on_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert list(progress.progress([1, 2, 3], "rounds")) == [1, 2, 3]
    with progress.progress(6, "steps", initial=2) as bar:
        bar.update(4)
    captured = capsys.readouterr()
    assert "rounds" in captured.err and "3/3" in captured.err and "6/6" in captured.err
    assert not captured.out


def advance(bar, clock, *updates):
    for seconds, count in updates:
        clock[0] += seconds
        bar.update(count)


def test_logs_have_a_line_at_most_every_30_seconds(capsys, clock):
    with progress.progress(1600, "geometry") as steps:
        advance(steps, clock, (29, 320), (12, 320), (19, 320), (12, 640))
    # A resumed pass extrapolates from its own steps.
    with progress.progress(1600, "geometry", initial=1200) as steps:
        advance(steps, clock, (40, 100))
    assert capsys.readouterr().err.splitlines() == [
        "geometry: 640 of 1600, 41 s, about 61 s left",
        "geometry: 1600 of 1600, 72 s, about 0 s left",
        "geometry: 1300 of 1600, 40 s, about 120 s left",
    ]


def test_logs_of_iteration_count_the_items_that_are_done(capsys, clock):
    for items in (range(3), iter(range(3))):
        for _ in progress.progress(items, "frames"):
            clock[0] += 20
    assert list(progress.progress([1, 2, 3], "rounds")) == [1, 2, 3]  # quick: no line
    captured = capsys.readouterr()
    lines = ["frames: 2 of 3, 40 s, about 20 s left", "frames: 2, 40 s"]
    assert captured.err.splitlines() == lines and not captured.out


def test_the_stopwatch_adds_up(clock):
    watch = progress.Stopwatch("cache", "score")
    with watch.measure("score"):
        clock[0] += 2
    with pytest.raises(KeyError), watch.measure("score"):
        clock[0] += 3
        raise KeyError
    with watch.measure("other"):
        clock[0] += 1
    assert watch.seconds == {"cache": 0.0, "score": 5.0, "other": 1.0}


def test_peak_memory_grows_by_what_is_held():
    before = progress.peak_rss_mb()
    block = np.ones(60 * 2**20, np.uint8)
    assert block[-1] == 1
    # In MiB, not KiB or bytes.
    assert 0 < before <= progress.peak_rss_mb() < 200_000
    assert progress.peak_device_mb() is None  # the CPU keeps no count
