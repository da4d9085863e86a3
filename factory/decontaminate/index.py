"""Nearest neighbours by cosine among unit vectors, by FAISS, and the index of benchmark problems made of it.

Which kind of index, by the number of rows on the searched side (`kind_of`):

    rows            kind        bytes per row (d = 384)   why
    to 100 000      exact       1536                      exact is seconds, and nothing to explain to a reader
    to 4 000 000    IVF, flat   1544                      4 sqrt(n) lists, 1 in 32 searched: ~30 times less work
    above           IVF, SQ8     392                      8 bits per dimension: 10 million rows in 3.9 GB, not 15.4

The exact kind searches the array itself (`faiss.knn`), so an array shared by Ray's object store or mapped from a file
is held once per node, whatever the number of workers. 347 000 problems against 20 000 benchmark problems need 31 MB
for the benchmark side and 5.3 TFLOP: about 190 s of one CPU core (tests/bench/decontam_scale.py). At 10 million rows
the exact kind would take 15.4 GB, IVF flat as much, IVF of 8 bits 3.9 GB, and HNSW (M = 32) 18 GB: hence the rule. On a
GPU (`faiss-gpu`, and a process that sees one) the same kinds are searched there.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from factory.decontaminate.benchmarks import BenchmarkId, BenchmarkProblem, read
from factory.decontaminate.cache import Vectors
from factory.decontaminate.embedder import Embedder
from factory.decontaminate.lexical import LexicalIndex
from factory.decontaminate.text import normalise
from factory.errors import FactoryError

EXACT_ROWS = 100_000
FLAT_ROWS = 4_000_000
LEXICAL = 2
"""Neighbours by n-grams that are looked at besides those by embedding."""
_TRAINING_ROWS_PER_LIST = 64


def kind_of(rows: int) -> str:
    """The FAISS factory string for `rows` vectors; see the table above."""
    if rows <= EXACT_ROWS:
        return "Flat"
    lists = 1 << round(math.log2(4 * math.sqrt(rows)))
    return f"IVF{lists},Flat" if rows <= FLAT_ROWS else f"IVF{lists},SQ8"


class VectorIndex:
    """Cosine search over unit vectors of shape (n, d). Picklable; `vectors` may be a read-only or mapped array."""

    def __init__(self, vectors: Vectors, *, kind: str | None = None) -> None:
        self.kind = kind or kind_of(len(vectors))
        self._vectors: Vectors | None = vectors if self.kind == "Flat" else None
        self._faiss: Any = None if self.kind == "Flat" else _build(vectors, self.kind)
        self.rows = len(vectors)

    def search(self, queries: Vectors, k: int) -> tuple[Vectors, npt.NDArray[np.int64]]:
        """Cosines (descending) and row numbers, both (len(queries), min(k, rows)); -1 where a list held too few."""
        k = min(k, self.rows)
        if not len(queries) or not k:
            return np.empty((len(queries), k), np.float32), np.empty((len(queries), k), np.int64)
        if self._vectors is None:
            cosines, rows = self._faiss.search(queries, k)
        else:
            cosines, rows = _exact(queries, self._vectors, k)
        return cosines, rows


def _exact(queries: Vectors, vectors: Vectors, k: int) -> tuple[Vectors, npt.NDArray[np.int64]]:
    import faiss

    if _gpus(faiss):
        return faiss.knn_gpu(_resources(), queries, vectors, k, metric=faiss.METRIC_INNER_PRODUCT)
    return faiss.knn(queries, np.ascontiguousarray(vectors), k, metric=faiss.METRIC_INNER_PRODUCT)


def _build(vectors: Vectors, kind: str) -> Any:
    import faiss

    index = faiss.index_factory(vectors.shape[1], kind, faiss.METRIC_INNER_PRODUCT)
    lists = faiss.extract_index_ivf(index).nlist
    sample = np.random.default_rng(0).permutation(len(vectors))[: lists * _TRAINING_ROWS_PER_LIST]
    index.train(np.ascontiguousarray(vectors[np.sort(sample)]))
    index.add(np.ascontiguousarray(vectors))
    faiss.extract_index_ivf(index).nprobe = max(1, lists // 32)
    return faiss.index_cpu_to_all_gpus(index) if _gpus(faiss) else index


@cache
def _resources() -> Any:
    """The GPU's scratch memory: made once in a process, as it costs more than a search."""
    import faiss

    return faiss.StandardGpuResources()


