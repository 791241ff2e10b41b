"""Values that a config is refused for, and what may change when a run is resumed."""

import pytest
import tiny
from captures import input_error

from alsem.runs import config_checks

UNUSABLE = {
    "active.answer": "guess",
    "active.budget": -1,
    "active.granularity": "pixel",
    "active.growth": 0.0,
    "active.initial_clicks": 0,
    "active.label_set": "sparse:0.5",  # needs full supervision
    "active.min_purity": 1.5,
    "active.noise_rate": 2.0,
    "active.rounds": 0,
    "active.seconds.point": -1.0,
    "active.stop_at_miou": 1.0,
    "active.volume_size": 0.01,
    "active.voxel_size": 0.0,
    "model.compute_dtype": "float16",
    "model.evidence": "sometimes",
    "model.head.inputs": ("position", "colour"),
    "model.head.width": 0,
    "model.hash.proposal.guided_samples": 16,  # all of them
    "model.members": 0,
    "model.view_members": 1,
    "surface.samples": 0,
    "train.geometry.fit.optimiser.learning_rate": -1.0,
    "train.geometry.fit.steps": 0,
    "train.mode": "both",
    "train.semantics.fit.steps": 25,  # no multiple of steps_per_call
}
FILE = {"active__annotator": "file", "active__answers": "x.csv"}
CONTRADICTIONS = [
    {"active__granularity": "volume", "active__answer": "exact"},
    {"active__annotator": "file"},
    FILE | {"active__noise_rate": 0.1},
    FILE | {"active__strategy": "full"},
    {"active__strategy": "full", "active__budget": 5},
    {"active__strategy": "bald", "model__members": 1},
]
RENAMED = [
    ({"active__strategy": "spread"}, "'spread' was renamed; use 'poisson_disk'"),
    ({"active__strategy": "0.5*spread+margin"}, "use 'poisson_disk'"),
    ({"model__head__inputs": ("albedo",)}, "'albedo' was renamed; use 'diffuse'"),
]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        *(({key.replace(".", "__"): UNUSABLE[key]}, key) for key in UNUSABLE),
        *((options, "active.") for options in CONTRADICTIONS),
        *RENAMED,
        ({"model__evidence": "on", "train__mode": "joint"}, "model.evidence='on'"),
    ],
)
def test_unusable_values_are_refused_in_one_line(tmp_path, options, error):
    config_checks.check(tiny.config(tmp_path))
    config = tiny.config(tmp_path, **options)
    assert error in input_error(config_checks.check, config)


def test_only_rounds_and_budget_may_change_and_rounds_only_grow(tmp_path):
    def check(rounds_done, **options):
        old, new = tiny.config(tmp_path), tiny.config(tmp_path, **options)
        config_checks.check_continues(
            old.to_dict(), new.to_dict(), tmp_path, rounds_done=rounds_done
        )

    check(3, active__rounds=9, active__budget=100)
    error = input_error(check, 3, active__rounds=2)
    assert "active.rounds=2" in error and "3 already" in error
    error = input_error(check, 0, seed=4, train__mode="joint")
    assert "seed=0, not 4 (and 1 more)" in error
    assert "seed=0, not 4" in input_error(check, 3, seed=4, active__rounds=2)


def test_a_run_of_a_version_with_fewer_options_is_refused_in_one_line(tmp_path):
    config = tiny.config(tmp_path).to_dict()
    config_checks.check_complete(config, tmp_path)
    del config["train"]["geometry"]["colour_only"]["steps"], config["data"]["width"]
    error = input_error(config_checks.check_complete, config, tmp_path)
    assert "earlier version" in error and "without data.width (and 1 more)" in error
