import numpy as np
import pytest

from alsem.reporting import palette


@pytest.mark.parametrize("n", [22, 101, 200])
def test_colours_are_distinct_stable_and_never_black(n):
    colours = palette.class_colours(n)
    assert colours.shape == (n, 3) and colours.dtype == np.uint8
    lab = palette.oklab(colours)
    gaps = np.linalg.norm(lab[:, None] - lab[None], axis=-1)
    np.fill_diagonal(gaps, 1)
    # 0.02 in Oklab is about one just noticeable difference between large patches.
    assert gaps.min() > (0.06 if n <= 101 else 0.04)
    assert np.linalg.norm(lab, axis=-1).min() > 0.35
    np.testing.assert_array_equal(palette.class_colours(7), colours[:7])
    colours[:] = 0
    assert palette.class_colours(n).any()  # callers get a copy


def test_oklab_of_known_colours():
    # White has lightness 1 and no colour; sRGB red as B. Ottosson gives it.
    lab = palette.oklab(np.array([[255, 255, 255], [255, 0, 0]], np.uint8))
    expected = [[1, 0, 0], [0.627955, 0.224863, 0.125846]]
    np.testing.assert_allclose(lab, expected, atol=1e-4)
