"""Prompts: one YAML file per purpose; no prompt text stands in code."""
