"""Readers of captures: one module for each layout on disk."""
