"""Read one partition of a journal: how its problems and threads ended, their traces, and what is said about these."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from factory.arrow import from_table
from factory.records import Annotation, CuratedThread, Reject, Trace, Verdict
from factory.store.fs import Store
from factory.store.ids import owner_key
from factory.store.outcome import Endings, precedence
from factory.store.plan import Partition
from factory.store.reader import read_ahead
from factory.store.row_kind import OWNER

Annotations = dict[str, dict[str, Annotation]]
"""By uid of the trace, then by name."""


@dataclass(slots=True)
class PartitionReader:
    """Rows of the owners that belong to one partition. Kinds that it was cut without are empty."""

    store: Store
    partition: Partition
    damaged: int = 0
    """Row groups that could not be read so far."""

    def endings(self) -> Endings:
        """What became of each problem and thread."""
        endings, holds = Endings(), self.partition.holds
        for table in self.tables(Verdict):
            for verdict in from_table(Verdict, table):
                if holds(verdict.problem.id):
                    endings.add_verdict(verdict)
        for table in self.tables(Reject):
            for reject in from_table(Reject, table):
                if holds(owner_key(reject.id, reject.kind)):
                    endings.add_reject(reject)
        for table in self.tables(CuratedThread, ["thread_id", "source", "n_found", "problems.list.element.id"]):
            for row in table.to_pylist():
                if holds(owner_key(row["thread_id"], "thread")):
                    endings.add_thread(row["thread_id"], row["source"], row["n_found"])
                for problem in row["problems"]:
                    if holds(problem["id"]):
                        endings.add_curated(problem["id"], row["source"])
        return endings

    def traces(self) -> Iterator[pa.Table]:
        """The partition's traces, one row group after the other; rows journaled twice come twice."""
        return (table for table in self.tables(Trace) if table.num_rows)

    def annotations(self) -> Annotations:
        """Of several rows of one name about one trace the one that `outcome.precedence` puts first."""
        found: Annotations = defaultdict(dict)
        for table in self.tables(Annotation):
            for row in from_table(Annotation, table):
                if self.partition.holds(row.owner):
                    known = found[row.uid].get(row.name, row)
                    found[row.uid][row.name] = min(known, row, key=precedence)
        return found

    def tables(self, kind: type, columns: list[str] | None = None) -> Iterator[pa.Table]:
        """Row groups in order, with rows of other partitions; without them of traces, the only big kind, so that little
        is held of what is read ahead.
        """
        wanted = self.partition.row_groups.get(kind, [])
        keep = self._own if kind is Trace else (lambda table: table)
        unread = sum(len(groups) for _, groups in wanted)
        for found in read_ahead(self.store, kind, wanted, columns, keep):
            unread -= 1
            yield found.table
        self.damaged += unread

    def _own(self, table: pa.Table) -> pa.Table:
        return table.filter(pa.array([self.partition.holds(owner) for owner in table[OWNER].to_pylist()], pa.bool_()))
