"""The active-learning loop and its stages."""
