"""Annotators, which answer the queries in the label store."""
