"""Copies a source run's traces into the journal of a derived run, part by part."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from factory.ingest import Inputs
from factory.programs.answered import AnsweredProblem
from factory.recipe import Rejudge
from factory.records import Trace
from factory.store.counts import sums
from factory.store.fs import Store
from factory.store.ids import Hashes, contained, hashes_of
from factory.store.kinds import DIRECTORIES, KINDS
from factory.store.parts import PartInfo, assemble
from factory.store.publish import Mapper
from factory.store.reader import read_ahead
from factory.store.row_kind import OWNER
from factory.store.run import Run
from factory.store.tables import read_table

COPIED = "inputs/traces.json"
"""Written once all traces of the source are in the journal: from then on the source is not needed."""
PARTS_PER_COPY = 16


def copy_traces(run: Run, recipe: Rejudge, inputs: Inputs, mapper: Mapper) -> None:
    """Copy the source's traces of the run's problems, each part under its own name. Copied parts are skipped."""
    source = Run.attach(recipe.source.path)
    there = {entry.key for entry in run.store.list(DIRECTORIES[Trace])}
    missing = [info for info in source.reader().parts(Trace) if info.entry.key not in there]
    ids = [read_table(run.store, key)["id"].to_pylist() for key in inputs.parts_of(AnsweredProblem)]
    kept = np.sort(np.concatenate([np.empty(0, np.uint64), *map(hashes_of, ids)]))
    tasks = [missing[start : start + PARTS_PER_COPY] for start in range(0, len(missing), PARTS_PER_COPY)]
    copied = sum(mapper(partial(_copy_parts, source.store, run, kept), tasks))
    run.store.write(COPIED, json.dumps({"parts": len(there) + copied}).encode())


def _copy_parts(source: Store, run: Run, kept: Hashes, infos: Sequence[PartInfo]) -> int:
    """Copy the traces of kept problems. Returns how many parts have any."""
    copied = 0
    for info in infos:
        groups, contents = list[pa.Table](), defaultdict[str, list[Any]](list)
        tallies = []
        for located in read_ahead(source, Trace, [(info.entry, range(len(info.groups)))]):
            owners = located.table[OWNER].to_pylist()
            table = located.table.filter(pa.array(contained(hashes_of(owners), kept), pa.bool_()))
            if table.num_rows:
                groups.append(table)
                contents["groups"].append(sorted(set(table[OWNER].to_pylist())))
                contents["group_bytes"].append(table.nbytes)
                tallies += [_tally(table)]
        if groups:
            tally = {heading: astuple(count) for heading, count in sums(tallies).items()}
            whole = {"fingerprint": run.fingerprint, **contents, "tally": tally}
            run.store.write(info.entry.key, assemble(Trace, groups, whole).to_pybytes())
            copied += 1
    return copied


def _tally(table: pa.Table) -> dict[str, Any]:
    """The counts of these traces for a part's footer."""
    kind = KINDS[Trace]
    rows = (_TraceCounts(**row) for row in table.select([f.name for f in fields(_TraceCounts)]).to_pylist())
    return sums({kind.heading(row): kind.count(row)} for row in rows)


@dataclass(frozen=True, slots=True)
class _TraceCounts:
    mode: str
    tool: bool
    task: str
    teacher: str
    n_generated_tokens: int
    n_tool_tokens: int
    n_regenerated_tokens: int
