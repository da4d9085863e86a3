"""Read: what is not finished yet of the run's inputs, and of the problems that its threads were curated into."""

from __future__ import annotations

import pyarrow as pa

from factory import ingest
from factory.arrow import schema
from factory.records import Problem, Thread
from factory.store.ids import Hashes, contained, hashes_of, owner_key
from factory.store.run import Run
from factory.store.tables import read_table


class Read:
    """Keys of input parts in (a column `part`), their rows out. `finished` are sorted hashes of ids to leave out."""

    def __init__(self, run: Run, inputs: ingest.Inputs, finished: Hashes) -> None:
        self._run, self._inputs, self._finished = run, inputs, finished

    def __call__(self, batch: pa.Table) -> pa.Table:
        keys = batch["part"].to_pylist()
        rows = pa.concat_tables([ingest.read_part(self._run.store, self._inputs, key) for key in keys])
        kind = "thread" if rows.schema.equals(schema(Thread)) else "problem"
        owners = (owner_key(row_id, kind) for row_id in rows["id"].to_pylist())
        return rows.filter(pa.array(~contained(hashes_of(owners), self._finished)))


class ReadCurated:
    """Keys of journal parts in, the problems of the threads that ended there out, without those that are `finished`."""

    def __init__(self, run: Run, finished: Hashes) -> None:
        self._run, self._finished = run, finished

    def __call__(self, batch: pa.Table) -> pa.Table:
        tables = [read_table(self._run.store, key) for key in batch["part"].to_pylist()]
        structs = [pa.Table.from_struct_array(c.flatten()) for table in tables for c in table["problems"].chunks]
        problems = pa.concat_tables([table.cast(schema(Problem)) for table in structs])
        done = contained(hashes_of(problems["id"].to_pylist()), self._finished)
        return problems.filter(pa.array(~done))
