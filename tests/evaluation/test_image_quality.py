import numpy as np

from alsem.evaluation import image_quality


def test_psnr_is_in_decibels():
    np.testing.assert_allclose(image_quality.psnr(0.01), 20.0)
    np.testing.assert_allclose(image_quality.psnr(1.0), 0.0, atol=1e-12)
    assert np.isfinite(image_quality.psnr(0.0))


def test_depth_errors_leave_out_unknown_depth():
    rgb = np.zeros((1, 2, 2, 3), np.uint8)
    depth_z = np.array([[[1.0, 2.0], [3.0, 9.0]]], np.float32)
    true = np.array([[[1.5, 2.1], [3.3, 0.0]]], np.float32)
    found = image_quality.geometry_metrics(rgb, rgb, depth_z, true)
    np.testing.assert_allclose(found["depth_l1_m"], 0.3, rtol=1e-6)
    np.testing.assert_allclose(found["depth_median_m"], 0.3, rtol=1e-6)
    unknown = image_quality.geometry_metrics(rgb, rgb, depth_z, 0 * true)
    assert np.isnan([unknown["depth_l1_m"], unknown["depth_median_m"]]).all()


def test_psnr_ignores_invalid_pixels():
    true = np.zeros((1, 1, 2, 3), np.uint8)
    rgb = true.copy()
    rgb[..., 0, :], rgb[..., 1, :] = 51, 255  # off by .2, and by 1 where invalid
    depth_z = np.ones((1, 1, 2), np.float32)
    valid = np.array([[[True, False]]])
    found = image_quality.geometry_metrics(rgb, true, depth_z, None, valid)
    np.testing.assert_allclose(found["psnr"], -10 * np.log10(0.2**2))
