"""Evaluation: what the samples of a model say about it, with error bars. Knows no engine.

`metrics` turns samples into one score a problem, `intervals` turns scores into an estimate with an interval and
compares two models pair by pair, `samples` reads the samples of a run, `results` puts all of it together.
"""
