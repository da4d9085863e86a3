"""Decontaminate: embeddings, a FAISS index of benchmark problems, overlap signals, a verdict per pair.

Read in this order: `text` and `signals` (what is measured on a pair), `rule` (the verdict), `embedder` and `index`
(which pairs are looked at), `check` (a batch of problems), `duplicates` (the same among the problems themselves).
Knows records and recipe; no Ray, no language model.
"""

from factory.decontaminate.benchmarks import BenchmarkId
from factory.decontaminate.check import CheckedProblem, check, settle
from factory.decontaminate.duplicates import Duplicate, near_duplicates
from factory.decontaminate.embedder import Embedder
from factory.decontaminate.index import BenchmarkIndex
from factory.decontaminate.rule import PairDecision, judge_pair
from factory.decontaminate.signals import signals

__all__ = [
    "BenchmarkId",
    "BenchmarkIndex",
    "CheckedProblem",
    "Duplicate",
    "Embedder",
    "PairDecision",
    "check",
    "judge_pair",
    "near_duplicates",
    "settle",
    "signals",
]
