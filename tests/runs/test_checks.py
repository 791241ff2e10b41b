"""What a config may not say, and what a run may not be continued with."""

import pytest
import tiny

from alsem.core.errors import InputError
from alsem.runs import config_checks

NONSENSE = {
    "active.rounds": 0,
    "active.granularity": "pixel",
    "active.answer": "guess",
    "active.cost": "money",
    "active.mix_by": "mean",
    "active.superpixels": "seeds",
    "active.volumes": "cubes",
    "active.mixed_below": 1.5,
    "active.patch_size": 0,
    "active.superpixel_pixels": 0,
    "active.volume_size": 0.01,
    "active.voxel_size": 0.0,
    "active.min_purity": 1.5,
    "active.seconds.point": -1.0,
    "active.noise_rate": 2.0,
    "active.initial_clicks": 0,
    "active.growth": 0.0,
    "active.budget": -1,
    "model.members": 0,
    "model.view_members": 1,
    "model.field": "mlp",
    "model.head.inputs": ("position", "colour"),
    "train.mode": "both",
    "train.semantics.fit.steps": 25,
    "train.geometry.fit.steps": 0,
    "train.joint.fit.batch_rays": 0,
    "train.geometry.fit.optimiser.learning_rate": -1.0,
    "model.head.width": 0,
    "model.hash.grid.levels": 0,
    "surface.samples": 0,
}


@pytest.mark.parametrize("key", NONSENSE)
def test_a_value_that_means_nothing_is_named(tmp_path, key):
    config = tiny.config(tmp_path)
    config_checks.check(config)
    with config.unlocked():
        config.update_from_flattened_dict({key: NONSENSE[key]})
    with pytest.raises(InputError, match=key.replace(".", r"\.")) as told:
        config_checks.check(config)
    assert "\n" not in str(told.value)


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
def test_values_that_do_not_go_together_are_refused(tmp_path, options):
    with pytest.raises(InputError, match=r"active\."):
        config_checks.check(tiny.config(tmp_path, **options))


def plain(tmp_path, **options):
    return tiny.config(tmp_path, **options).to_dict()


def test_only_rounds_and_budget_may_differ_and_rounds_only_grow(tmp_path):
    before = plain(tmp_path)
    more = plain(tmp_path, active__rounds=9, active__budget=100)
    config_checks.check_continues(before, more, tmp_path, rounds_done=3)
    with pytest.raises(InputError, match=r"active\.rounds=2.* 3 already"):
        fewer = plain(tmp_path, active__rounds=2)
        config_checks.check_continues(before, fewer, tmp_path, rounds_done=3)
    with pytest.raises(InputError, match=r"seed=0, not 4 \(and 1 more\)"):
        other = plain(tmp_path, seed=4, train__mode="joint")
        config_checks.check_continues(before, other, tmp_path, rounds_done=0)
