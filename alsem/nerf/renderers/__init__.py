"""Renderers: a field with its way of placing samples along a ray."""
