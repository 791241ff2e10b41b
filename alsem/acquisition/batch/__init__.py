"""Batch selection: steps that turn scores into a diverse batch of queries."""
