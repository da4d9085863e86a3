"""Programs: what a language model does to one row, as async functions over a few effects (`ctx`).

Knows dialects, verify and the protocols of engine and sandbox; no Ray, no vLLM, no storage.
"""
