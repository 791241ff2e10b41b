"""Annotators: who answers the queries in the label store."""
