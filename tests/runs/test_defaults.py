"""The shipped configs: usable in every variant, with no key of their own."""

import pytest
import tiny

from alsem.runs import config_checks, config_files, defaults, variants

NAMES = ("room", "replica", "scannet", "capture")


@pytest.mark.parametrize("variant", ["", *variants.VARIANTS])
@pytest.mark.parametrize("name", NAMES)
def test_every_variant_of_every_config_passes_the_checks(name, variant):
    config = config_files.load(f"{tiny.ROOT}/configs/{name}.py:{variant}")
    config_checks.check(config)
    known = defaults.get_defaults("room", "scale", "label_space").to_dict()
    keys = set(config_files.dotted_keys(config.to_dict()))
    assert keys <= set(config_files.dotted_keys(known))


def test_the_paper_variant_has_the_published_learning_rate():
    """5e-4, a tenth of it after 250,000 steps (arXiv 2103.15875)."""
    config = config_files.load(f"{tiny.ROOT}/configs/room.py:paper")
    fit = config.train.geometry.fit
    assert (fit.steps, fit.optimiser.learning_rate) == (200_000, 5e-4)
    per_step = fit.optimiser.final_fraction ** (1 / fit.steps)
    assert per_step**250_000 == pytest.approx(0.1)
