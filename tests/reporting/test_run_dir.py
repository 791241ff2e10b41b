import json

import jax.numpy as jnp
import numpy as np
import pytest
from captures import input_error

from alsem.reporting import json_records, run_dir


def make_row(number, **changes):
    row = dict.fromkeys(run_dir.ROUND_KEYS, 1.5) | {"round": number}
    row["iou_per_class"] = {"wall": 0.5, "lamp": float("nan")}
    row["seconds"] = dict.fromkeys(run_dir.STAGES, 2.0)
    return row | changes


def test_rounds_are_read_again_when_a_run_is_resumed(tmp_path):
    log = run_dir.RunLog(tmp_path / "new" / "run")
    assert log.append_round(make_row(0))
    assert log.append_round(make_row(1, miou=0.25, psnr=np.float32("nan"), more=3))
    log.close()
    rows = run_dir.RunLog(tmp_path / "new" / "run").rounds()
    assert [row["round"] for row in rows] == [0, 1]
    assert (rows[1]["miou"], rows[1]["psnr"], rows[1]["more"]) == (0.25, None, 3)
    assert rows[1]["iou_per_class"] == {"wall": 0.5, "lamp": None}


def test_a_round_is_recorded_once(tmp_path):
    log, path = run_dir.RunLog(tmp_path), tmp_path / "rounds.jsonl"
    assert log.append_round(make_row(0, miou=0.5))
    assert not log.append_round(make_row(0, miou=0.6))
    log = run_dir.RunLog(tmp_path)
    assert not log.append_round(make_row(np.int32(0), miou=0.7))
    assert [row["miou"] for row in log.rounds()] == [0.5]
    assert path.read_text().count("\n") == 1
    # Rounds that two processes wrote all the same count once, the first of them.
    path.write_text(path.read_text() + json.dumps(make_row(0, miou=0.8, psnr=1)) + "\n")
    assert [row["miou"] for row in run_dir.read_rounds(tmp_path)] == [0.5]


@pytest.mark.parametrize("key", [*run_dir.ROUND_KEYS, "seconds.select"])
def test_a_row_without_a_required_key_is_refused(tmp_path, key):
    row = make_row(0)
    del (row["seconds"] if "." in key else row)[key.split(".")[-1]]
    with pytest.raises(ValueError, match=key):
        run_dir.RunLog(tmp_path).append_round(row)
    assert (tmp_path / "rounds.jsonl").read_bytes() == b""


def test_a_workdir_that_is_a_file_is_named(tmp_path):
    (tmp_path / "run").touch()
    error = input_error(run_dir.RunLog, tmp_path / "run")
    assert str(tmp_path / "run") in error and "--workdir" in error


def test_scalars_are_in_both_records(tmp_path):
    log = run_dir.RunLog(tmp_path)
    assert not (tmp_path / "tensorboard").exists()
    log.scalars(5, {"loss": jnp.float32(0.5), "psnr": float("nan")}, "fit")
    log.close()
    rows = json_records.read_jsonl(tmp_path / "metrics.jsonl")
    assert rows == [{"step": 5, "fit/loss": 0.5, "fit/psnr": None}]
    events = b"".join(p.read_bytes() for p in (tmp_path / "tensorboard").iterdir())
    assert b"fit/loss" in events and b"fit/psnr" not in events


def test_the_summary_has_the_last_round_and_the_times(tmp_path):
    times = {"wall_seconds": 12.5, "seconds_to_first_model_query": None}
    run_dir.write_summary(tmp_path, [make_row(0), make_row(1, miou=0.9)], **times)
    summary = json.loads((tmp_path / "summary.json").read_text())
    expected = {"miou": 0.9, "rounds": 2, "ended_by": None} | times
    assert expected.items() <= summary.items()
    assert set(run_dir.ROUND_KEYS) <= summary.keys()
    with pytest.raises(ValueError, match="no finished round"):
        run_dir.write_summary(tmp_path, [], **times)


def test_renamed_keys_of_old_configs_are_read_under_their_new_names(tmp_path):
    shares = {"fit": {"optimiser": {"final_share": 0.02, "b2": 0.99}}}
    old = {
        "model": {"head": {"inputs": ["position", "albedo"]}},
        "train": {
            "geometry": {"grid_share": 0.05} | shares,
            "semantics": shares,
            "joint": shares,
        },
        "active": {"strategy": "0.7*margin+0.3*spread", "seconds": {"point": 2.5}},
    }
    (tmp_path / "config.json").write_text(json.dumps(old))
    optimisers = {
        f"train.{fit}.fit.optimiser.{key}": value
        for fit in ("geometry", "semantics", "joint")
        for key, value in (("final_fraction", 0.02), ("b2", 0.99))
    }
    assert run_dir.flat(run_dir.read_config(tmp_path)) == optimisers | {
        "model.head.inputs": ["position", "diffuse"],
        "train.geometry.grid_fraction": 0.05,
        "active.strategy": "0.7*margin+0.3*poisson_disk",
        "active.seconds.point": 2.5,
    }
