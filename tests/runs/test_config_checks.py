"""Values that a config is refused for, and what may change when a run is resumed."""

import pytest
import tiny

from alsem.core.errors import InputError
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
    "model.head.inputs": ("position", "colour"),
    "model.head.width": 0,
    "model.members": 0,
    "model.view_members": 1,
    "surface.samples": 0,
    "train.geometry.fit.optimiser.learning_rate": -1.0,
    "train.geometry.fit.steps": 0,
    "train.mode": "both",
    "train.semantics.fit.steps": 25,  # no multiple of steps_per_call
}


@pytest.mark.parametrize("key", UNUSABLE)
def test_unusable_values_are_refused_by_key(tmp_path, key):
    config = tiny.config(tmp_path)
    config_checks.check(config)
    with config.unlocked():
        config.update_from_flattened_dict({key: UNUSABLE[key]})
    with pytest.raises(InputError, match=key.replace(".", r"\.")) as error:
        config_checks.check(config)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "options",
    [
        {"active__granularity": "volume", "active__answer": "exact"},
        {"active__annotator": "file"},
        {
            "active__annotator": "file",
            "active__answers": "x.csv",
            "active__noise_rate": 0.1,
        },
        {
            "active__strategy": "full",
            "active__annotator": "file",
            "active__answers": "x.csv",
        },
        {"active__strategy": "full", "active__budget": 5},
        {"active__strategy": "bald", "model__members": 1},
    ],
)
def test_values_that_contradict_each_other_are_refused(tmp_path, options):
    with pytest.raises(InputError, match=r"active\."):
        config_checks.check(tiny.config(tmp_path, **options))


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"active__strategy": "spread"}, "'spread' was renamed; use 'poisson_disk'"),
        ({"active__strategy": "0.5*spread+margin"}, "use 'poisson_disk'"),
        ({"model__head__inputs": ("albedo",)}, "'albedo' was renamed; use 'diffuse'"),
    ],
)
def test_renamed_values_name_their_successor(tmp_path, options, error):
    with pytest.raises(InputError, match=error):
        config_checks.check(tiny.config(tmp_path, **options))


def test_only_rounds_and_budget_may_change_and_rounds_only_grow(tmp_path):
    def plain(**options):
        return tiny.config(tmp_path, **options).to_dict()

    def check(rounds_done, **options):
        new = plain(**options)
        config_checks.check_continues(plain(), new, tmp_path, rounds_done=rounds_done)

    check(3, active__rounds=9, active__budget=100)
    with pytest.raises(InputError, match=r"active\.rounds=2.* 3 already"):
        check(3, active__rounds=2)
    with pytest.raises(InputError, match=r"seed=0, not 4 \(and 1 more\)"):
        check(0, seed=4, train__mode="joint")
