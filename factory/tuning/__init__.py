"""Tuning: which engine settings give the most tokens for the money, measured with a run's own programs on its machines.

`candidates` says what is tried, `measure` keeps one engine full for some minutes and counts, `tune` walks through the
settings, remembers what was measured, and writes the best as a file to lay over the recipe, with figures for `plan`.
Knows Ray, engines and programs; only the command line imports it.
"""
