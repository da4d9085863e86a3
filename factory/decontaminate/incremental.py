"""A benchmark that comes later: only the pairs with the new benchmark are compared, and the problems that must leave
are named.

The vectors of the problems come from the embedder's cache, those of the old benchmarks are not needed: the work is one
search in the new benchmark's index, whatever the number of old ones.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from factory.decontaminate.check import CONTAMINATED, UNDECIDED, CheckedProblem, check, decide
from factory.decontaminate.embedder import Embedder
from factory.decontaminate.index import BenchmarkIndex
from factory.recipe import Decontaminate
from factory.records import Neighbour, Problem

_RANK = {CONTAMINATED: 2, UNDECIDED: 1}


def check_later(
    problems: Sequence[Problem], later: BenchmarkIndex, embedder: Embedder, config: Decontaminate
) -> list[CheckedProblem]:
    """Hold problems that were checked before against the index of further benchmarks alone, in order.

    Each result carries the neighbours known before and the new ones, the nearest `config.neighbours` of each kept and
    none dropped that is contaminated or undecided. A problem must leave where `contaminated` is true now.
    """
    checked = check(problems, later, embedder, config)
    return [
        decide(dataclasses.replace(new.problem, neighbours=_merged(old, new.problem, later, config)), config)
        for old, new in zip(problems, checked, strict=True)
    ]


def _merged(old: Problem, new: Problem, index: BenchmarkIndex, config: Decontaminate) -> list[Neighbour]:
    """Old neighbours of a benchmark that was read again are superseded by the new ones."""
    kept = [n for n in old.neighbours if n.benchmark not in index.benchmarks]
    ordered = sorted(kept + new.neighbours, key=lambda n: (-_RANK.get(n.verdict, 0), -n.cosine, n.benchmark, n.id))
    certain = sum(n.verdict in _RANK for n in ordered)
    return ordered[: max(config.neighbours, certain)]
