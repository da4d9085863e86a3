"""Near-duplicates: problems of a run that are the same, found once over all of them; one of each group stays."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator, Iterable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from factory.arrow import from_table, to_table
from factory.decontaminate.cache import Vectors
from factory.decontaminate.duplicates import near_duplicates
from factory.decontaminate.embedder import Embedder
from factory.recipe import Embedding, Recipe
from factory.records import Problem, Reject
from factory.stages.stage import Pool, Stage
from factory.store.fs import Store
from factory.store.run import Run
from factory.store.tables import read_table

STAGE = "near_duplicates"
FOUND = "near_duplicates.parquet"  # in the run: columns id, kept, reason


def stage() -> Stage:
    """One actor that removes the duplicates; it reserves no CPU."""
    return Stage(STAGE, Pool("near-duplicates", (), (1, 1)), NearDuplicatesWorker)


class Embed:
    """`Problem` rows in; what a comparison of all with all needs out: id, text, answer and vector."""

    def __init__(self, recipe: Recipe) -> None:
        config = recipe.decontaminate
        self._embedder = Embedder(config.embedding, cache=config.cache)

    def __call__(self, batch: pa.Table) -> pa.Table:
        vectors = self._embedder.embed(batch["text"].to_pylist())
        column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
        return batch.select(["id", "text", "answer"]).append_column("vector", column)


def find(store: Store, embedded: Iterable[pa.Table], recipe: Recipe) -> None:
    """Compare all problems and write what was found into the run; the first writer wins."""
    table = pa.concat_tables(embedded)
    rows = table.select(["id", "text", "answer"]).to_pylist()
    flat = np.concatenate([np.asarray(chunk.flatten()) for chunk in table["vector"].chunks])
    vectors = _KnownVectors(recipe.decontaminate.embedding, table["text"].to_pylist(), flat.reshape(len(rows), -1))
    found = near_duplicates([Problem(**row) for row in rows], vectors, min_cosine=recipe.near_duplicates.min_cosine)
    sink = pa.BufferOutputStream()
    columns = {
        name: pa.array([getattr(each, name) for each in found], pa.string()) for name in ("id", "kept", "reason")
    }
    pq.write_table(pa.table(columns), sink)
    store.create(FOUND, bytes(sink.getvalue().to_pybytes()))


class NearDuplicatesWorker:
    """`Problem` rows in, those that stay out. Rejects are in the journal before the batch is handed on."""

    def __init__(self, run: Run, recipe: Recipe) -> None:
        self._journal = run.writer(f"near-duplicates-{uuid.uuid4().hex[:8]}", recipe.journal)
        self._found = {row["id"]: row for row in read_table(run.store, FOUND).to_pylist()}

    async def __call__(self, batch: pa.Table) -> AsyncGenerator[pa.Table, None]:
        problems = from_table(Problem, batch)
        receipts = [self._journal.append(self._reject(problem)) for problem in problems if problem.id in self._found]
        await self._journal.durable(*receipts, now=True)
        yield to_table(Problem, [problem for problem in problems if problem.id not in self._found])

    def _reject(self, problem: Problem) -> Reject:
        found = self._found[problem.id]
        return Reject.of(problem, STAGE, "near_duplicate", f"{found['kept']} stays: {found['reason']}")


class _KnownVectors:
    """Vectors that were computed elsewhere, as the embedder that would compute them."""

    def __init__(self, config: Embedding, texts: Sequence[str], vectors: Vectors) -> None:
        self.config = config
        self._vectors, self._rows = vectors, {text: row for row, text in enumerate(texts)}

    def embed(self, texts: Sequence[str]) -> Vectors:
        return self._vectors[np.array([self._rows[text] for text in texts], dtype=np.int64)]
