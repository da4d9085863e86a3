"""Inspection: look into a run from storage alone, while it continues or years later: why, audit, disagreement.

Knows store, ingest and records; for an audit also verify and the sandbox, to do their work again. Writes nothing.
"""