def _gpus(faiss: Any) -> int:
    """GPUs that this process may use. A Ray actor without `num_gpus` sees none, and searches on the CPU."""
    return int(faiss.get_num_gpus()) if hasattr(faiss, "StandardGpuResources") else 0


class BenchmarkIndex:
    """Distinct benchmark problems with their vectors: built once, saved, loaded (mapped) by every worker."""

    def __init__(self, problems: list[BenchmarkProblem], vectors: Vectors, embedding: str) -> None:
        self.problems = problems
        self.embedding = embedding
        self.vectors = np.asarray(vectors)  # not a memmap, which would be copied where an array is shared
        self._vector_index = VectorIndex(self.vectors)
        self._lexical = LexicalIndex([problem.text for problem in problems])
        self._by_text = {normalise(problem.text): row for row, problem in enumerate(problems)}

    @classmethod
    def build(cls, benchmarks: Sequence[str | Path], embedder: Embedder) -> BenchmarkIndex:
        """Read and embed the benchmark files; a bad line raises a FactoryError that names file and line."""
        problems = read(benchmarks)
        return cls(problems, embedder.embed([problem.text for problem in problems]), embedder.key)

    @cached_property
    def benchmarks(self) -> dict[str, int]:
        """Names of the benchmarks and the number of problems read from each."""
        counts: dict[str, int] = {}
        for problem in self.problems:
            for place in problem.places:
                counts[place.benchmark] = counts.get(place.benchmark, 0) + 1
        return counts

    def search(self, texts: Sequence[str], vectors: Vectors, k: int) -> list[list[tuple[int, float]]]:
        """For each text the rows of its k nearest benchmark problems with their cosines, nearest first, and behind
        them up to `LEXICAL` others that share most n-grams with it. One that is equal after normalisation is there."""
        cosines, rows = self._vector_index.search(vectors, k)
        lexical = self._lexical.search(texts, LEXICAL)
        found = []
        for i, text in enumerate(texts):
            nearest = {int(r): float(c) for r, c in zip(rows[i], cosines[i], strict=True) if r >= 0}
            exact = self._by_text.get(normalise(text))
            for row in ([] if exact is None else [exact]) + lexical[i]:
                if row not in nearest:
                    nearest[row] = float(vectors[i] @ self.vectors[row])
            found.append(list(nearest.items()))
        return found

    def text_of(self, benchmark: str, id: str) -> str:
        """The text of one benchmark problem, for a judge or a reader."""
        return self._texts[BenchmarkId(benchmark, id)]

    @cached_property
    def _texts(self) -> dict[BenchmarkId, str]:
        return {place: problem.text for problem in self.problems for place in problem.places}

    def save(self, directory: str | Path) -> None:
        """Write vectors.npy, problems.jsonl and meta.json into `directory`; meta.json last, as it makes it complete."""
        folder = Path(directory)
        folder.mkdir(parents=True, exist_ok=True)
        np.save(folder / "vectors.npy", self.vectors)
        lines = (json.dumps(dataclasses.asdict(p), ensure_ascii=False) for p in self.problems)
        (folder / "problems.jsonl").write_text("\n".join(lines), encoding="utf-8")
        (folder / "meta.json").write_text(json.dumps({"embedding": self.embedding, "rows": len(self.problems)}))

    @classmethod
    def load(cls, directory: str | Path) -> BenchmarkIndex:
        """Read what `save` wrote; the vectors are mapped, so the processes of one node share their pages."""
        folder = Path(directory)
        try:
            meta = json.loads((folder / "meta.json").read_text())
            lines = (folder / "problems.jsonl").read_text(encoding="utf-8").split("\n")
            vectors = np.load(folder / "vectors.npy", mmap_mode="r")
        except (OSError, ValueError) as error:
            raise FactoryError(
                f"{folder} is not a saved benchmark index", why=str(error), remedy="build it again with save"
            ) from None
        rows = [json.loads(line) for line in lines if line]
        problems = [BenchmarkProblem(r["text"], tuple(BenchmarkId(**place) for place in r["places"])) for r in rows]
        if not len(problems) == len(vectors) == meta["rows"]:
            raise FactoryError(
                f"{folder} holds {len(problems)} problems and {len(vectors)} vectors", remedy="rebuild it"
            )
        return cls(problems, vectors, meta["embedding"])
