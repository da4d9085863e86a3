"""Near-duplicates among the training problems themselves: keep one of each, point the rest to it.

Two problems are duplicates when they are equal after normalisation, or when they are near by embedding, state the same
numbers and overlap enough for the calibrated rule to call them the same problem. Memory: the vectors (1.5 KB a problem
at dimension 384) plus the index over them (`index.kind_of`): 347 000 problems need about 1.1 GB, 10 million 20 GB.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from factory.decontaminate.cache import Vectors
from factory.decontaminate.index import VectorIndex
from factory.decontaminate.rule import judge_pair
from factory.decontaminate.signals import signals
from factory.decontaminate.text import analyse, normalise
from factory.recipe import Embedding
from factory.records import Problem

MIN_COSINE = 0.8
"""Pairs below are not looked at: the calibrated rule calls hardly any of them the same, and there are very many."""
_NEIGHBOURS = 8
_ROWS_PER_SEARCH = 8192


class TextEmbedder(Protocol):
    """Gives unit vectors of texts, float32 of shape (len(texts), dimension), made by one model."""

    config: Embedding

    def embed(self, texts: Sequence[str]) -> Vectors: ...


class Duplicate(NamedTuple):
    """A problem that leaves, the one that stays in its place, and why."""

    id: str
    kept: str
    reason: str


def near_duplicates(
    problems: Sequence[Problem], embedder: TextEmbedder, *, min_cosine: float = MIN_COSINE
) -> list[Duplicate]:
    """The problems to drop, in order of the input. Which one of a group stays does not depend on batches or workers:
    one with an answer before one without, then the longer text, then the smaller id."""
    order = sorted(range(len(problems)), key=lambda i: _preference(problems[i]))
    kept_as: dict[int, tuple[int, str]] = {}
    first: dict[str, int] = {}
    distinct = []
    for i in order:
        key = normalise(problems[i].text) or problems[i].text
        if key in first:
            kept_as[i] = (first[key], "identical after normalisation")
        else:
            first[key] = i
            distinct.append(i)
    vectors = embedder.embed([problems[i].text for i in distinct])
    for later, earlier, reason in _close_pairs([problems[i].text for i in distinct], vectors, embedder, min_cosine):
        # A problem that has left keeps nobody: a chain A~B~C does not drop C for a B that is gone.
        if distinct[earlier] not in kept_as and distinct[later] not in kept_as:
            kept_as[distinct[later]] = (distinct[earlier], reason)
    return [Duplicate(problems[i].id, problems[_root(i, kept_as)].id, kept_as[i][1]) for i in sorted(kept_as)]


def _preference(problem: Problem) -> tuple[bool, int, str]:
    return (problem.answer is None, -len(problem.text), problem.id)


def _close_pairs(
    texts: list[str], vectors: Vectors, embedder: TextEmbedder, min_cosine: float
) -> Iterator[tuple[int, int, str]]:
    """Pairs (later, earlier, reason) of positions that are the same problem, ordered by the later one."""
    index = VectorIndex(vectors)
    for start in range(0, len(texts), _ROWS_PER_SEARCH):
        cosines, rows = index.search(vectors[start : start + _ROWS_PER_SEARCH], _NEIGHBOURS + 1)
        for offset, (near, similar) in enumerate(zip(rows, cosines, strict=True)):
            later = start + offset
            for earlier, cosine in sorted(zip(near.tolist(), similar.tolist(), strict=True)):
                if 0 <= earlier < later and cosine >= min_cosine:
                    reason = _same(texts[later], texts[earlier], cosine, embedder.config.model)
                    if reason:
                        yield later, earlier, reason


def _same(one: str, two: str, cosine: float, model: str) -> str:
    """Why two texts are the same problem, or nothing. Other numbers make another problem, whatever the words say."""
    if analyse(one).numbers != analyse(two).numbers:
        return ""
    verdict = judge_pair(signals(one, two, cosine), model=model)
    return verdict.reason if verdict.contaminated else ""


def _root(i: int, kept_as: dict[int, tuple[int, str]]) -> int:
    """The problem that stays: an identical copy may point to one that later left for a near one."""
    while i in kept_as:
        i = kept_as[i][0]
    return i
