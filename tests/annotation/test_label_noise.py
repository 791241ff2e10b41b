import numpy as np
import pytest

from alsem.annotation.label_noise import LabelNoise

CLASSES = 5
PIXELS = np.arange(6000)
TRUE = np.where(PIXELS % 10 == 0, -1, PIXELS % CLASSES)


def noisy(rate, seed=5, pixels=PIXELS):
    noise = LabelNoise(seed, rate, CLASSES)
    return noise.apply(TRUE[pixels], pixels % 7, pixels // 100, pixels % 100)


def test_noise_depends_only_on_the_pixel_and_the_seed():
    shuffled = np.random.default_rng(0).permutation(PIXELS)
    np.testing.assert_array_equal(noisy(0.3, pixels=shuffled), noisy(0.3)[shuffled])
    # about 2 * .3 * .7 of nine tenths
    assert (noisy(0.3) != noisy(0.3, seed=6)).mean() > 0.3


def test_noise_has_its_rate_and_reaches_every_other_class_equally():
    rate, others = 0.3, CLASSES - 1
    labels, true = noisy(rate)[TRUE >= 0], TRUE[TRUE >= 0]
    np.testing.assert_array_equal(noisy(rate)[TRUE == -1], -1)
    assert labels.min() >= 0 and labels.max() < CLASSES
    is_wrong = labels != true
    shifts = np.bincount((labels - true)[is_wrong] % CLASSES, minlength=CLASSES)[1:]
    for found, expected, size in (
        (is_wrong.mean(), rate, true.size),
        (shifts / is_wrong.sum(), 1 / others, is_wrong.sum()),
    ):
        # four standard errors of a binomial: one seed in 16,000 fails by chance
        bound = 4 * np.sqrt(expected * (1 - expected) / size)
        np.testing.assert_allclose(found, expected, atol=bound)


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_extreme_rates(rate):
    np.testing.assert_array_equal(noisy(rate) != TRUE, (TRUE >= 0) & (rate == 1))


@pytest.mark.parametrize("rate, classes", [(1.5, 3), (-0.1, 3), (0.1, 1)])
def test_impossible_noise_is_refused(rate, classes):
    with pytest.raises(ValueError):
        LabelNoise(0, rate, classes)
    LabelNoise(0, 0.0, num_classes=1)  # no noise needs no other class
