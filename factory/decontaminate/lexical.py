"""Candidates by shared n-grams, beside those by embedding: what an embedding model cannot see.

A model reads the first 256 tokens or so, knows little of formulas and, mostly, one language. Word and symbol n-grams
find a copy behind a long preamble and a translated problem whose formulas are untouched. TF-IDF cosine, exact, by one
sparse product.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from factory.decontaminate.text import analyse

_MAX_SHARE = 0.02
"""An n-gram in more than this share of the problems, and in more than `_MIN_ROWS`, tells nothing: "find the value"."""
_MIN_ROWS = 10
_ROWS_PER_SEARCH = 1024


class LexicalIndex:
    """Word threes, symbol threes and numbers of texts, weighed by their rarity. About 2 KB a text."""

    def __init__(self, texts: Sequence[str]) -> None:
        features = [_features(text) for text in texts]
        counts: dict[str, int] = {}
        for found in features:
            for feature in found:
                counts[feature] = counts.get(feature, 0) + 1
        limit = max(_MIN_ROWS, _MAX_SHARE * len(texts))
        rare = [feature for feature, count in counts.items() if count <= limit]
        self._column = {feature: i for i, feature in enumerate(rare)}
        self._idf = np.array([np.log(1 + len(texts) / counts[feature]) for feature in rare], dtype=np.float32)
        self._matrix = self._weighed(features).T.tocsr()

    def search(self, texts: Sequence[str], k: int) -> list[list[int]]:
        """For each text the rows of the k texts that share the most with it, best first; fewer where fewer share."""
        found: list[list[int]] = []
        for start in range(0, len(texts), _ROWS_PER_SEARCH):
            queries = self._weighed([_features(text) for text in texts[start : start + _ROWS_PER_SEARCH]])
            product = (queries @ self._matrix).tocsr()
            for i in range(product.shape[0]):
                shared = slice(product.indptr[i], product.indptr[i + 1])
                found.append(_best(product.indices[shared], product.data[shared], k))
        return found

    def _weighed(self, features: Sequence[set[str]]) -> Any:
        """Rows of unit length, one a text; features that the index does not know are left out."""
        columns = [sorted(self._column[f] for f in found if f in self._column) for found in features]
        starts = np.cumsum([0, *(len(row) for row in columns)])
        flat = np.fromiter((c for row in columns for c in row), dtype=np.int64, count=int(starts[-1]))
        values = self._idf[flat] if len(flat) else np.empty(0, np.float32)
        lengths = np.sqrt(np.add.reduceat(np.append(values**2, 0), starts[:-1]))
        lengths = np.repeat(np.maximum(lengths, 1e-6), np.diff(starts))
        return csr_matrix((values / lengths, flat, starts), shape=(len(columns), len(self._column)))


def _best(rows: npt.NDArray[np.int32], scores: npt.NDArray[np.float32], k: int) -> list[int]:
    order = np.lexsort((rows, -scores))[:k]
    return [int(row) for row in rows[order]]


def _features(text: str) -> set[str]:
    analysed = analyse(text)
    words, symbols = analysed.words, analysed.symbols
    found = {" ".join(words[i : i + 3]) for i in range(len(words) - 2)}
    found |= {"=" + " ".join(symbols[i : i + 3]) for i in range(len(symbols) - 2)}
    return found | {"#" + number for number in analysed.numbers if len(number) > 1}
