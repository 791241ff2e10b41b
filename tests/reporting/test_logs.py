import errno
import json
import sys

import jax.numpy as jnp
import numpy as np
import pytest

from alsem.core import progress
from alsem.core.errors import InputError
from alsem.reporting import json_records, run_log


def make_row(number, **changes):
    row = {key: 1.5 for key in run_log.ROUND_KEYS}
    row["round"] = number
    row["iou_per_class"] = {"wall": 0.5, "lamp": float("nan")}
    row["seconds"] = {stage: 2.0 for stage in run_log.STAGES}
    return row | changes


def test_rounds_survive_reopening(tmp_path):
    log = run_log.RunLog(tmp_path / "new" / "run")
    assert log.append_round(make_row(0))
    assert log.append_round(make_row(1, miou=0.25, depth_median_m=0.02))
    log.close()
    rows = run_log.RunLog(tmp_path / "new" / "run").rounds()
    assert [row["round"] for row in rows] == [0, 1]
    assert rows[1]["miou"] == 0.25
    assert rows[1]["depth_median_m"] == 0.02


def test_the_line_is_synced_before_append_returns(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(run_log.os, "fsync", synced.append)
    log = run_log.RunLog(tmp_path)
    log.append_round(make_row(0))
    assert len(synced) == 1


@pytest.mark.parametrize("torn", [b"{", b'{"round": 1, "miou": 0.', b"\0\0\0"])
def test_a_torn_last_line_is_dropped(tmp_path, torn):
    log = run_log.RunLog(tmp_path)
    log.append_round(make_row(0))
    log.close()
    path = tmp_path / "rounds.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + torn)
    assert [row["round"] for row in json_records.read_jsonl(path)] == [0]
    assert path.read_bytes() == whole + torn  # reading leaves the file alone

    log = run_log.RunLog(tmp_path)
    assert path.read_bytes() == whole
    log.append_round(make_row(1))
    assert [row["round"] for row in run_log.RunLog(tmp_path).rounds()] == [0, 1]


def test_a_line_that_only_lacks_its_newline_is_kept(tmp_path):
    run_log.RunLog(tmp_path).append_round(make_row(0))
    path = tmp_path / "rounds.jsonl"
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    run_log.RunLog(tmp_path).append_round(make_row(1))
    assert [row["round"] for row in json_records.read_jsonl(path)] == [0, 1]


def test_a_broken_line_in_the_middle_is_named(tmp_path):
    path = tmp_path / "rounds.jsonl"
    path.write_text('{"round": 0}\nnot json\n{"round": 1}\n')
    with pytest.raises(InputError, match=r"rounds\.jsonl, line 2: .*mend") as caught:
        run_log.RunLog(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_round_is_recorded_once(tmp_path):
    log = run_log.RunLog(tmp_path)
    assert log.append_round(make_row(0, miou=0.5))
    assert not log.append_round(make_row(0, miou=0.6))
    log = run_log.RunLog(tmp_path)
    assert not log.append_round(make_row(np.int32(0), miou=0.7))
    assert [row["miou"] for row in log.rounds()] == [0.5]
    assert (tmp_path / "rounds.jsonl").read_text().count("\n") == 1


@pytest.mark.parametrize("key", run_log.ROUND_KEYS)
def test_a_missing_key_is_refused(tmp_path, key):
    row = make_row(0)
    del row[key]
    with pytest.raises(ValueError, match=key):
        run_log.RunLog(tmp_path).append_round(row)
    assert (tmp_path / "rounds.jsonl").read_bytes() == b""


def test_a_missing_stage_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"seconds\.select"):
        seconds = {stage: 0.0 for stage in run_log.STAGES if stage != "select"}
        run_log.RunLog(tmp_path).append_round(make_row(0, seconds=seconds))


def refuse_constant(name):
    raise AssertionError(f"{name} is not JSON")


def test_json_is_strict(tmp_path):
    values = {
        "nan": float("nan"),
        "inf": [np.float32("inf"), -np.inf],
        "array": np.array([1.0, np.nan]),
        "device": jnp.arange(3),
        "count": np.int64(7),
        "flag": np.bool_(True),
        3: tmp_path,
    }
    json_records.write_json(tmp_path / "deep" / "x.json", values)
    text = (tmp_path / "deep" / "x.json").read_text()
    read = json.loads(text, parse_constant=refuse_constant)
    assert read == {
        "nan": None,
        "inf": [None, None],
        "array": [1.0, None],
        "device": [0, 1, 2],
        "count": 7,
        "flag": True,
        "3": str(tmp_path),
    }
    assert read["flag"] is True
    log = run_log.RunLog(tmp_path)
    log.append_round(make_row(0, psnr=np.float32("nan")))
    line = (tmp_path / "rounds.jsonl").read_text()
    row = json.loads(line, parse_constant=refuse_constant)
    assert row["psnr"] is None
    assert row["iou_per_class"] == {"wall": 0.5, "lamp": None}


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "summary.json"
    json_records.write_json(path, {"a": 1})

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(run_log.os, "fsync", full)
    with pytest.raises(InputError, match=r"summary\.json: No space") as caught:
        json_records.write_json(path, {"a": 2})
    assert "\n" not in str(caught.value)
    assert json.loads(path.read_text()) == {"a": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_no_half_line(tmp_path, monkeypatch):
    log = run_log.RunLog(tmp_path)
    log.append_round(make_row(0))
    real = run_log.os.fsync

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(run_log.os, "fsync", full)
    with pytest.raises(InputError, match=r"rounds\.jsonl: No space left.*free"):
        log.append_round(make_row(1))
    monkeypatch.setattr(run_log.os, "fsync", real)
    assert log.append_round(make_row(1))
    assert [
        row["round"] for row in json_records.read_jsonl(tmp_path / "rounds.jsonl")
    ] == [
        0,
        1,
    ]


def test_a_workdir_that_is_a_file_is_named(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(InputError, match=r"run.*--workdir"):
        run_log.RunLog(tmp_path / "run")


def test_scalars_reach_both_records(tmp_path):
    log = run_log.RunLog(tmp_path)
    assert not (tmp_path / "tensorboard").exists()
    log.scalars(5, {"loss": jnp.float32(0.5), "psnr": float("nan")}, "fit")
    log.close()
    rows = json_records.read_jsonl(tmp_path / "metrics.jsonl")
    assert rows == [{"step": 5, "fit/loss": 0.5, "fit/psnr": None}]
    events = b"".join(p.read_bytes() for p in (tmp_path / "tensorboard").iterdir())
    assert b"fit/loss" in events
    assert b"fit/psnr" not in events


def test_the_summary_has_the_last_round_and_the_times(tmp_path):
    rows = [make_row(0, miou=0.1), make_row(1, miou=0.9)]
    run_log.write_summary(
        tmp_path, rows, wall_seconds=12.5, seconds_to_first_model_query=3.0
    )
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["miou"] == 0.9
    assert summary["rounds"] == 2
    assert summary["wall_seconds"] == 12.5
    assert summary["seconds_to_first_model_query"] == 3.0
    assert set(run_log.ROUND_KEYS) <= set(summary)
    with pytest.raises(ValueError, match="no finished round"):
        run_log.write_summary(
            tmp_path, [], wall_seconds=1.0, seconds_to_first_model_query=None
        )


@pytest.mark.parametrize("is_terminal", [False, True])
def test_bars_are_drawn_on_terminals_only(monkeypatch, capsys, is_terminal):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: is_terminal, raising=False)
    assert list(progress.progress([1, 2, 3], "rounds")) == [1, 2, 3]
    with progress.progress(4, "steps") as bar:
        bar.update(4)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert ("rounds" in captured.err and "4/4" in captured.err) == is_terminal
    assert bool(captured.err) == is_terminal


def test_the_stopwatch_adds_up(monkeypatch):
    clock = iter([0.0, 2.0, 10.0, 13.0, 20.0, 21.0])
    monkeypatch.setattr(progress.time, "perf_counter", lambda: next(clock))
    watch = progress.Stopwatch("cache", "score")
    with watch.measure("score"):
        pass
    with pytest.raises(KeyError), watch.measure("score"):
        raise KeyError
    with watch.measure("other"):
        pass
    assert watch.seconds == {"cache": 0.0, "score": 5.0, "other": 1.0}


def test_peak_memory_grows_by_what_is_held():
    before = progress.peak_rss_mb()
    block = np.ones(60 * 2**20, np.uint8)
    after = progress.peak_rss_mb()
    assert block[-1] == 1
    assert 0 < before <= after
    assert after < 200_000  # MiB, not KiB or bytes
    assert progress.peak_device_mb() is None  # the CPU keeps no count
