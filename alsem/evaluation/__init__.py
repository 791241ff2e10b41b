"""Metrics: segmentation, calibration, image quality, label efficiency."""
