"""The rules that compare two parsed answers, one file per kind of answer.

A rule returns an `Equivalence`, or None if the pair is not of its kind. `compare.py` asks them in order.
"""
