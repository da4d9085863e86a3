"""Dialects: token-level chat formats. Knows records; no engine, no network, no model file."""
