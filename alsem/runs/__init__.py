"""Runs from config to report, sweeps of runs and their comparison."""
