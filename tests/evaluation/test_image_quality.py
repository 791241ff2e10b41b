import numpy as np

from alsem.evaluation import image_quality


def test_psnr_is_in_decibels():
    np.testing.assert_allclose(image_quality.psnr(0.01), 20.0)
    np.testing.assert_allclose(image_quality.psnr(1.0), 0.0, atol=1e-12)
    assert np.isfinite(image_quality.psnr(0.0))


def test_pixels_of_unknown_depth_or_invalid_colour_do_not_count():
    true = np.zeros((1, 2, 2, 3), np.uint8)
    rgb = np.full_like(true, 51)  # off by .2
    rgb[0, 0, 1] = 255
    valid = np.array([[[True, False], [True, True]]])
    depth_z = np.array([[[1.0, 2.0], [3.0, 9.0]]], np.float32)
    depth_true = np.array([[[1.5, 2.1], [3.3, 0.0]]], np.float32)
    found = image_quality.geometry_metrics(rgb, true, depth_z, depth_true, valid)
    np.testing.assert_allclose(found["psnr"], -10 * np.log10(0.2**2))
    np.testing.assert_allclose(found["depth_l1_m"], 0.3, rtol=1e-6)
    np.testing.assert_allclose(found["depth_median_m"], 0.3, rtol=1e-6)
    for unknown in (0 * depth_true, None):
        found = image_quality.geometry_metrics(rgb, true, depth_z, unknown)
        assert np.isnan([found["depth_l1_m"], found["depth_median_m"]]).all()
