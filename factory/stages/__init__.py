"""Stages: the workers of the Ray Data graph as plain classes. They know the rooms; only `pipeline` knows Ray.

A stage takes an Arrow batch and returns one. Whatever happens to a row, the row comes out: as itself, or as a reject
that is in storage before the batch is handed on.
"""
