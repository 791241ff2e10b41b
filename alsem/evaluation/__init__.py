"""Metrics: segmentation, calibration, image quality and label efficiency."""
