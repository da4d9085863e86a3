"""Read: the problems of one input part that are not finished yet."""

from __future__ import annotations

import pyarrow as pa

from factory import ingest
from factory.store.ids import Hashes, contained, hashes_of
from factory.store.run import Run


class Read:
    """Part keys in (a column `part`), `Problem` rows out. `finished` are sorted hashes of ids to leave out."""

    def __init__(self, run: Run, inputs: ingest.Inputs, finished: Hashes) -> None:
        self._run, self._inputs, self._finished = run, inputs, finished

    def __call__(self, batch: pa.Table) -> pa.Table:
        tables = [ingest.rows(self._run.store, self._inputs, key) for key in batch["part"].to_pylist()]
        problems = pa.concat_tables(tables)
        done = contained(hashes_of(problems["id"].to_pylist()), self._finished)
        return problems.filter(pa.array(~done))
