"""Cues: per-candidate quantities other than the prediction."""
