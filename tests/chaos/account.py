"""Everything that storage holds of one finished run, read row by row, without the factory's own sums."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from factory import ingest
from factory.arrow import from_table
from factory.records import CuratedThread, ModelReply, Reject, SampleKey, Trace, Verdict
from factory.store.fs import Store
from factory.store.kinds import DIRECTORIES
from factory.store.manifest import Manifest, latest
from factory.store.run import Run
from factory.store.tables import read_table


@dataclass(slots=True, kw_only=True)
class Account:
    """One run. Rows of the journal are kept as often as it holds them."""

    run: Run
    read: set[str]  # ids of all rows that were read, those refused at reading included
    traces: list[Trace]
    verdicts: list[Verdict]
    rejects: list[Reject]
    curated: list[CuratedThread]
    asked: list[ModelReply]
    manifest: Manifest
    published: list[dict[str, Any]]  # rows of every file that is in dataset/, whatever the manifest says
    stray: list[str] = field(default_factory=list)  # files in dataset/ that the manifest does not name

    @property
    def stated(self) -> dict[str, set[str]]:
        """Ids of the problems that were found in each curated thread, by the thread's id."""
        found = {thread.thread_id: {problem.id for problem in thread.problems} for thread in self.curated}
        for reject in self.rejects:
            if (thread_id := reject.id.rpartition("/")[0]) in found:
                found[thread_id].add(reject.id)
        return found

    @property
    def entered(self) -> set[str]:
        return self.read.union(*self.stated.values())

    @property
    def ended(self) -> set[str]:
        threads = {thread.thread_id for thread in self.curated}
        return {verdict.problem.id for verdict in self.verdicts} | {reject.id for reject in self.rejects} | threads

    @property
    def keys(self) -> set[SampleKey]:
        """Of every finished sample."""
        return {trace.key for trace in self.traces}

    @property
    def copies(self) -> list[Trace]:
        """Samples that were drawn again although they were in the journal: all but the first of each key."""
        seen: set[SampleKey] = set()
        again = []
        for trace in self.traces:
            if trace.key in seen:
                again.append(trace)
            seen.add(trace.key)
        return again

    @property
    def asked_again(self) -> int:
        """Questions of curation that were answered once more although the answer was in the journal."""
        return len(self.asked) - len({(one.owner, one.key) for one in self.asked})


def account_of(uri: str) -> Account:
    run = Run.attach(uri)
    inputs, manifest = ingest.load(run.store), latest(run.store)
    assert inputs is not None
    assert manifest is not None
    files = [entry.key for entry in run.store.list("dataset/mode=")]
    return Account(
        run=run,
        read={row for part in inputs.parts for row in read_table(run.store, part)["id"].to_pylist()},
        traces=_journaled(run.store, Trace),
        verdicts=_journaled(run.store, Verdict),
        rejects=_journaled(run.store, Reject) + _refused(run.store),
        curated=_journaled(run.store, CuratedThread),
        asked=_journaled(run.store, ModelReply),
        manifest=manifest,
        published=[row for key in files for row in _rows(run.store, key).to_pylist()],
        stray=sorted(set(files) ^ {shard.key for shard in manifest.shards}),
    )


def name_of(row: dict[str, Any]) -> str:
    """The sample key of a published row."""
    return f"{row['problem_id']}/{row['reasoning_mode']}/{'python' if row['with_tool'] else 'none'}/{row['sample']}"


def _journaled(store: Store, kind: type) -> list[Any]:
    keys = [entry.key for entry in store.list(DIRECTORIES[kind])]
    return [row for key in keys for row in from_table(kind, read_table(store, key))]


def _refused(store: Store) -> list[Reject]:
    """Rows that were refused when they were read, as they are published."""
    keys = [entry.key for entry in store.list("rejects/read-")]
    return [row for key in keys for row in from_table(Reject, read_table(store, key))]


def _rows(store: Store, key: str) -> pa.Table:
    with store.parquet(key) as file:
        return file.read()
