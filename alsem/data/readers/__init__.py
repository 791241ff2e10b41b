"""Readers: one module for each layout of captures on disk."""
